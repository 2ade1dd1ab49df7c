#include "smidgen/model/encoder_weights.h"

#include <utility>

namespace smidgen {

// `layer` is followed by the layer's number and a dot, then by the names below it.
struct EncoderNames {
  const char* prefix;  // of a model with a head; absent when the body was saved alone
  const char *words, *positions, *types, *embedding_norm, *projection;
  const char* layer;
  std::vector<std::string> qkv;  // one fused matrix, or three
  const char *attention_out, *attention_norm, *inner, *out, *norm;
  const char* final_norm;
};

namespace {

EncoderNames bert_names(const char* prefix) {
  return {prefix,
          "embeddings.word_embeddings",
          "embeddings.position_embeddings",
          "embeddings.token_type_embeddings",
          "embeddings.LayerNorm",
          "embeddings_project",
          "encoder.layer.",
          {"attention.self.query", "attention.self.key", "attention.self.value"},
          "attention.output.dense",
          "attention.output.LayerNorm",
          "intermediate.dense",
          "output.dense",
          "output.LayerNorm",
          ""};
}

const EncoderNames& names_of(Architecture architecture) {
  static const EncoderNames bert = bert_names("bert."), roberta = bert_names("roberta."),
                            electra = bert_names("electra.");
  static const EncoderNames distilbert = {"distilbert.",
                                          "embeddings.word_embeddings",
                                          "embeddings.position_embeddings",
                                          "",
                                          "embeddings.LayerNorm",
                                          "",
                                          "transformer.layer.",
                                          {"attention.q_lin", "attention.k_lin", "attention.v_lin"},
                                          "attention.out_lin",
                                          "sa_layer_norm",
                                          "ffn.lin1",
                                          "ffn.lin2",
                                          "output_layer_norm",
                                          ""};
  static const EncoderNames modernbert = {"model.",
                                          "embeddings.tok_embeddings",
                                          "",
                                          "",
                                          "embeddings.norm",
                                          "",
                                          "layers.",
                                          {"attn.Wqkv"},
                                          "attn.Wo",
                                          "attn_norm",
                                          "mlp.Wi",
                                          "mlp.Wo",
                                          "mlp_norm",
                                          "final_norm"};
  switch (architecture) {
    case Architecture::kBert:
      return bert;
    case Architecture::kDistilBert:
      return distilbert;
    case Architecture::kRoberta:
    case Architecture::kXlmRoberta:
      return roberta;
    case Architecture::kElectra:
      return electra;
    case Architecture::kModernBert:
      return modernbert;
  }
  return bert;
}

}  // namespace

Result<LinearWeights> read_linear(const Safetensors& file, const std::string& name, std::size_t in, std::size_t out,
                                  bool bias) {
  LinearWeights weights;
  weights.in = in;
  weights.out = out;
  SMIDGEN_ASSIGN(weights.weight, file.floats(name + ".weight", {out, in}));
  if (bias) {
    SMIDGEN_ASSIGN(weights.bias, file.floats(name + ".bias", {out}));
  }
  return weights;
}

Result<NormWeights> read_norm(const Safetensors& file, const std::string& name, std::size_t size, bool bias) {
  const bool old = file.has(name + ".gamma");
  NormWeights weights;
  SMIDGEN_ASSIGN(weights.gain, file.floats(name + (old ? ".gamma" : ".weight"), {size}));
  weights.bias.resize(size);
  if (bias) {
    SMIDGEN_ASSIGN(weights.bias, file.floats(name + (old ? ".beta" : ".bias"), {size}));
  }
  return weights;
}

EncoderWeights::EncoderWeights(const BodyConfig& config, const Safetensors& file)
    : config_(config), file_(file), names_(names_of(config.architecture)) {
  if (file.has(std::string(names_.prefix) + names_.words + ".weight")) prefix_ = names_.prefix;
}

Result<std::vector<float>> EncoderWeights::words() const {
  return file_.floats(prefix_ + names_.words + ".weight", {config_.vocabulary, config_.embedding});
}

Result<std::vector<float>> EncoderWeights::positions() const {
  if (config_.position_rows == 0) return std::vector<float>{};
  return file_.floats(prefix_ + names_.positions + ".weight", {config_.position_rows, config_.embedding});
}

Result<std::vector<float>> EncoderWeights::types() const {
  if (config_.types == 0) return std::vector<float>{};
  return file_.floats(prefix_ + names_.types + ".weight", {config_.types, config_.embedding});
}

Result<NormWeights> EncoderWeights::embedding_norm() const {
  return read_norm(file_, prefix_ + names_.embedding_norm, config_.embedding, config_.norm_bias);
}

Result<LinearWeights> EncoderWeights::projection() const {
  return read_linear(file_, prefix_ + names_.projection, config_.embedding, config_.hidden);
}

Result<NormWeights> EncoderWeights::final_norm() const {
  return read_norm(file_, prefix_ + names_.final_norm, config_.hidden, config_.norm_bias);
}

// Layers that read the same input stand side by side: their outputs are concatenated.
Result<LinearWeights> EncoderWeights::linear(const std::vector<std::string>& names, std::size_t in, std::size_t out,
                                             bool bias) const {
  LinearWeights all;
  all.in = in;
  all.out = out;
  for (const std::string& name : names) {
    SMIDGEN_ASSIGN(const LinearWeights one, read_linear(file_, name, in, out / names.size(), bias));
    all.weight.insert(all.weight.end(), one.weight.begin(), one.weight.end());
    all.bias.insert(all.bias.end(), one.bias.begin(), one.bias.end());
  }
  return all;
}

LayerNames EncoderWeights::layer_names(std::size_t index) const {
  const std::string name = prefix_ + names_.layer + std::to_string(index) + ".";
  LayerNames names;
  for (const std::string& part : names_.qkv) names.qkv.push_back(name + part);
  names.attention_out = name + names_.attention_out;
  names.inner = name + names_.inner;
  names.out = name + names_.out;
  names.attention_norm = name + names_.attention_norm;
  names.norm = name + names_.norm;
  return names;
}

std::string EncoderWeights::words_name() const {
  return prefix_ + names_.words;
}
std::string EncoderWeights::positions_name() const {
  return prefix_ + names_.positions;
}
std::string EncoderWeights::types_name() const {
  return config_.types == 0 ? "" : prefix_ + names_.types;
}
std::string EncoderWeights::embedding_norm_name() const {
  return prefix_ + names_.embedding_norm;
}

Result<LayerWeights> EncoderWeights::layer(std::size_t index) const {
  const BodyConfig& c = config_;
  const LayerNames names = layer_names(index);
  LayerWeights layer;
  SMIDGEN_ASSIGN(layer.qkv, linear(names.qkv, c.hidden, 3 * c.hidden, c.attention_bias));
  SMIDGEN_ASSIGN(layer.attention_out, read_linear(file_, names.attention_out, c.hidden, c.hidden, c.attention_bias));
  const std::size_t inner = c.gated() ? 2 * c.intermediate : c.intermediate;
  SMIDGEN_ASSIGN(layer.inner, read_linear(file_, names.inner, c.hidden, inner, c.mlp_bias));
  SMIDGEN_ASSIGN(layer.out, read_linear(file_, names.out, c.intermediate, c.hidden, c.mlp_bias));
  if (!c.norms_first() || index > 0) {
    SMIDGEN_ASSIGN(layer.attention_norm, read_norm(file_, names.attention_norm, c.hidden, c.norm_bias));
  }
  SMIDGEN_ASSIGN(layer.norm, read_norm(file_, names.norm, c.hidden, c.norm_bias));
  return layer;
}

}  // namespace smidgen
