#include "smidgen/text/tokenizer_json.h"

#include <algorithm>
#include <charconv>

namespace smidgen::tokenizer_json {

namespace {

constexpr std::size_t kSpecialAroundMax = 16;
constexpr std::size_t kPiecesMax = 32;  // of a template: each looks through all `special_tokens`
constexpr std::int64_t kSegmentMax = 1'000;
constexpr std::size_t kStepsMax = 8;  // of a sequence of normalizers, pre-tokenizers or post-processors

// ["[SEP]", 102]
Result<std::int32_t> read_pair(Json part, std::string_view key) {
  simdjson::dom::array pair;
  std::int64_t id = -1;
  if (part.at_key(key).get(pair) != simdjson::SUCCESS || pair.size() != 2 || pair.at(1).get(id) != simdjson::SUCCESS ||
      id < 0 || id >= kTokenIdsMax)
    return refused("post_processor." + std::string(key), "must be a pair of token and id");
  return static_cast<std::int32_t>(id);
}

Error too_many_specials() {
  return refused("post_processor", "adds more than " + std::to_string(kSpecialAroundMax) + " special tokens");
}

Error too_many_pieces(std::string_view part) {
  return refused(part, "has more than " + std::to_string(kPiecesMax) + " pieces");
}

// Appends the ids of special token `name` in `special_tokens`.
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
    if (ids.size() >= kSpecialAroundMax) return too_many_specials();
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return Ok{};
}

// One piece of a template: {"SpecialToken": {"id": "[CLS]", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}}.
struct Piece {
  bool special = false;
  std::string_view id;
  std::int32_t segment = 0;
};
Result<Piece> read_piece(Json json, const std::string& where) {
  Json inner;
  Piece piece;
  if (!json.is_object()) return refused(where, "must hold objects");
  piece.special = json.at_key("SpecialToken").get(inner) == simdjson::SUCCESS;
  if ((!piece.special && json.at_key("Sequence").get(inner) != simdjson::SUCCESS) || !inner.is_object() ||
      inner.at_key("id").get(piece.id) != simdjson::SUCCESS)
    return refused(where, "must hold SpecialToken and Sequence pieces with an `id`");
  if (json_has(inner, "type_id")) {
    SMIDGEN_ASSIGN(const std::int64_t segment, json_integer(inner, "type_id", 0, kSegmentMax));
    piece.segment = static_cast<std::int32_t>(segment);
  }
  return piece;
}

Status read_single(Json part, TokenRules& rules) {
  simdjson::dom::array single;
  if (part.at_key("single").get(single) != simdjson::SUCCESS) return refused("post_processor.single", "must be a list");
  if (single.size() > kPiecesMax) return too_many_pieces("post_processor.single");
  bool sequence_seen = false;
  for (const Json json : single) {
    SMIDGEN_ASSIGN(const Piece piece, read_piece(json, "post_processor.single"));
    if (piece.special) {
      SMIDGEN_TRY(read_special(part, piece.id, sequence_seen ? rules.after : rules.before));
      if (rules.before.size() + rules.after.size() > kSpecialAroundMax) return too_many_specials();
    } else if (sequence_seen || piece.id != "A") {
      return refused("post_processor.single", "must hold sequence A exactly once");
    } else {
      sequence_seen = true;
    }
  }
  if (!sequence_seen) return refused("post_processor.single", "must hold sequence A exactly once");
  return Ok{};
}

// The template of pairs, where it puts A before B; none else, since only pairs need it.
Status read_pair_template(Json part, TokenRules& rules) {
  rules.pair.reset();
  simdjson::dom::array list;
  if (part.at_key("pair").get(list) != simdjson::SUCCESS) return Ok{};
  if (list.size() > kPiecesMax) return too_many_pieces("post_processor.pair");
  PairTemplate pair;
  int seen = 0;
  for (const Json json : list) {
    SMIDGEN_ASSIGN(const Piece piece, read_piece(json, "post_processor.pair"));
    if (!piece.special) {
      if (seen == 2 || piece.id != (seen == 0 ? "A" : "B")) return Ok{};
      (seen++ == 0 ? pair.first_segment : pair.second_segment) = piece.segment;
      continue;
    }
    auto& place = seen == 0 ? pair.before : seen == 1 ? pair.between : pair.after;
    std::vector<std::int32_t> ids;
    SMIDGEN_TRY(read_special(part, piece.id, ids));
    for (const std::int32_t id : ids) place.push_back({id, piece.segment});
    if (pair.special_count() > kSpecialAroundMax) return too_many_specials();
  }
  if (seen == 2) rules.pair = std::move(pair);
  return Ok{};
}

bool token_flag(Json entry, std::string_view key) {
  bool value = false;
  return entry.at_key(key).get(value) == simdjson::SUCCESS && value;
}

}  // namespace

Error refused(std::string_view part, const std::string& why) {
  return Error::bad_data("tokenizer: `" + std::string(part) + "` " + why);
}

std::string shown(std::string_view text) {
  return "\"" + std::string(text.substr(0, 64)) + "\"";
}

Result<Json> open(std::string_view json, Result<JsonDocument>& document) {
  if (json.size() > kTokenizerFileBytesMax) return Error::bad_data("tokenizer: larger than 64 MiB");
  document = JsonDocument::parse(json);
  if (!document.ok()) return document.error();
  const Json root = document->root();
  if (!root.is_object()) return Error::bad_data("tokenizer: must be a JSON object");
  std::string_view version;
  if (json_has(root, "version") && (root.at_key("version").get(version) != simdjson::SUCCESS || version != "1.0"))
    return refused("version", "must be \"1.0\"");
  return root;
}

Result<bool> typed_part(Json root, std::string_view key, Json& part, std::string_view& type) {
  if (!json_has(root, key)) return false;
  part = root.at_key(key).value_unsafe();
  if (!part.is_object() || part.at_key("type").get(type) != simdjson::SUCCESS)
    return refused(key, "must be an object with a `type`");
  return true;
}

Status read_steps(Json root, std::string_view key, std::string_view list_key, std::vector<Step>& steps) {
  Json part;
  std::string_view type;
  SMIDGEN_ASSIGN(const bool present, typed_part(root, key, part, type));
  if (!present) return Ok{};
  if (type != "Sequence") {
    steps.push_back({part, type});
    return Ok{};
  }
  simdjson::dom::array list;
  if (part.at_key(list_key).get(list) != simdjson::SUCCESS)
    return refused(std::string(key) + "." + std::string(list_key), "must be a list");
  for (const Json step : list) {
    if (!step.is_object() || step.at_key("type").get(type) != simdjson::SUCCESS)
      return refused(std::string(key) + "." + std::string(list_key), "must hold objects with a `type`");
    if (steps.size() >= kStepsMax) return refused(key, "has more than " + std::to_string(kStepsMax) + " steps");
    steps.push_back({step, type});
  }
  return Ok{};
}

Result<bool> flag_or(Json part, std::string_view key, bool otherwise) {
  if (!json_has(part, key)) return otherwise;
  return json_bool(part, key);
}

Result<Json> read_model_part(Json root, std::string_view& type) {
  Json model;
  if (!json_has(root, "model") || !(model = root.at_key("model").value_unsafe()).is_object())
    return refused("model", "is missing");
  type = {};
  if (json_has(model, "type") && model.at_key("type").get(type) != simdjson::SUCCESS)
    return refused("model", "has no readable `type`");
  return model;
}

Status read_vocabulary(Json model, std::size_t& model_tokens, TokenRules& rules) {
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

Result<bool> read_processor(Json part, std::string_view type, TokenRules& rules) {
  if (type == "TemplateProcessing") {
    SMIDGEN_TRY(read_single(part, rules));
    SMIDGEN_TRY(read_pair_template(part, rules));
    return true;
  }
  if (type != "BertProcessing" && type != "RobertaProcessing") return false;
  SMIDGEN_ASSIGN(const std::int32_t cls, read_pair(part, "cls"));
  SMIDGEN_ASSIGN(const std::int32_t sep, read_pair(part, "sep"));
  rules.before = {cls};
  rules.after = {sep};
  if (type == "BertProcessing") {
    rules.pair = {{{cls, 0}}, {{sep, 0}}, {{sep, 1}}, 0, 1};
  } else {
    rules.pair = {{{cls, 0}}, {{sep, 0}, {sep, 0}}, {{sep, 0}}, 0, 0};
  }
  return true;
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

Status check_special(const TokenRules& rules) {
  std::vector<std::int32_t> ids = rules.special;
  if (rules.pair) {
    for (const auto* place : {&rules.pair->before, &rules.pair->between, &rules.pair->after})
      for (const auto& [id, segment] : *place) ids.push_back(id);
  }
  for (const std::int32_t id : ids) {
    if (static_cast<std::size_t>(id) >= rules.tokens.size() || rules.tokens[static_cast<std::size_t>(id)].empty())
      return refused("post_processor", "adds id " + std::to_string(id) + ", which is no token");
  }
  return Ok{};
}

Status read_special_name(Json config, std::string_view key, std::string& name) {
  if (!json_has(config, key)) return Ok{};
  const Json value = config.at_key(key).value_unsafe();
  if (value.is_object()) {
    SMIDGEN_ASSIGN(name, json_string(value, "content", kTokenBytesMax));
  } else {
    SMIDGEN_ASSIGN(name, json_string(config, key, kTokenBytesMax));
  }
  return Ok{};
}

Status read_added_decoder(Json config, std::vector<AddedToken>& added) {
  if (!json_has(config, "added_tokens_decoder")) return Ok{};
  simdjson::dom::object entries;
  if (config.at_key("added_tokens_decoder").get(entries) != simdjson::SUCCESS)
    return Error::bad_data("`added_tokens_decoder` must be an object");
  for (const auto [key, entry] : entries) {
    AddedToken token;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || token.id < 0 || token.id >= kTokenIdsMax)
      return Error::bad_data("`added_tokens_decoder` must have ids for keys");
    SMIDGEN_ASSIGN(token.content, json_string(entry, "content", kTokenBytesMax));
    token.special = token_flag(entry, "special");
    token.single_word = token_flag(entry, "single_word");
    token.lstrip = token_flag(entry, "lstrip");
    token.rstrip = token_flag(entry, "rstrip");
    token.normalized = json_has(entry, "normalized") ? token_flag(entry, "normalized") : !token.special;
    added.push_back(std::move(token));
  }
  std::sort(added.begin(), added.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return Ok{};
}

}  // namespace smidgen::tokenizer_json
