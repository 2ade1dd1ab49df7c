// tokenizer.json of the Unigram family.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "smidgen/base/out_of_memory.h"
#include "smidgen/text/tokenizer_json.h"
#include "smidgen/text/unicode_tables.h"
#include "smidgen/text/unigram_rules.h"

namespace smidgen {

namespace {

using namespace tokenizer_json;

constexpr std::size_t kContentBytesMax = 16;
constexpr std::int64_t kPowerMax = 308, kExponentMax = 1'000'000;

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
  SMIDGEN_ASSIGN(const std::string text, json_string(part, "replacement", 4));
  const std::vector<char32_t> replacement = unicode::from_utf8(text);
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

// The number that starts `text` as the reference reads it (serde_json without float_roundtrip): the digits as a 64-bit
// integer, rounded to a double, times or divided by a power of ten, rounded again. That may be one unit in the last
// place off the nearest double, and such a unit decides between cuts whose sums are equal but for it. `text` is a JSON
// number.
double reference_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::uint64_t digits = 0;
  std::int64_t exponent = 0;
  bool full = false;  // no further digit fits
  std::size_t at = 0;
  const auto read_digits = [&](bool fraction) {
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      const auto digit = static_cast<std::uint64_t>(text[at] - '0');
      full = full || digits > (UINT64_MAX - digit) / 10;
      if (!full) digits = digits * 10 + digit;
      if (full != fraction) exponent += fraction ? -1 : 1;
    }
  };
  read_digits(false);
  if (at < text.size() && text[at] == '.') {
    ++at;
    full = false;  // it asks again
    read_digits(true);
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    const bool down = at < text.size() && text[at] == '-';
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    std::int64_t power = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
      power = std::min<std::int64_t>(power * 10 + (text[at] - '0'), kExponentMax);
    exponent += down ? -power : power;
  }
  double value = static_cast<double>(digits);
  for (; exponent < -kPowerMax && value != 0; exponent += kPowerMax) value /= 1e308;
  const auto power = static_cast<int>(std::min(std::abs(exponent), kPowerMax));
  double factor = 1;
  const std::string spelled = "1e" + std::to_string(power);
  std::from_chars(spelled.data(), spelled.data() + spelled.size(), factor);
  value = exponent >= 0 ? value * factor : value / factor;
  return negative ? -value : value;
}

// The scores of `model.vocab` once more, from their digits.
Status read_scores(std::string_view json, UnigramRules& rules) {
  const simdjson::padded_string padded(json);
  simdjson::ondemand::parser parser;
  if (padded.data() == nullptr || parser.allocate(json.size()) != simdjson::SUCCESS) return out_of_memory();
  simdjson::ondemand::document document;
  simdjson::ondemand::array vocabulary;
  bool good = parser.iterate(padded).get(document) == simdjson::SUCCESS &&
              document["model"]["vocab"].get_array().get(vocabulary) == simdjson::SUCCESS;
  std::size_t entry = 0;
  if (good) {
    for (auto item : vocabulary) {
      simdjson::ondemand::array pair;
      std::string_view digits;
      std::size_t column = 0;
      good = good && entry < rules.scores.size() && item.get_array().get(pair) == simdjson::SUCCESS;
      if (!good) break;
      for (auto value : pair) good = value.raw_json_token().get(digits) == simdjson::SUCCESS && ++column > 0 && good;
      if (!good || column != 2) break;
      rules.scores[entry] = reference_number(digits);
      good = std::isfinite(rules.scores[entry++]);
      if (!good) break;
    }
  }
  if (!good || entry != rules.scores.size())
    return refused("model.vocab", "must be written without escapes in its keys");
  return Ok{};
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
  SMIDGEN_TRY(read_scores(json, rules));
  SMIDGEN_TRY(read_post_processor(root, rules));
  SMIDGEN_TRY(read_added(root, added));
  const auto normalize = [&](std::string_view text) { return unigram_normalize(rules, text); };
  SMIDGEN_TRY(add_tokens(std::move(added), rules.tokens.size(), kUnigramTokenBytesMax, normalize, rules));
  SMIDGEN_TRY(check_special(rules));
  return rules;
}

}  // namespace smidgen
