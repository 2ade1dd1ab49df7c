#include "smidgen/model/encoder_config.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/out_of_memory.h"

namespace smidgen {

namespace {

using simdjson::dom::element;

constexpr std::uint64_t kConfigBytesMax = 4U << 20;
constexpr std::size_t kTokensDefault = 512;

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text.substr(0, 64)) + "\"";
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

Error in_file(Error error, const std::string& path) {
  return std::move(error).in(path);
}

Result<std::size_t> size_value(element root, std::string_view key, std::int64_t max) {
  SMIDGEN_ASSIGN(const std::int64_t value, json_integer(root, key, 1, max));
  return static_cast<std::size_t>(value);
}

Result<Pooling> pooling_by_name(std::string_view name) {
  if (name == "mean") return Pooling::kMean;
  if (name == "cls") return Pooling::kCls;
  if (name == "max") return Pooling::kMax;
  return Error::bad_data("pooling mode " + in_quotes(name) + " is not supported").hint("use mean, cls or max pooling");
}

// Both forms: `pooling_mode` (a name or a list of one), or the older booleans `pooling_mode_*`.
Result<Pooling> parse_pooling(element root, std::size_t hidden) {
  for (const char* key : {"embedding_dimension", "word_embedding_dimension"}) {
    if (!json_has(root, key)) continue;
    SMIDGEN_ASSIGN(const std::size_t size, size_value(root, key, 1 << 20));
    if (size != hidden)
      return Error::bad_data("`" + std::string(key) + "` is " + std::to_string(size) +
                             ", the encoder's hidden size is " + std::to_string(hidden));
  }
  std::vector<std::string> modes;
  if (element mode; root["pooling_mode"].get(mode) == simdjson::SUCCESS && !mode.is_null()) {
    std::string_view name;
    simdjson::dom::array list;
    if (mode.get(name) == simdjson::SUCCESS) {
      modes.emplace_back(name);
    } else if (mode.get(list) == simdjson::SUCCESS) {
      for (const auto item : list) {
        if (item.get(name) != simdjson::SUCCESS) return Error::bad_data("`pooling_mode` must hold names");
        modes.emplace_back(name);
      }
    } else {
      return Error::bad_data("`pooling_mode` must be a name or a list of names");
    }
  } else {
    constexpr std::pair<const char*, const char*> kOld[] = {
        {"pooling_mode_cls_token", "cls"},
        {"pooling_mode_mean_tokens", "mean"},
        {"pooling_mode_max_tokens", "max"},
        {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
        {"pooling_mode_weightedmean_tokens", "weightedmean"},
        {"pooling_mode_lasttoken", "lasttoken"}};
    for (const auto& [key, name] : kOld) {
      if (!json_has(root, key)) continue;
      SMIDGEN_ASSIGN(const bool on, json_bool(root, key));
      if (on) modes.emplace_back(name);
    }
  }
  if (modes.size() != 1)
    return Error::bad_data(std::to_string(modes.size()) + " pooling modes; exactly one is supported")
        .hint("use mean, cls or max pooling");
  return pooling_by_name(modes[0]);
}

// A sub-folder named by modules.json: one plain name, so that nothing outside the model's folder is read.
Status check_module_path(const std::string& path) {
  const bool plain = path.size() <= 96 && path[0] != '.' && path[0] != '_' && path[0] != '-' &&
                     std::all_of(path.begin(), path.end(), [](unsigned char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                              c == '-' || c == '.';
                     });
  if (!plain) return Error::bad_data("module path " + in_quotes(path) + " is not a plain folder name");
  return Ok{};
}

struct Modules {
  std::string transformer, pooling;  // sub-folders
  bool has_pooling = false, normalize = false;
};

// The list of modules: Transformer, then Pooling, then perhaps Normalize. The class path changed between versions; its
// last part did not.
Result<Modules> parse_modules(element root) {
  simdjson::dom::array list;
  if (root.get(list) != simdjson::SUCCESS) return Error::bad_data("modules.json must be a list");
  Modules modules;
  std::size_t index = 0;
  for (const auto item : list) {
    SMIDGEN_ASSIGN(const std::string type, json_string(item, "type"));
    SMIDGEN_ASSIGN(const std::string path, json_string(item, "path"));
    if (!path.empty()) SMIDGEN_TRY(check_module_path(path));
    const std::string name = type.substr(type.rfind('.') == std::string::npos ? 0 : type.rfind('.') + 1);
    if (index == 0 && name == "Transformer") {
      modules.transformer = path;
    } else if (index == 1 && name == "Pooling" && !path.empty()) {
      modules.pooling = path;
      modules.has_pooling = true;
    } else if (index == 2 && name == "Normalize") {
      modules.normalize = true;
    } else {
      return Error::bad_data("module " + std::to_string(index) + " of type " + in_quotes(type) + " is not supported")
          .hint("use a model of Transformer, Pooling and optionally Normalize");
    }
    ++index;
  }
  if (!modules.has_pooling) return Error::bad_data("modules.json names no Pooling module");
  return modules;
}

// Where sentence-transformers looks for the limit, in this order: models of its first years have another name.
constexpr const char* kLimitFiles[] = {"sentence_bert_config.json",       "sentence_roberta_config.json",
                                       "sentence_distilbert_config.json", "sentence_camembert_config.json",
                                       "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
                                       "sentence_xlnet_config.json"};

// A prompt that sentence-transformers would put before every text.
Status check_prompt(element root) {
  if (!json_has(root, "default_prompt_name")) return Ok{};
  SMIDGEN_ASSIGN(const std::string name, json_string(root, "default_prompt_name"));
  if (name.empty()) return Ok{};
  element prompts;
  std::string_view prompt;
  const bool known = root["prompts"].get(prompts) == simdjson::SUCCESS && prompts.is_object() &&
                     prompts.at_key(name).get(prompt) == simdjson::SUCCESS;
  if (known && prompt.empty()) return Ok{};
  return Error::bad_data("`default_prompt_name` is " + in_quotes(name) + ": prompts before a text are not built")
      .hint("use a model without a default prompt");
}

// Without such a file, or a limit in it, the limit is the tokenizer's. "No limit" is a number beyond every integer
// there, which the parser of the other files refuses.
Result<std::size_t> tokenizer_limit(const std::string& path, std::size_t preset, std::size_t positions) {
  if (!exists(path)) return preset;
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kConfigBytesMax));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto found = json.is_object() ? json.find("model_max_length") : json.end();
  if (found == json.end() || !found->is_number()) return preset;
  const auto length = found->get<double>();
  return length >= 2 && length < 1e9 ? std::min(static_cast<std::size_t>(length), positions) : preset;
}

// Into `config`, whose body is known: tokens_max and lower_case.
Status read_limit(const std::string& folder, EncoderConfig& config) {
  const std::string& prefix = config.body_prefix;
  const std::size_t positions = config.body.positions, preset = std::min(kTokensDefault, positions);
  for (const char* file : kLimitFiles) {
    const std::string name = prefix + file, path = folder + "/" + name;
    if (!exists(path)) continue;
    SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(path, kConfigBytesMax));
    config.files.push_back(name);
    if (json_has(document.root(), "do_lower_case")) {
      const auto lower = json_bool(document.root(), "do_lower_case");
      if (!lower.ok()) return in_file(lower.error(), path);
      config.lower_case = *lower;
    }
    if (!json_has(document.root(), "max_seq_length")) break;
    auto length = json_integer(document.root(), "max_seq_length", 2, 1 << 30);
    if (!length.ok()) return in_file(std::move(length).error(), path);
    config.tokens_max = std::min<std::size_t>(static_cast<std::size_t>(*length), positions);
    return Ok{};
  }
  SMIDGEN_ASSIGN(config.tokens_max,
                 tokenizer_limit(folder + "/" + prefix + "tokenizer_config.json", preset, positions));
  return Ok{};
}

}  // namespace

std::string_view to_string(Pooling pooling) {
  return pooling == Pooling::kMean ? "mean" : pooling == Pooling::kCls ? "cls" : "max";
}

Result<EncoderConfig> EncoderConfig::load(const std::string& folder) try {
  EncoderConfig config;
  Modules modules;
  if (const std::string path = folder + "/modules.json"; exists(path)) {
    SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(path, kConfigBytesMax));
    auto parsed = parse_modules(document.root());
    if (!parsed.ok()) return in_file(std::move(parsed).error(), path);
    modules = *std::move(parsed);
    config.files.emplace_back("modules.json");
  }
  if (const std::string path = folder + "/config_sentence_transformers.json"; exists(path)) {
    SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(path, kConfigBytesMax));
    if (auto status = check_prompt(document.root()); !status.ok()) return in_file(std::move(status).error(), path);
  }
  const std::string prefix = modules.transformer.empty() ? "" : modules.transformer + "/";
  config.body_prefix = prefix;
  config.body_folder = modules.transformer.empty() ? folder : folder + "/" + modules.transformer;

  const std::string path = config.body_folder + "/config.json";
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kConfigBytesMax));
  auto body = BodyConfig::from_json(text);
  if (!body.ok()) return in_file(std::move(body).error(), path);
  config.body = *std::move(body);
  config.files.push_back(prefix + "config.json");

  if (modules.has_pooling) {
    const std::string name = modules.pooling + "/config.json", pooling_path = folder + "/" + name;
    SMIDGEN_ASSIGN(const JsonDocument pooling_document, JsonDocument::load(pooling_path, kConfigBytesMax));
    auto pooling = parse_pooling(pooling_document.root(), config.body.hidden);
    if (!pooling.ok()) return in_file(std::move(pooling).error(), pooling_path);
    config.pooling = *pooling;
    config.files.push_back(name);
  }
  config.normalize = modules.normalize;
  SMIDGEN_TRY(read_limit(folder, config));
  return config;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
