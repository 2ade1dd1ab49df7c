// tokenizer_config.json, which transformers reads beside the vocabulary or beside tokenizer.json.
#pragma once

#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

// The file's text without `model_max_length`: that is the encoder's limit (model/encoder_config), and "no limit" is a
// number beyond every integer there, which JsonDocument refuses.
Result<std::string> read_tokenizer_config(const std::string& path);

// transformers lets the file change what tokenizer.json says: kBadData for what would give other ids. `config` may lack
// everything; both are JSON objects.
Status check_tokenizer_config(std::string_view config, std::string_view tokenizer_json);

}  // namespace smidgen
