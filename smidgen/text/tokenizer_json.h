// The parts of a tokenizer.json that every kind of tokenizer shares. The format and its defaults: the serde types of
// Hugging Face tokenizers. Whatever would change ids and is not reproduced is refused by name; what cannot (decoder,
// padding) is skipped. For .cc files: it includes simdjson.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/json.h"
#include "smidgen/text/token_rules.h"

namespace smidgen::tokenizer_json {

using Json = simdjson::dom::element;

// "tokenizer: `part` why".
Error refused(std::string_view part, const std::string& why);
// A string shown in an error: short, whatever the file holds.
std::string shown(std::string_view text);

// The document's root, an object of version 1.0. `document` keeps it alive.
Result<Json> open(std::string_view json, Result<JsonDocument>& document);
// root[key] as an object with a "type"; false when absent or null.
Result<bool> typed_part(Json root, std::string_view key, Json& part, std::string_view& type);
// The steps of root[key]: itself, or what a Sequence holds under `list_key`; none when absent or null.
struct Step {
  Json part;
  std::string_view type;
};
Status read_steps(Json root, std::string_view key, std::string_view list_key, std::vector<Step>& steps);
// part[key] or, when it is absent or null, `otherwise`.
Result<bool> flag_or(Json part, std::string_view key, bool otherwise);
// The model object, and its type ("" when it has none).
Result<Json> read_model_part(Json root, std::string_view& type);

// `model.vocab` as an object of token: id.
Status read_vocabulary(Json model, std::size_t& model_tokens, TokenRules& rules);
Status read_added(Json root, std::vector<AddedToken>& added);
// One processor of `post_processor`: TemplateProcessing, BertProcessing or RobertaProcessing; false for others.
Result<bool> read_processor(Json part, std::string_view type, TokenRules& rules);
Status read_truncation(Json root);
// What stands around the text must be tokens: after add_tokens.
Status check_special(const TokenRules& rules);

// tokenizer_config.json: config[key] as a string or an object with `content` (the default stays when it is absent or
// null), and {"102": {"content": "[SEP]", "special": true, ..}, ..} of `added_tokens_decoder`, sorted by id.
Status read_special_name(Json config, std::string_view key, std::string& name);
Status read_added_decoder(Json config, std::vector<AddedToken>& added);

}  // namespace smidgen::tokenizer_json
