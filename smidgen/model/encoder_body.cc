#include "smidgen/model/encoder_body.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace smidgen {

Result<EncoderBody> EncoderBody::load(const BodyConfig& config, const Safetensors& file, const Kernels& kernels,
                                      Precision precision) {
  const EncoderWeights weights(config, file);
  EncoderBody body;
  body.config_ = config;
  body.kernels_ = &kernels;
  body.precision_ = precision;
  SMIDGEN_ASSIGN(body.words_, weights.words());
  SMIDGEN_ASSIGN(body.positions_, weights.positions());
  SMIDGEN_ASSIGN(body.type_steps_, weights.types());
  if (config.types > 0) {
    const std::vector<float> first(body.type_steps_.begin(),
                                   body.type_steps_.begin() + static_cast<std::ptrdiff_t>(config.embedding));
    for (std::size_t i = 0; i < body.positions_.size(); ++i) body.positions_[i] += first[i % config.embedding];
    for (std::size_t i = 0; i < body.type_steps_.size(); ++i) body.type_steps_[i] -= first[i % config.embedding];
  }
  SMIDGEN_ASSIGN(NormWeights embedding_norm, weights.embedding_norm());
  body.embedding_norm_ = Norm(kernels, std::move(embedding_norm), config.epsilon);
  if (config.embedding != config.hidden) {
    SMIDGEN_ASSIGN(LinearWeights projection, weights.projection());
    body.projection_ = LinearLayer::pack(kernels, std::move(projection));
  }
  for (std::size_t i = 0; i < config.layers; ++i) {
    SMIDGEN_ASSIGN(LayerWeights layer, weights.layer(i));
    body.layers_.push_back(body.pack(std::move(layer), i));
    if (config.rotary()) body.add_rotary(config.spans[i], body.layers_.back());
  }
  if (config.norms_first()) {
    SMIDGEN_ASSIGN(NormWeights norm, weights.final_norm());
    body.final_norm_ = Norm(kernels, std::move(norm), config.epsilon);
  }
  return body;
}

// int8 keeps the queries, keys and values of the last third of the layers in bf16. A few channels there are ten times
// the others and take the steps of int8 for themselves: of all products these cost MiniLM the most (on 500 texts the
// worst cosine to f32 is 0.982 without this and 0.987 with it), and they are a twelfth of its weights.
Precision EncoderBody::qkv_precision(std::size_t index) const {
  const bool late = index + config_.layers / 3 >= config_.layers;
  return precision_ == Precision::kInt8 && late ? Precision::kBf16 : precision_;
}

EncoderBody::Layer EncoderBody::pack(LayerWeights weights, std::size_t index) const {
  const Kernels& table = *kernels_;
  Layer layer;
  std::size_t floats = 0;
  const Precision qkv = qkv_precision(index);
  layer.next = index + 1 < config_.layers ? qkv_precision(index + 1) : Precision::kF32;
  floats += LinearLayer::packed_floats(table, qkv, weights.qkv);
  for (const LinearWeights* linear : {&weights.attention_out, &weights.inner, &weights.out})
    floats += LinearLayer::packed_floats(table, precision_, *linear);
  layer.block = allocate_floats(floats);
  float* next = layer.block.get();
  layer.qkv = LinearLayer::pack_at(next, table, qkv, std::move(weights.qkv));
  layer.attention_out = LinearLayer::pack_at(next, table, precision_, std::move(weights.attention_out));
  layer.inner = LinearLayer::pack_at(next, table, precision_, std::move(weights.inner));
  layer.out = LinearLayer::pack_at(next, table, precision_, std::move(weights.out));
  if (!weights.attention_norm.gain.empty())
    layer.attention_norm = Norm(table, std::move(weights.attention_norm), config_.epsilon);
  layer.norm = Norm(table, std::move(weights.norm), config_.epsilon);
  return layer;
}

void EncoderBody::add_rotary(const AttentionSpan& span, Layer& layer) {
  layer.window = span.window;
  const auto same = std::find_if(rotaries_.begin(), rotaries_.end(),
                                 [&](const auto& rotary) { return rotary->theta() == span.theta; });
  if (same != rotaries_.end()) {
    layer.rotary = same->get();
    return;
  }
  rotaries_.push_back(std::make_unique<Rotary>(span.theta, config_.positions, config_.hidden / config_.heads));
  layer.rotary = rotaries_.back().get();
}

void EncoderBody::forward(const Batch& batch, Scratch& scratch) const {
  std::size_t longest = 0, total = 0;
  for (const std::size_t length : batch.lengths) {
    longest = std::max(longest, length);
    total += length;
  }
  SMIDGEN_CHECK(longest <= config_.positions && total == batch.ids.size());
  SMIDGEN_CHECK(batch.types.empty() || batch.types.size() == batch.ids.size());
  const std::size_t head_dim = config_.hidden / config_.heads;
  const std::size_t workspace = precision_ == Precision::kF32
                                    ? attention_workspace(longest, head_dim)
                                    : low_attention_workspace(longest, head_dim) / sizeof(float) + 1;
  if (workspace > scratch.workspace_floats_) {
    scratch.workspace_floats_ = workspace;
    scratch.workspace_ = allocate_floats(workspace);
  }
  embed_tokens(batch, scratch);
  for (const Layer& layer : layers_) run_layer(layer, batch.lengths, scratch);
  if (final_norm_) final_norm_->apply(scratch.x_, scratch.x_);
}

void EncoderBody::embed_tokens(const Batch& batch, Scratch& scratch) const {
  Activations& embedded = projection_ ? scratch.normed_ : scratch.x_;
  embedded.resize(batch.ids.size(), config_.embedding);
  std::size_t first = 0;
  for (const std::size_t length : batch.lengths) {
    embed_sequence(batch, first, length, embedded.f32() + first * config_.embedding);
    first += length;
  }
  embedding_norm_.apply(embedded, embedded, projection_ || config_.norms_first() ? Precision::kF32 : qkv_precision(0));
  if (projection_) projection_->apply(embedded, Activation::kNone, nullptr, scratch.x_);
}

void EncoderBody::embed_sequence(const Batch& batch, std::size_t first, std::size_t length, float* row) const {
  const std::size_t width = config_.embedding;
  std::size_t next = config_.first_position;
  for (std::size_t i = first; i < first + length; ++i, row += width) {
    const std::int32_t id = batch.ids[i];
    SMIDGEN_CHECK(id >= 0 && static_cast<std::size_t>(id) < config_.vocabulary);
    const float* word = words_.data() + static_cast<std::size_t>(id) * width;
    if (positions_.empty()) {
      std::copy(word, word + width, row);
      continue;
    }
    const std::size_t position = id == config_.padding_id ? config_.first_position - 1 : next++;
    const float* place = positions_.data() + position * width;
    for (std::size_t j = 0; j < width; ++j) row[j] = word[j] + place[j];
    if (batch.types.empty() || batch.types[i] == 0) continue;
    SMIDGEN_CHECK(batch.types[i] < config_.types);
    const float* step = type_steps_.data() + batch.types[i] * width;
    for (std::size_t j = 0; j < width; ++j) row[j] += step[j];
  }
}

// x += attention(x); x += perceptron(x); with a norm before each half (norms_first) or behind it.
void EncoderBody::run_layer(const Layer& layer, std::span<const std::size_t> lengths, Scratch& scratch) const {
  const bool first = config_.norms_first();
  Activations& x = scratch.x_;
  const Activations* input = &x;
  if (first && layer.attention_norm) {
    layer.attention_norm->apply(x, scratch.normed_, layer.qkv.precision());
    input = &scratch.normed_;
  }
  // Rotary positions turn floats; without them a low precision attends to what the product rounds.
  layer.qkv.apply(*input, Activation::kNone, nullptr, scratch.qkv_,
                  layer.rotary != nullptr ? Precision::kF32 : precision_);
  attend(layer, lengths, scratch);
  layer.attention_out.apply(scratch.context_, Activation::kNone, &x, x);
  if (!first) layer.attention_norm->apply(x, x, precision_);

  input = &x;
  if (first) {
    layer.norm.apply(x, scratch.normed_, precision_);
    input = &scratch.normed_;
  }
  if (config_.gated()) {
    layer.inner.apply(*input, Activation::kNone, nullptr, scratch.gates_);
    gate(*kernels_, config_.activation, scratch.gates_, scratch.inner_);
  } else {
    layer.inner.apply(*input, config_.activation, nullptr, scratch.inner_, precision_);
  }
  layer.out.apply(scratch.inner_, Activation::kNone, &x, x);
  if (!first) layer.norm.apply(x, x, layer.next);
}

// qkv -> context, sequence by sequence.
void EncoderBody::attend(const Layer& layer, std::span<const std::size_t> lengths, Scratch& scratch) const {
  const std::size_t hidden = config_.hidden;
  Activations &qkv = scratch.qkv_, &context = scratch.context_;
  context.resize(qkv.rows(), hidden);
  std::size_t first = 0;
  for (const std::size_t length : lengths) {
    if (layer.rotary != nullptr) layer.rotary->rotate(qkv.f32() + first * 3 * hidden, length, config_.heads);
    first += length;
  }
  if (precision_ != Precision::kF32) qkv.need(Precision::kBf16, *kernels_->encoder);
  first = 0;
  for (const std::size_t length : lengths) {
    float* out = context.f32() + first * hidden;
    if (precision_ == Precision::kF32)
      attend_f32(layer, qkv.f32() + first * 3 * hidden, length, out, scratch);
    else
      attend_bf16(layer, qkv.bf16() + first * qkv.bf16_stride(), qkv.bf16_stride(), length, out, scratch);
    first += length;
  }
}

void EncoderBody::attend_f32(const Layer& layer, float* qkv, std::size_t length, float* context,
                             Scratch& scratch) const {
  AttentionCall call;
  call.qkv = qkv;
  call.t = length;
  call.heads = config_.heads;
  call.head_dim = config_.hidden / config_.heads;
  call.scale = 1.0F / std::sqrt(static_cast<float>(call.head_dim));
  call.out = context;
  call.workspace = scratch.workspace_.get();
  if (layer.window == 0 || length <= layer.window + 1) {
    kernels_->attention(call);
  } else {
    local_attention(*kernels_, call, layer.window);
  }
}

void EncoderBody::attend_bf16(const Layer& layer, const std::uint16_t* qkv, std::size_t stride, std::size_t length,
                              float* context, Scratch& scratch) const {
  LowAttention call;
  call.qkv = qkv;
  call.qkv_stride = stride;
  call.t = length;
  call.heads = config_.heads;
  call.head_dim = config_.hidden / config_.heads;
  call.scale = 1.0F / std::sqrt(static_cast<float>(call.head_dim));
  call.window = layer.window;
  call.out = context;
  call.workspace = scratch.workspace_.get();
  kernels_->encoder->attention(call);
}

}  // namespace smidgen
