// tokenizer.json of the BERT family.
#include <algorithm>

#include "smidgen/text/bert_rules.h"
#include "smidgen/text/tokenizer_json.h"

namespace smidgen {

namespace {

using namespace tokenizer_json;

Status read_normalizer(Json root, BertRules& rules) {
  Json part;
  std::string_view type;
  SMIDGEN_ASSIGN(const bool present, typed_part(root, "normalizer", part, type));
  if (!present) {
    rules.clean_text = rules.chinese_chars = rules.strip_accents = rules.lowercase = false;
    return Ok{};
  }
  if (type != "BertNormalizer")
    return refused("normalizer", "is " + shown(type) + "; only BertNormalizer can be reproduced for WordPiece");
  SMIDGEN_ASSIGN(rules.clean_text, json_bool(part, "clean_text"));
  SMIDGEN_ASSIGN(rules.chinese_chars, json_bool(part, "handle_chinese_chars"));
  SMIDGEN_ASSIGN(rules.lowercase, json_bool(part, "lowercase"));
  SMIDGEN_ASSIGN(rules.strip_accents, flag_or(part, "strip_accents", rules.lowercase));
  return Ok{};
}

Status read_pre_tokenizer(Json root) {
  Json part;
  std::string_view type;
  SMIDGEN_ASSIGN(const bool present, typed_part(root, "pre_tokenizer", part, type));
  if (!present) return refused("pre_tokenizer", "is missing; only BertPreTokenizer can be reproduced for WordPiece");
  if (type != "BertPreTokenizer")
    return refused("pre_tokenizer", "is " + shown(type) + "; only BertPreTokenizer can be reproduced for WordPiece");
  return Ok{};
}

Status read_model(Json model, std::size_t& model_tokens, BertRules& rules) {
  SMIDGEN_ASSIGN(rules.prefix, json_string(model, "continuing_subword_prefix", 64));
  SMIDGEN_ASSIGN(const std::int64_t chars, json_integer(model, "max_input_chars_per_word", 0, 100'000));
  rules.word_chars_max = static_cast<std::size_t>(chars);
  SMIDGEN_TRY(read_vocabulary(model, model_tokens, rules));
  SMIDGEN_ASSIGN(const std::string unknown, json_string(model, "unk_token", kTokenBytesMax));
  const auto at = std::find(rules.tokens.begin(), rules.tokens.end(), unknown);
  if (unknown.empty() || at == rules.tokens.end())
    return refused("model.unk_token", "is " + shown(unknown) + ", which is not in the vocabulary");
  rules.unknown_id = static_cast<std::int32_t>(at - rules.tokens.begin());
  return Ok{};
}

Status read_post_processor(Json root, BertRules& rules) {
  Json part;
  std::string_view type;
  rules.pair = PairTemplate{};
  SMIDGEN_ASSIGN(const bool present, typed_part(root, "post_processor", part, type));
  if (!present) return Ok{};
  // RobertaProcessing would also trim spans by rules for byte-level tokens.
  bool known = type != "RobertaProcessing";
  if (known) {
    SMIDGEN_ASSIGN(known, read_processor(part, type, rules));
  }
  if (!known)
    return refused(
        "post_processor",
        "is " + shown(type) + "; only TemplateProcessing and BertProcessing can be reproduced for WordPiece");
  return Ok{};
}

}  // namespace

Result<BertRules> bert_rules_from_json(std::string_view json) {
  Result<JsonDocument> document = Error::internal("not parsed");
  SMIDGEN_ASSIGN(const Json root, open(json, document));
  BertRules rules;
  std::size_t model_tokens = 0;
  std::vector<AddedToken> added;
  std::string_view type;
  SMIDGEN_TRY(read_truncation(root));
  SMIDGEN_TRY(read_normalizer(root, rules));
  SMIDGEN_TRY(read_pre_tokenizer(root));
  SMIDGEN_ASSIGN(const Json model, read_model_part(root, type));
  // Files of 2020 have no model type; the reference then takes the first model whose fields are all there.
  if (type.empty() ? json_has(model, "merges") : type != "WordPiece")
    return refused("model", "is " + shown(type) + ", not WordPiece");
  SMIDGEN_TRY(read_model(model, model_tokens, rules));
  SMIDGEN_TRY(read_post_processor(root, rules));
  SMIDGEN_TRY(read_added(root, added));
  SMIDGEN_TRY(add_bert_tokens(std::move(added), model_tokens, rules));
  SMIDGEN_TRY(check_special(rules));
  return rules;
}

}  // namespace smidgen
