// tokenizer.json of the byte-level BPE family.
#include <algorithm>
#include <utility>

#include "smidgen/text/bpe_rules.h"
#include "smidgen/text/tokenizer_json.h"

namespace smidgen {

namespace {

using namespace tokenizer_json;

Status read_normalizer(Json root, BpeRules& rules) {
  std::vector<Step> steps;
  SMIDGEN_TRY(read_steps(root, "normalizer", "normalizers", steps));
  for (const auto& [part, type] : steps) {
    if (type != "NFC") return refused("normalizer", "is " + shown(type) + "; only NFC can be reproduced for BPE");
    rules.nfc = true;
  }
  return Ok{};
}

Status read_split(Json part, BpeRules& rules) {
  Json pattern;
  std::string_view expression, behavior;
  if (part.at_key("pattern").get(pattern) != simdjson::SUCCESS || !pattern.is_object() ||
      pattern.at_key("Regex").get(expression) != simdjson::SUCCESS)
    return refused("pre_tokenizer.pattern", "must be a Regex");
  const auto known = split_pattern(expression);
  if (!known)
    return refused("pre_tokenizer.pattern",
                   "is " + shown(expression) + "; only the patterns of GPT-2, Llama 3 and Qwen 2 can be reproduced");
  rules.pattern = *known;
  if (part.at_key("behavior").get(behavior) != simdjson::SUCCESS || behavior != "Isolated")
    return refused("pre_tokenizer.behavior", "must be \"Isolated\"");
  SMIDGEN_ASSIGN(const bool invert, flag_or(part, "invert", false));
  if (invert) return refused("pre_tokenizer.invert", "must be false");
  return Ok{};
}

// ByteLevel with its own pattern, or Split and then ByteLevel without it.
Status read_pre_tokenizer(Json root, BpeRules& rules) {
  std::vector<Step> steps;
  SMIDGEN_TRY(read_steps(root, "pre_tokenizer", "pretokenizers", steps));
  const bool split = steps.size() == 2 && steps[0].type == "Split";
  if (steps.empty() || steps.size() != (split ? 2U : 1U) || steps.back().type != "ByteLevel")
    return refused("pre_tokenizer", "must be ByteLevel, or Split and then ByteLevel, to be reproduced for BPE");
  if (split) SMIDGEN_TRY(read_split(steps[0].part, rules));
  const Json part = steps.back().part;
  SMIDGEN_ASSIGN(rules.add_prefix_space, json_bool(part, "add_prefix_space"));
  SMIDGEN_ASSIGN(const bool use_regex, flag_or(part, "use_regex", true));
  if (use_regex == split)
    return refused("pre_tokenizer.use_regex", split ? "must be false after a Split" : "must be true without a Split");
  // ByteLevel would then put a space before every piece of the Split.
  if (split && rules.add_prefix_space) return refused("pre_tokenizer.add_prefix_space", "must be false after a Split");
  return Ok{};
}

Status check_absent(Json model, std::string_view key) {
  std::string_view text;
  double number = 0;
  if (!json_has(model, key)) return Ok{};
  const Json value = model.at_key(key).value_unsafe();
  if (value.get(text) == simdjson::SUCCESS && text.empty()) return Ok{};
  if (value.get(number) == simdjson::SUCCESS && number == 0) return Ok{};
  return refused("model." + std::string(key), "is set, which is not reproduced");
}

// "a b" or ["a", "b"].
bool merge_parts(Json entry, std::string_view& first, std::string_view& second) {
  std::string_view line;
  simdjson::dom::array pair;
  if (entry.get(line) == simdjson::SUCCESS) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) return false;
    first = line.substr(0, space);
    second = line.substr(space + 1);
    return true;
  }
  return entry.get(pair) == simdjson::SUCCESS && pair.size() == 2 && pair.at(0).get(first) == simdjson::SUCCESS &&
         pair.at(1).get(second) == simdjson::SUCCESS;
}

Status read_merges(Json model, const BpeTokenIndex& index, BpeRules& rules) {
  simdjson::dom::array list;
  if (model.at_key("merges").get(list) != simdjson::SUCCESS) return refused("model.merges", "must be a list");
  for (const Json entry : list) {
    std::string_view first, second;
    if (entry.get(first) == simdjson::SUCCESS && first.starts_with("#version")) continue;  // as the reference does
    if (!merge_parts(entry, first, second))
      return refused("model.merges", "holds an entry, number " + std::to_string(rules.merges.size() + 1) +
                                         ", that is no pair of tokens");
    if (auto status = index.add_merge(first, second, rules.merges); !status.ok())
      return refused("model.merges", status.error().what());
  }
  return Ok{};
}

Status read_model(Json model, std::size_t& model_tokens, BpeRules& rules) {
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    SMIDGEN_TRY(check_absent(model, key));
  SMIDGEN_ASSIGN(const bool byte_fallback, flag_or(model, "byte_fallback", false));
  if (byte_fallback) return refused("model.byte_fallback", "is set, which is not reproduced");
  SMIDGEN_ASSIGN(rules.fuse_unknown, flag_or(model, "fuse_unk", false));
  SMIDGEN_ASSIGN(rules.ignore_merges, flag_or(model, "ignore_merges", false));
  SMIDGEN_TRY(read_vocabulary(model, model_tokens, rules));
  const BpeTokenIndex index(rules.tokens);
  rules.unknown_id = -1;
  if (json_has(model, "unk_token")) {
    SMIDGEN_ASSIGN(const std::string unknown, json_string(model, "unk_token", kTokenBytesMax));
    rules.unknown_id = index.find(unknown);
    if (rules.unknown_id < 0)
      return refused("model.unk_token", "is " + shown(unknown) + ", which is not in the vocabulary");
  }
  return read_merges(model, index, rules);
}

Status read_post_processor(Json root, BpeRules& rules) {
  std::vector<Step> steps;
  rules.pair = PairTemplate{};
  SMIDGEN_TRY(read_steps(root, "post_processor", "processors", steps));
  bool around = false;
  for (const auto& [part, type] : steps) {
    if (type == "ByteLevel" || type == "RobertaProcessing") {
      SMIDGEN_ASSIGN(const bool trim, flag_or(part, "trim_offsets", true));
      SMIDGEN_ASSIGN(rules.trim_prefix_space, flag_or(part, "add_prefix_space", true));
      if (rules.trim_spans || around) return refused("post_processor", "must trim at most once, and first");
      rules.trim_spans = trim;
      if (type == "ByteLevel") continue;
    }
    if (around) return refused("post_processor", "adds special tokens twice");
    SMIDGEN_ASSIGN(around, read_processor(part, type, rules));
    if (!around)
      return refused("post_processor", "is " + shown(type) + "; only TemplateProcessing, RobertaProcessing, " +
                                           "BertProcessing and ByteLevel can be reproduced for BPE");
  }
  return Ok{};
}

}  // namespace

BpeTokenIndex::BpeTokenIndex(const std::vector<std::string>& tokens) {
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty()) sorted_.emplace_back(tokens[id], static_cast<std::int32_t>(id));
  }
  std::sort(sorted_.begin(), sorted_.end());
}

std::int32_t BpeTokenIndex::find(std::string_view token) const {
  const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), token,
                                   [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
  return at != sorted_.end() && at->first == token ? at->second : -1;
}

Status BpeTokenIndex::add_merge(std::string_view first, std::string_view second, std::vector<BpeMerge>& merges) const {
  const BpeMerge merge{find(first), find(second), find(std::string(first) + std::string(second))};
  for (const auto& [id, name] : {std::pair(merge.first, std::string(first)),
                                 {merge.second, std::string(second)},
                                 {merge.merged, std::string(first) + std::string(second)}}) {
    if (id < 0)
      return Error::bad_data("needs the token " + tokenizer_json::shown(name) + ", which is not in the vocabulary");
  }
  merges.push_back(merge);
  return Ok{};
}

Result<BpeRules> bpe_rules_from_json(std::string_view json) {
  Result<JsonDocument> document = Error::internal("not parsed");
  SMIDGEN_ASSIGN(const Json root, open(json, document));
  BpeRules rules;
  std::size_t model_tokens = 0;
  std::vector<AddedToken> added;
  std::string_view type;
  SMIDGEN_TRY(read_truncation(root));
  SMIDGEN_TRY(read_normalizer(root, rules));
  SMIDGEN_TRY(read_pre_tokenizer(root, rules));
  SMIDGEN_ASSIGN(const Json model, read_model_part(root, type));
  if (!type.empty() && type != "BPE") return refused("model", "is " + shown(type) + ", not BPE");
  SMIDGEN_TRY(read_model(model, model_tokens, rules));
  SMIDGEN_TRY(read_post_processor(root, rules));
  SMIDGEN_TRY(read_added(root, added));
  const auto normalize = [&](std::string_view text) { return bpe_normalize(rules, text); };
  SMIDGEN_TRY(add_tokens(std::move(added), model_tokens, kBpeTokenBytesMax, normalize, rules));
  SMIDGEN_TRY(check_special(rules));
  return rules;
}

}  // namespace smidgen
