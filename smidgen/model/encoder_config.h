// What a Hugging Face / sentence-transformers folder says about its encoder, read and range-checked before any weight
// is touched. Files: config.json; modules.json (optional: without it mean pooling, no normalisation, as
// sentence-transformers treats a plain folder); N_Pooling/config.json; sentence_bert_config.json or what stands for it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/body_config.h"

namespace smidgen {

enum class Pooling { kMean, kCls, kMax };
std::string_view to_string(Pooling pooling);  // "mean", "cls", "max"

struct EncoderConfig {
  BodyConfig body;
  Pooling pooling = Pooling::kMean;
  bool normalize = false;          // divide by the Euclidean norm
  bool lower_case = false;         // texts are put in lower case before the tokenizer
  std::size_t tokens_max = 0;      // the folder's value, special tokens included, <= positions
  std::string body_folder;         // where config.json and the weights lie: the folder itself or one below
  std::string body_prefix;         // of names below it, as seen from the folder: empty, or "sub/"
  std::vector<std::string> files;  // every file read so far, relative to the folder

  static Result<EncoderConfig> load(const std::string& folder);
};

}  // namespace smidgen
