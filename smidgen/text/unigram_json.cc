// tokenizer.json of the Unigram family.
#include <cmath>

#include "smidgen/text/tokenizer_json.h"
#include "smidgen/text/unicode_tables.h"
#include "smidgen/text/unigram_rules.h"

namespace smidgen {

namespace {

using namespace tokenizer_json;

constexpr std::size_t kContentBytesMax = 16;

Status read_charsmap(Json part, UnigramRules& rules) {
  std::string_view text;
  std::string bytes;
  if (part.at_key("precompiled_charsmap").get(text) != simdjson::SUCCESS || !decode_base64(text, bytes))
    return refused("normalizer.precompiled_charsmap", "must be a base64 string");
  auto map = Charsmap::parse(bytes);
  if (!map.ok()) return refused("normalizer.precompiled_charsmap", map.error().what());
  UnigramStep step;
  step.charsmap = std::make_shared<const Charsmap>(std::move(map).value());
  rules.steps.push_back(std::move(step));
  return Ok{};
}

Status read_join_spaces(Json part, UnigramRules& rules) {
  Json pattern;
  std::string_view expression;
  UnigramStep step;
  step.kind = UnigramStep::Kind::kJoinSpaces;
  if (part.at_key("pattern").get(pattern) != simdjson::SUCCESS || !pattern.is_object() ||
      pattern.at_key("Regex").get(expression) != simdjson::SUCCESS || expression != " {2,}")
    return refused("normalizer.pattern", "of a Replace must be the Regex \" {2,}\"; others cannot be reproduced");
  SMIDGEN_ASSIGN(step.content, json_string(part, "content", kContentBytesMax));
  rules.steps.push_back(std::move(step));
  return Ok{};
}

Status read_normalizer(Json root, UnigramRules& rules) {
  std::vector<Step> steps;
  SMIDGEN_TRY(read_steps(root, "normalizer", "normalizers", steps));
  for (const auto& [part, type] : steps) {
    if (type == "Precompiled") {
      SMIDGEN_TRY(read_charsmap(part, rules));
    } else if (type == "Replace") {
      SMIDGEN_TRY(read_join_spaces(part, rules));
    } else if (type == "Strip") {
      UnigramStep step;
      step.kind = UnigramStep::Kind::kStrip;
      SMIDGEN_ASSIGN(step.left, json_bool(part, "strip_left"));
      SMIDGEN_ASSIGN(step.right, json_bool(part, "strip_right"));
      rules.steps.push_back(std::move(step));
    } else {
      return refused("normalizer",
                     "is " + shown(type) + "; only Precompiled, Strip and Replace can be reproduced for Unigram");
    }
  }
  return Ok{};
}

Status read_metaspace(Json part, UnigramRules& rules) {
  std::vector<char32_t> replacement;
  SMIDGEN_ASSIGN(const std::string text, json_string(part, "replacement", 4));
  unicode::decode(text, replacement);
  if (replacement.size() != 1) return refused("pre_tokenizer.replacement", "must be one character");
  rules.replacement = replacement[0];
  if (unicode::is_space(rules.replacement)) return refused("pre_tokenizer.replacement", "must not be white space");
  std::string scheme = "always";
  if (json_has(part, "prepend_scheme")) {
    SMIDGEN_ASSIGN(scheme, json_string(part, "prepend_scheme", kContentBytesMax));
  }
  if (scheme != "always" && scheme != "first" && scheme != "never")
    return refused("pre_tokenizer.prepend_scheme", "must be \"always\", \"first\" or \"never\"");
  rules.prepend = scheme == "always"  ? PrependScheme::kAlways
                  : scheme == "first" ? PrependScheme::kFirst
                                      : PrependScheme::kNever;
  SMIDGEN_ASSIGN(const bool prefix, flag_or(part, "add_prefix_space", true));
  if (!prefix && rules.prepend != PrependScheme::kNever)
    return refused("pre_tokenizer.add_prefix_space", "does not agree with `prepend_scheme`");
  SMIDGEN_ASSIGN(rules.split, flag_or(part, "split", true));
  return Ok{};
}

Status read_pre_tokenizer(Json root, UnigramRules& rules) {
  std::vector<Step> steps;
  SMIDGEN_TRY(read_steps(root, "pre_tokenizer", "pretokenizers", steps));
  rules.whitespace_split = steps.size() == 2 && steps[0].type == "WhitespaceSplit";
  if (steps.empty() || steps.size() != (rules.whitespace_split ? 2U : 1U) || steps.back().type != "Metaspace")
    return refused("pre_tokenizer",
                   "must be Metaspace, or WhitespaceSplit and then Metaspace, to be reproduced for Unigram");
  return read_metaspace(steps.back().part, rules);
}

Status read_model(Json model, UnigramRules& rules) {
  SMIDGEN_ASSIGN(const bool byte_fallback, flag_or(model, "byte_fallback", false));
  if (byte_fallback) return refused("model.byte_fallback", "is set, which is not reproduced");
  simdjson::dom::array vocabulary;
  if (model.at_key("vocab").get(vocabulary) != simdjson::SUCCESS)
    return refused("model.vocab", "must be a list of token and score");
  for (const Json entry : vocabulary) {
    simdjson::dom::array pair;
    std::string_view token;
    double score = 0;
    const std::string where = "entry " + std::to_string(rules.tokens.size());
    if (entry.get(pair) != simdjson::SUCCESS || pair.size() != 2 || pair.at(0).get(token) != simdjson::SUCCESS ||
        pair.at(1).get(score) != simdjson::SUCCESS || !std::isfinite(score))
      return refused("model.vocab", where + " must be a pair of token and score");
    if (token.empty()) return refused("model.vocab", where + " is empty");
    if (rules.tokens.size() >= static_cast<std::size_t>(kTokenIdsMax))
      return refused("model.vocab", "has more than 4 million tokens");
    rules.tokens.emplace_back(token);
    rules.scores.push_back(score);
  }
  if (rules.tokens.empty()) return refused("model.vocab", "is empty");
  SMIDGEN_ASSIGN(const std::int64_t unknown,
                 json_integer(model, "unk_id", 0, static_cast<std::int64_t>(rules.tokens.size()) - 1));
  rules.unknown_id = static_cast<std::int32_t>(unknown);
  return Ok{};
}

Status read_post_processor(Json root, UnigramRules& rules) {
  Json part;
  std::string_view type;
  rules.pair = PairTemplate{};
  SMIDGEN_ASSIGN(const bool present, typed_part(root, "post_processor", part, type));
  if (!present) return Ok{};
  bool known = type != "RobertaProcessing";  // it would also trim spans by rules for byte-level tokens
  if (known) {
    SMIDGEN_ASSIGN(known, read_processor(part, type, rules));
  }
  if (!known)
    return refused("post_processor",
                   "is " + shown(type) + "; only TemplateProcessing and BertProcessing can be reproduced for Unigram");
  return Ok{};
}

}  // namespace

Result<UnigramRules> unigram_rules_from_json(std::string_view json) {
  Result<JsonDocument> document = Error::internal("not parsed");
  SMIDGEN_ASSIGN(const Json root, open(json, document));
  UnigramRules rules;
  std::vector<AddedToken> added;
  std::string_view type;
  SMIDGEN_TRY(read_truncation(root));
  SMIDGEN_TRY(read_normalizer(root, rules));
  SMIDGEN_TRY(read_pre_tokenizer(root, rules));
  SMIDGEN_ASSIGN(const Json model, read_model_part(root, type));
  if (type != "Unigram") return refused("model", "is " + shown(type) + ", not Unigram");
  SMIDGEN_TRY(read_model(model, rules));
  SMIDGEN_TRY(read_post_processor(root, rules));
  SMIDGEN_TRY(read_added(root, added));
  const auto normalize = [&](std::string_view text) { return unigram_normalize(rules, text); };
  SMIDGEN_TRY(add_tokens(std::move(added), rules.tokens.size(), kUnigramTokenBytesMax, normalize, rules));
  SMIDGEN_TRY(check_special(rules));
  return rules;
}

}  // namespace smidgen
