// tokenizer.json of the BERT family. The format's parts and their defaults: the serde types of Hugging Face tokenizers.
// Whatever would change ids and is not reproduced here is refused by name; what cannot (decoder, padding) is skipped.
#include <algorithm>

#include "smidgen/base/json.h"
#include "smidgen/text/bert_rules.h"

namespace smidgen {

namespace {

using Json = simdjson::dom::element;

constexpr std::size_t kSpecialAroundMax = 16;

Error refused(std::string_view part, const std::string& why) {
  return Error::bad_data("tokenizer: `" + std::string(part) + "` " + why);
}

// A string shown in an error: short, whatever the file holds.
std::string shown(std::string_view text) {
  return "\"" + std::string(text.substr(0, 64)) + "\"";
}

// root[key] as an object with a "type"; false when absent or null.
Result<bool> typed_part(Json root, std::string_view key, Json& part, std::string_view& type) {
  if (!json_has(root, key)) return false;
  part = root.at_key(key).value_unsafe();
  if (!part.is_object() || part.at_key("type").get(type) != simdjson::SUCCESS)
    return refused(key, "must be an object with a `type`");
  return true;
}

Status read_normalizer(Json root, BertRules& rules) {
  Json part;
  std::string_view type;
  SMIDGEN_ASSIGN(const bool present, typed_part(root, "normalizer", part, type));
  if (!present) {
    rules.clean_text = rules.chinese_chars = rules.strip_accents = rules.lowercase = false;
    return Ok{};
  }
  if (type != "BertNormalizer")
    return refused("normalizer", "is " + shown(type) + "; only BertNormalizer can be reproduced");
  SMIDGEN_ASSIGN(rules.clean_text, json_bool(part, "clean_text"));
  SMIDGEN_ASSIGN(rules.chinese_chars, json_bool(part, "handle_chinese_chars"));
  SMIDGEN_ASSIGN(rules.lowercase, json_bool(part, "lowercase"));
  rules.strip_accents = rules.lowercase;
  if (json_has(part, "strip_accents")) {
    SMIDGEN_ASSIGN(rules.strip_accents, json_bool(part, "strip_accents"));
  }
  return Ok{};
}

Status read_pre_tokenizer(Json root) {
  Json part;
  std::string_view type;
  SMIDGEN_ASSIGN(const bool present, typed_part(root, "pre_tokenizer", part, type));
  if (!present) return refused("pre_tokenizer", "is missing; only BertPreTokenizer can be reproduced");
  if (type != "BertPreTokenizer")
    return refused("pre_tokenizer", "is " + shown(type) + "; only BertPreTokenizer can be reproduced");
  return Ok{};
}

Status read_vocabulary(Json model, std::size_t& model_tokens, BertRules& rules) {
  simdjson::dom::object vocabulary;
  if (model.at_key("vocab").get(vocabulary) != simdjson::SUCCESS)
    return refused("model.vocab", "must be an object of token: id");
  // Not object.size(): simdjson saturates it at 2^24 - 1.
  std::int64_t entries = 0;
  for (const auto entry : vocabulary) {
    static_cast<void>(entry);
    ++entries;
  }
  if (entries == 0) return refused("model.vocab", "is empty");
  const std::int64_t limit = std::min(kTokenIdsMax, 4 * entries);
  std::vector<bool> used;
  for (const auto [token, value] : vocabulary) {
    std::int64_t id = -1;
    if (value.get(id) != simdjson::SUCCESS || id < 0 || id >= limit)
      return refused("model.vocab",
                     "gives " + shown(token) + " an id that is not an integer in 0.." + std::to_string(limit - 1));
    const auto at = static_cast<std::size_t>(id);
    if (at >= rules.tokens.size()) {
      rules.tokens.resize(at + 1);
      used.resize(at + 1);
    }
    if (used[at])
      return refused("model.vocab",
                     "gives id " + std::to_string(id) + " to " + shown(token) + " and to " + shown(rules.tokens[at]));
    used[at] = true;
    rules.tokens[at] = token;
  }
  model_tokens = static_cast<std::size_t>(entries);
  return Ok{};
}

Status read_model(Json root, std::size_t& model_tokens, BertRules& rules) {
  Json model;
  if (!json_has(root, "model") || !(model = root.at_key("model").value_unsafe()).is_object())
    return refused("model", "is missing");
  // Files of 2020 have no model type; the reference then takes the first model whose fields are all there.
  std::string_view type = "WordPiece";
  if (json_has(model, "type") ? model.at_key("type").get(type) != simdjson::SUCCESS : json_has(model, "merges"))
    return refused("model", "has no readable `type`");
  if (type != "WordPiece") return refused("model", "is " + shown(type) + "; only WordPiece can be reproduced");
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

Status read_added(Json root, std::vector<AddedToken>& added) {
  if (!json_has(root, "added_tokens")) return Ok{};
  simdjson::dom::array list;
  if (root.at_key("added_tokens").get(list) != simdjson::SUCCESS) return refused("added_tokens", "must be a list");
  for (const Json entry : list) {
    AddedToken token;
    SMIDGEN_ASSIGN(const std::int64_t id, json_integer(entry, "id", 0, kTokenIdsMax - 1));
    token.id = static_cast<std::int32_t>(id);
    SMIDGEN_ASSIGN(token.content, json_string(entry, "content", kTokenBytesMax));
    SMIDGEN_ASSIGN(token.single_word, json_bool(entry, "single_word"));
    SMIDGEN_ASSIGN(token.lstrip, json_bool(entry, "lstrip"));
    SMIDGEN_ASSIGN(token.rstrip, json_bool(entry, "rstrip"));
    SMIDGEN_ASSIGN(token.normalized, json_bool(entry, "normalized"));
    SMIDGEN_ASSIGN(token.special, json_bool(entry, "special"));
    added.push_back(std::move(token));
  }
  return Ok{};
}

// ["[SEP]", 102]
Status read_pair(Json part, std::string_view key, std::vector<std::int32_t>& ids) {
  simdjson::dom::array pair;
  std::int64_t id = -1;
  if (part.at_key(key).get(pair) != simdjson::SUCCESS || pair.size() != 2 || pair.at(1).get(id) != simdjson::SUCCESS ||
      id < 0 || id >= kTokenIdsMax)
    return refused("post_processor." + std::string(key), "must be a pair of token and id");
  ids.push_back(static_cast<std::int32_t>(id));
  return Ok{};
}

// The ids of special token `name` in `special_tokens`.
Status read_special(Json part, std::string_view name, std::vector<std::int32_t>& ids) {
  Json special, entry;
  simdjson::dom::array list;
  if (part.at_key("special_tokens").get(special) != simdjson::SUCCESS || !special.is_object() ||
      special.at_key(name).get(entry) != simdjson::SUCCESS || !entry.is_object() ||
      entry.at_key("ids").get(list) != simdjson::SUCCESS)
    return refused("post_processor.special_tokens", "does not define " + shown(name));
  for (const Json value : list) {
    std::int64_t id = -1;
    if (value.get(id) != simdjson::SUCCESS || id < 0 || id >= kTokenIdsMax)
      return refused("post_processor.special_tokens", "has an id that is not an integer for " + shown(name));
    if (ids.size() >= kSpecialAroundMax)
      return refused("post_processor", "adds more than " + std::to_string(kSpecialAroundMax) + " special tokens");
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return Ok{};
}

// [{"SpecialToken": {"id": "[CLS]", ..}}, {"Sequence": {"id": "A", ..}}, ..]
Status read_template(Json part, BertRules& rules) {
  simdjson::dom::array single;
  if (part.at_key("single").get(single) != simdjson::SUCCESS) return refused("post_processor.single", "must be a list");
  bool sequence_seen = false;
  for (const Json piece : single) {
    Json inner;
    std::string_view id;
    if (!piece.is_object()) return refused("post_processor.single", "must hold objects");
    const bool special = piece.at_key("SpecialToken").get(inner) == simdjson::SUCCESS;
    if ((!special && piece.at_key("Sequence").get(inner) != simdjson::SUCCESS) || !inner.is_object() ||
        inner.at_key("id").get(id) != simdjson::SUCCESS)
      return refused("post_processor.single", "must hold SpecialToken and Sequence pieces with an `id`");
    if (special) {
      SMIDGEN_TRY(read_special(part, id, sequence_seen ? rules.after : rules.before));
    } else if (sequence_seen || id != "A") {
      return refused("post_processor.single", "must hold sequence A exactly once");
    } else {
      sequence_seen = true;
    }
  }
  if (!sequence_seen) return refused("post_processor.single", "must hold sequence A exactly once");
  return Ok{};
}

Status read_post_processor(Json root, BertRules& rules) {
  Json part;
  std::string_view type;
  SMIDGEN_ASSIGN(const bool present, typed_part(root, "post_processor", part, type));
  if (!present) return Ok{};
  if (type == "TemplateProcessing") return read_template(part, rules);
  if (type != "BertProcessing")
    return refused("post_processor",
                   "is " + shown(type) + "; only TemplateProcessing and BertProcessing can be reproduced");
  SMIDGEN_TRY(read_pair(part, "cls", rules.before));
  return read_pair(part, "sep", rules.after);
}

Status read_truncation(Json root) {
  if (!json_has(root, "truncation")) return Ok{};
  const Json part = root.at_key("truncation").value_unsafe();
  if (!part.is_object()) return refused("truncation", "must be an object");
  std::string_view direction;
  if (json_has(part, "direction") &&
      (part.at_key("direction").get(direction) != simdjson::SUCCESS || direction != "Right"))
    return refused("truncation.direction", "must be \"Right\"; other directions are not reproduced");
  return Ok{};
}

}  // namespace

Result<BertRules> bert_rules_from_json(std::string_view json) {
  if (json.size() > kTokenizerFileBytesMax) return Error::bad_data("tokenizer: larger than 64 MiB");
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(json));
  const Json root = document.root();
  if (!root.is_object()) return Error::bad_data("tokenizer: must be a JSON object");
  std::string_view version;
  if (json_has(root, "version") && (root.at_key("version").get(version) != simdjson::SUCCESS || version != "1.0"))
    return refused("version", "must be \"1.0\"");
  BertRules rules;
  std::size_t model_tokens = 0;
  std::vector<AddedToken> added;
  SMIDGEN_TRY(read_truncation(root));
  SMIDGEN_TRY(read_normalizer(root, rules));
  SMIDGEN_TRY(read_pre_tokenizer(root));
  SMIDGEN_TRY(read_model(root, model_tokens, rules));
  SMIDGEN_TRY(read_post_processor(root, rules));
  SMIDGEN_TRY(read_added(root, added));
  SMIDGEN_TRY(add_tokens(std::move(added), model_tokens, rules));
  for (const std::int32_t id : rules.special) {
    if (static_cast<std::size_t>(id) >= rules.tokens.size() || rules.tokens[static_cast<std::size_t>(id)].empty())
      return refused("post_processor", "adds id " + std::to_string(id) + ", which is no token");
  }
  return rules;
}

}  // namespace smidgen
