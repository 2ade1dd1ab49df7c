#include "smidgen/model/body_config.h"

#include <utility>

#include "smidgen/base/json.h"

namespace smidgen {

namespace {

using simdjson::dom::element;

constexpr std::pair<std::string_view, Architecture> kArchitectures[] = {
    {"bert", Architecture::kBert},       {"distilbert", Architecture::kDistilBert},
    {"roberta", Architecture::kRoberta}, {"xlm-roberta", Architecture::kXlmRoberta},
    {"electra", Architecture::kElectra}, {"modernbert", Architecture::kModernBert},
};
constexpr std::size_t kRotaryFloatsMax = 1 << 23;  // of one table of angles

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text.substr(0, 64)) + "\"";
}

Result<std::size_t> size_value(element root, std::string_view key, std::int64_t max) {
  SMIDGEN_ASSIGN(const std::int64_t value, json_integer(root, key, 1, max));
  return static_cast<std::size_t>(value);
}

Result<std::size_t> size_or(element root, std::string_view key, std::int64_t max, std::size_t preset) {
  if (!json_has(root, key)) return preset;
  return size_value(root, key, max);
}

Result<bool> flag_or(element root, std::string_view key, bool preset) {
  if (!json_has(root, key)) return preset;
  return json_bool(root, key);
}

Result<Architecture> parse_architecture(element root) {
  if (!json_has(root, "model_type")) return Architecture::kBert;  // as early BERT folders have it
  SMIDGEN_ASSIGN(const std::string name, json_string(root, "model_type"));
  std::string known;
  for (const auto& [key, architecture] : kArchitectures) {
    if (name == key) return architecture;
    known += (known.empty() ? "" : ", ") + std::string(key);
  }
  return Error::bad_data("`model_type` " + in_quotes(name) + " is not supported").hint("use an encoder of: " + known);
}

Status parse_activation(element root, std::string_view key, BodyConfig& body) {
  if (!json_has(root, key)) return Ok{};
  SMIDGEN_ASSIGN(const std::string name, json_string(root, key));
  const auto activation = activation_by_name(name);
  if (!activation)
    return Error::bad_data("`" + std::string(key) + "` " + in_quotes(name) + " is not supported")
        .hint("use a model with gelu, gelu_new or relu");
  body.activation = *activation;
  return Ok{};
}

Status parse_epsilon(element root, std::string_view key, BodyConfig& body) {
  if (!json_has(root, key)) return Ok{};
  SMIDGEN_ASSIGN(const double epsilon, json_number(root, key, 0, 0.1));
  body.epsilon = static_cast<float>(epsilon);
  return Ok{};
}

// What differs in name only: where each architecture writes its sizes.
struct SizeNames {
  const char *hidden, *layers, *heads, *intermediate, *activation;
};

Status parse_sizes(element root, const SizeNames& names, BodyConfig& body) {
  SMIDGEN_ASSIGN(body.vocabulary, size_value(root, "vocab_size", 1 << 22));
  SMIDGEN_ASSIGN(body.hidden, size_value(root, names.hidden, 16384));
  SMIDGEN_ASSIGN(body.layers, size_value(root, names.layers, 256));
  SMIDGEN_ASSIGN(body.heads, size_value(root, names.heads, 256));
  SMIDGEN_ASSIGN(body.intermediate, size_value(root, names.intermediate, 65536));
  SMIDGEN_ASSIGN(body.positions, size_value(root, "max_position_embeddings", 65536));
  if (body.hidden % body.heads != 0)
    return Error::bad_data("`" + std::string(names.hidden) + "` " + std::to_string(body.hidden) +
                           " is not a multiple of `" + names.heads + "` " + std::to_string(body.heads));
  body.embedding = body.hidden;
  body.position_rows = body.positions;
  return parse_activation(root, names.activation, body);
}

Status refuse_relative_positions(element root) {
  if (!json_has(root, "position_embedding_type")) return Ok{};
  SMIDGEN_ASSIGN(const std::string type, json_string(root, "position_embedding_type"));
  if (type == "absolute") return Ok{};
  return Error::bad_data("`position_embedding_type` " + in_quotes(type) +
                         " is not supported: only absolute positions are built")
      .hint("use a model with position_embedding_type = \"absolute\"");
}

Status parse_bert_family(element root, BodyConfig& body) {
  SMIDGEN_TRY(parse_sizes(
      root, {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"}, body));
  SMIDGEN_TRY(refuse_relative_positions(root));
  SMIDGEN_TRY(parse_epsilon(root, "layer_norm_eps", body));
  SMIDGEN_ASSIGN(body.types, size_or(root, "type_vocab_size", 16, 2));
  if (body.architecture == Architecture::kElectra) {
    SMIDGEN_ASSIGN(body.embedding, size_or(root, "embedding_size", 16384, 128));
  }
  if (body.architecture != Architecture::kRoberta && body.architecture != Architecture::kXlmRoberta) return Ok{};
  std::int64_t padding = 1;
  if (json_has(root, "pad_token_id")) {
    SMIDGEN_ASSIGN(padding, json_integer(root, "pad_token_id", 0, static_cast<std::int64_t>(body.vocabulary) - 1));
  }
  body.padding_id = static_cast<std::int32_t>(padding);
  body.first_position = static_cast<std::size_t>(padding) + 1;
  if (body.first_position >= body.position_rows)
    return Error::bad_data("`max_position_embeddings` " + std::to_string(body.position_rows) +
                           " leaves no position after `pad_token_id` " + std::to_string(padding));
  body.positions = body.position_rows - body.first_position;
  return Ok{};
}

// A rotary base: under the new name in `rope_parameters`, else under the old one beside it.
Result<double> parse_theta(element root, const char* kind, std::string_view old_name, double preset) {
  if (element scaling; root["rope_scaling"].get(scaling) == simdjson::SUCCESS && !scaling.is_null())
    return Error::bad_data("`rope_scaling` is not supported").hint("use a model without scaled positions");
  element parameters;
  if (root["rope_parameters"].get(parameters) == simdjson::SUCCESS && !parameters.is_null() &&
      !json_has(parameters, "full_attention") && !json_has(parameters, "sliding_attention"))
    return Error::bad_data("`rope_parameters` names neither \"full_attention\" nor \"sliding_attention\"")
        .hint("say for each kind of layer what it holds, as transformers writes it");
  if (root["rope_parameters"][kind].get(parameters) == simdjson::SUCCESS && !parameters.is_null()) {
    if (json_has(parameters, "rope_type")) {
      SMIDGEN_ASSIGN(const std::string type, json_string(parameters, "rope_type"));
      if (type != "default")
        return Error::bad_data("`rope_type` " + in_quotes(type) + " is not supported")
            .hint("use a model with rope_type = \"default\"");
    }
    if (json_has(parameters, "rope_theta")) return json_number(parameters, "rope_theta", 1, 1e12);
  }
  if (json_has(root, old_name)) return json_number(root, old_name, 1, 1e12);
  return preset;
}

Result<std::vector<bool>> parse_local_layers(element root, std::size_t layers) {
  std::vector<bool> local;
  if (!json_has(root, "layer_types")) {
    SMIDGEN_ASSIGN(const std::size_t every, size_or(root, "global_attn_every_n_layers", 256, 3));
    for (std::size_t i = 0; i < layers; ++i) local.push_back(i % every != 0);
    return local;
  }
  simdjson::dom::array types;
  if (root["layer_types"].get(types) != simdjson::SUCCESS) return Error::bad_data("`layer_types` must be a list");
  for (const element type : types) {
    std::string_view name;
    if (type.get(name) != simdjson::SUCCESS || (name != "sliding_attention" && name != "full_attention"))
      return Error::bad_data("`layer_types` may hold \"full_attention\" and \"sliding_attention\" only");
    local.push_back(name == "sliding_attention");
  }
  if (local.size() != layers)
    return Error::bad_data("`layer_types` has " + std::to_string(local.size()) + " entries, `num_hidden_layers` is " +
                           std::to_string(layers));
  return local;
}

Status parse_modernbert(element root, BodyConfig& body) {
  SMIDGEN_TRY(parse_sizes(
      root, {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_activation"},
      body));
  body.position_rows = 0;
  body.epsilon = 1e-5F;
  SMIDGEN_TRY(parse_epsilon(root, "norm_eps", body));
  SMIDGEN_ASSIGN(body.norm_bias, flag_or(root, "norm_bias", false));
  SMIDGEN_ASSIGN(body.attention_bias, flag_or(root, "attention_bias", false));
  SMIDGEN_ASSIGN(body.mlp_bias, flag_or(root, "mlp_bias", false));
  const std::size_t head_dim = body.hidden / body.heads;
  if (head_dim % 2 != 0)
    return Error::bad_data("`hidden_size` / `num_attention_heads` is " + std::to_string(head_dim) +
                           ": rotary positions need an even number");
  if (body.positions * head_dim > kRotaryFloatsMax)
    return Error::bad_data("`max_position_embeddings` " + std::to_string(body.positions) + " times a head of " +
                           std::to_string(head_dim) + " numbers is more than " + std::to_string(kRotaryFloatsMax));
  SMIDGEN_ASSIGN(const std::size_t width, size_or(root, "local_attention", 1 << 20, 128));
  if (width < 2) return Error::bad_data("`local_attention` must be an integer in 2..1048576");
  SMIDGEN_ASSIGN(const double global, parse_theta(root, "full_attention", "global_rope_theta", 160000));
  SMIDGEN_ASSIGN(const double local, parse_theta(root, "sliding_attention", "local_rope_theta", 10000));
  SMIDGEN_ASSIGN(const std::vector<bool> local_layers, parse_local_layers(root, body.layers));
  for (const bool is_local : local_layers)
    body.spans.push_back(is_local ? AttentionSpan{width / 2, local} : AttentionSpan{0, global});
  return Ok{};
}

}  // namespace

std::string_view to_string(Architecture architecture) {
  for (const auto& [name, value] : kArchitectures)
    if (value == architecture) return name;
  return "";
}

Result<BodyConfig> BodyConfig::from_json(std::string_view json) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(json));
  const element root = document.root();
  BodyConfig body;
  SMIDGEN_ASSIGN(body.architecture, parse_architecture(root));
  SMIDGEN_ASSIGN(const bool decoder, flag_or(root, "is_decoder", false));
  if (decoder) return Error::bad_data("`is_decoder` is true; an encoder is needed");
  if (body.architecture == Architecture::kDistilBert) {
    SMIDGEN_TRY(parse_sizes(root, {"dim", "n_layers", "n_heads", "hidden_dim", "activation"}, body));
  } else if (body.architecture == Architecture::kModernBert) {
    SMIDGEN_TRY(parse_modernbert(root, body));
  } else {
    SMIDGEN_TRY(parse_bert_family(root, body));
  }
  return body;
}

}  // namespace smidgen
