#include "smidgen/text/tokenizer_config.h"

#include <nlohmann/json.hpp>

#include "smidgen/base/file.h"
#include "smidgen/text/tokenizer_json.h"

namespace smidgen {

namespace {

using namespace tokenizer_json;

constexpr std::uint64_t kConfigBytesMax = 4 << 20;
constexpr int kDepthMax = 32;  // what lies deeper says nothing here, and writing it recurses

// Classes that take the normalizer of tokenizer.json as it is, whatever else the configuration says.
constexpr std::string_view kPlainClasses[] = {"PreTrainedTokenizerFast", "TokenizersBackend"};

std::string in_words(bool value) {
  return value ? "true" : "false";
}

// The configuration's `key`, where it is said, against what the normalizer does.
Status check_flag(Json config, std::string_view key, std::string_view part, bool otherwise, bool normalizer) {
  if (config.at_key(key).error() != simdjson::SUCCESS) return Ok{};
  SMIDGEN_ASSIGN(const bool value, flag_or(config, key, otherwise));
  if (value == normalizer) return Ok{};
  return Error::bad_data("`" + std::string(key) + "` comes to " + in_words(value) + ", `normalizer." +
                         std::string(part) + "` of tokenizer.json to " + in_words(normalizer))
      .hint("make the two files agree, as the model was trained");
}

Status check_normalizer(Json config, Json root) {
  Json part;
  std::string_view type;
  SMIDGEN_ASSIGN(const bool present, typed_part(root, "normalizer", part, type));
  if (!present || type != "BertNormalizer") return Ok{};
  SMIDGEN_ASSIGN(const bool lowercase, json_bool(part, "lowercase"));
  SMIDGEN_ASSIGN(const bool chinese_chars, json_bool(part, "handle_chinese_chars"));
  SMIDGEN_ASSIGN(const bool strip_accents, flag_or(part, "strip_accents", lowercase));
  SMIDGEN_TRY(check_flag(config, "do_lower_case", "lowercase", lowercase, lowercase));
  SMIDGEN_TRY(check_flag(config, "strip_accents", "strip_accents", lowercase, strip_accents));
  return check_flag(config, "tokenize_chinese_chars", "handle_chinese_chars", chinese_chars, chinese_chars);
}

}  // namespace

Result<std::string> read_tokenizer_config(const std::string& path) {
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kConfigBytesMax));
  if (text.empty()) return Error::bad_data("empty file").in(path);
  const auto shallow = [](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
    return depth < kDepthMax;
  };
  auto json = nlohmann::json::parse(text, shallow, false);
  if (!json.is_object()) return Error::bad_data("is no JSON object").in(path);
  json.erase("model_max_length");
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Status check_tokenizer_config(std::string_view config, std::string_view tokenizer_json) {
  SMIDGEN_ASSIGN(const JsonDocument said, JsonDocument::parse(config));
  const Json root = said.root();
  if (json_has(root, "truncation_side")) {
    SMIDGEN_ASSIGN(const std::string side, json_string(root, "truncation_side", 64));
    if (side != "right") return Error::bad_data("`truncation_side` must be \"right\"; other sides are not reproduced");
  }
  if (json_has(root, "tokenizer_class")) {
    SMIDGEN_ASSIGN(const std::string name, json_string(root, "tokenizer_class", 256));
    for (const std::string_view plain : kPlainClasses)
      if (name == plain) return Ok{};
  }
  Result<JsonDocument> document = Error::internal("not parsed");
  SMIDGEN_ASSIGN(const Json tokenizer, open(tokenizer_json, document));
  return check_normalizer(root, tokenizer);
}

}  // namespace smidgen
