#include "smidgen/model/bert.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace smidgen {

// Reads tensors by name. The prefix is decided once; older checkpoints call a norm's gain and bias gamma and beta.
class Bert::Loader {
 public:
  Loader(const Safetensors& file, const Kernels& kernels)
      : file_(file), kernels_(kernels), prefix_(file.has("bert.embeddings.word_embeddings.weight") ? "bert." : "") {}

  Result<std::vector<float>> floats(const std::string& name, std::initializer_list<std::size_t> shape) const {
    return file_.floats(prefix_ + name, shape);
  }

  Result<Norm> norm(const std::string& name, std::size_t size) const {
    const bool old = file_.has(prefix_ + name + ".gamma");
    Norm norm;
    SMIDGEN_ASSIGN(norm.gain, floats(name + (old ? ".gamma" : ".weight"), {size}));
    SMIDGEN_ASSIGN(norm.bias, floats(name + (old ? ".beta" : ".bias"), {size}));
    return norm;
  }

  // A linear layer as it lies in the file: weight (out, in), bias (out).
  struct Raw {
    std::size_t in = 0;
    std::vector<float> weight, bias;
  };

  // One or several layers that read the same input, side by side: their outputs are concatenated.
  Result<Raw> linear(std::initializer_list<std::string> names, std::size_t in, std::size_t out) const {
    Raw raw;
    raw.in = in;
    for (const std::string& name : names) {
      SMIDGEN_ASSIGN(const std::vector<float> weight, floats(name + ".weight", {out, in}));
      SMIDGEN_ASSIGN(const std::vector<float> bias, floats(name + ".bias", {out}));
      raw.weight.insert(raw.weight.end(), weight.begin(), weight.end());
      raw.bias.insert(raw.bias.end(), bias.begin(), bias.end());
    }
    return raw;
  }

  // Packs `raw` at `next`, which moves on.
  Linear pack(Raw raw, float*& next) const {
    const std::size_t out = raw.bias.size();
    Linear linear;
    linear.weight = PackedMatrix::pack_into(next, kernels_, raw.weight.data(), raw.in, out, 1, raw.in);
    linear.bias = std::move(raw.bias);
    next += PackedMatrix::packed_floats(kernels_, raw.in, out);
    return linear;
  }

  Result<Layer> layer(const std::string& name, const BertConfig& c) const {
    Layer layer;
    const std::string self = name + "attention.self.";
    SMIDGEN_ASSIGN(Raw qkv, linear({self + "query", self + "key", self + "value"}, c.hidden, c.hidden));
    SMIDGEN_ASSIGN(Raw attention_out, linear({name + "attention.output.dense"}, c.hidden, c.hidden));
    SMIDGEN_ASSIGN(layer.attention_norm, norm(name + "attention.output.LayerNorm", c.hidden));
    SMIDGEN_ASSIGN(Raw inner, linear({name + "intermediate.dense"}, c.hidden, c.intermediate));
    SMIDGEN_ASSIGN(Raw out, linear({name + "output.dense"}, c.intermediate, c.hidden));
    SMIDGEN_ASSIGN(layer.norm, norm(name + "output.LayerNorm", c.hidden));
    std::size_t floats = 0;
    for (const Raw* raw : {&qkv, &attention_out, &inner, &out})
      floats += PackedMatrix::packed_floats(kernels_, raw->in, raw->bias.size());
    layer.block = allocate_floats(floats);
    float* next = layer.block.get();
    layer.qkv = pack(std::move(qkv), next);
    layer.attention_out = pack(std::move(attention_out), next);
    layer.inner = pack(std::move(inner), next);
    layer.out = pack(std::move(out), next);
    return layer;
  }

 private:
  const Safetensors& file_;
  const Kernels& kernels_;
  std::string prefix_;
};

Result<Bert> Bert::load(const BertConfig& config, const Safetensors& file, const Kernels& kernels) {
  const Loader loader(file, kernels);
  Bert bert;
  bert.config_ = config;
  bert.kernels_ = &kernels;
  SMIDGEN_ASSIGN(bert.words_, loader.floats("embeddings.word_embeddings.weight", {config.vocabulary, config.hidden}));
  SMIDGEN_ASSIGN(bert.positions_,
                 loader.floats("embeddings.position_embeddings.weight", {config.positions, config.hidden}));
  SMIDGEN_ASSIGN(const std::vector<float> types,
                 loader.floats("embeddings.token_type_embeddings.weight", {config.types, config.hidden}));
  for (std::size_t i = 0; i < bert.positions_.size(); ++i) bert.positions_[i] += types[i % config.hidden];
  SMIDGEN_ASSIGN(bert.embedding_norm_, loader.norm("embeddings.LayerNorm", config.hidden));
  for (std::size_t i = 0; i < config.layers; ++i) {
    SMIDGEN_ASSIGN(Layer layer, loader.layer("encoder.layer." + std::to_string(i) + ".", config));
    bert.layers_.push_back(std::move(layer));
  }
  return bert;
}

void Bert::Scratch::reserve(const BertConfig& config, std::size_t tokens, std::size_t longest) {
  if (tokens > tokens_) {
    tokens_ = tokens;
    hidden_ = allocate_floats(tokens * config.hidden);
    qkv_ = allocate_floats(tokens * 3 * config.hidden);
    context_ = allocate_floats(tokens * config.hidden);
    inner_ = allocate_floats(tokens * config.intermediate);
  }
  const std::size_t workspace = attention_workspace(longest, config.hidden / config.heads);
  if (workspace > workspace_floats_) {
    workspace_floats_ = workspace;
    workspace_ = allocate_floats(workspace);
  }
}

void Bert::forward(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths, Scratch& scratch) const {
  std::size_t longest = 0, total = 0;
  for (const std::size_t length : lengths) {
    longest = std::max(longest, length);
    total += length;
  }
  SMIDGEN_CHECK(longest <= config_.positions && total == ids.size());
  scratch.reserve(config_, ids.size(), longest);
  embed_tokens(ids, lengths, scratch.hidden());
  for (const Layer& layer : layers_) run_layer(layer, lengths, ids.size(), scratch);
}

void Bert::embed_tokens(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths, float* x) const {
  float* row = x;
  const std::int32_t* id = ids.data();
  for (const std::size_t length : lengths)
    for (std::size_t position = 0; position < length; ++position, ++id, row += config_.hidden) {
      SMIDGEN_CHECK(*id >= 0 && static_cast<std::size_t>(*id) < config_.vocabulary);
      const float* word = words_.data() + static_cast<std::size_t>(*id) * config_.hidden;
      const float* place = positions_.data() + position * config_.hidden;
      for (std::size_t i = 0; i < config_.hidden; ++i) row[i] = word[i] + place[i];
    }
  normalise(embedding_norm_, x, ids.size());
}

void Bert::run_layer(const Layer& layer, std::span<const std::size_t> lengths, std::size_t tokens,
                     Scratch& scratch) const {
  const std::size_t hidden = config_.hidden;
  float *x = scratch.hidden(), *qkv = scratch.qkv_.get(), *context = scratch.context_.get();
  apply(layer.qkv, x, tokens, false, nullptr, qkv);
  std::size_t first = 0;
  for (const std::size_t length : lengths) {
    AttentionCall call;
    call.qkv = qkv + first * 3 * hidden;
    call.t = length;
    call.heads = config_.heads;
    call.head_dim = hidden / config_.heads;
    call.scale = 1.0F / std::sqrt(static_cast<float>(call.head_dim));
    call.out = context + first * hidden;
    call.workspace = scratch.workspace_.get();
    kernels_->attention(call);
    first += length;
  }
  apply(layer.attention_out, context, tokens, false, x, x);
  normalise(layer.attention_norm, x, tokens);
  apply(layer.inner, x, tokens, true, nullptr, scratch.inner_.get());
  apply(layer.out, scratch.inner_.get(), tokens, false, x, x);
  normalise(layer.norm, x, tokens);
}

void Bert::apply(const Linear& linear, const float* x, std::size_t rows, bool gelu, const float* residual,
                 float* y) const {
  GemmCall call;
  call.a = x;
  call.a_stride = linear.weight.k();
  call.panels = linear.weight.panels();
  call.m = rows;
  call.n = linear.weight.n();
  call.k = linear.weight.k();
  call.bias = linear.bias.data();
  call.gelu = gelu;
  call.residual = residual;
  call.residual_stride = call.n;
  call.c = y;
  call.c_stride = call.n;
  kernels_->gemm(call);
}

void Bert::normalise(const Norm& norm, float* x, std::size_t rows) const {
  kernels_->layer_norm(x, rows, config_.hidden, norm.gain.data(), norm.bias.data(), config_.epsilon, x);
}

}  // namespace smidgen
