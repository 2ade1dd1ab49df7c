#include "smidgen/model/encoder_body.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "smidgen/base/random.h"

namespace smidgen {

namespace {

constexpr std::size_t kTrialTokens = 16;
constexpr std::size_t kTokensToShare = 8;  // that pay for waiting for each other twice a layer
constexpr std::size_t kWordsAhead = 2;     // word vectors lie all over memory: one is asked for while others are added

// max |x_j| of each column.
std::vector<float> column_sizes(const Activations& x) {
  std::vector<float> largest(x.width());
  for (std::size_t i = 0; i < x.rows() * x.width(); ++i)
    largest[i % x.width()] = std::max(largest[i % x.width()], std::fabs(x.f32()[i]));
  return largest;
}

}  // namespace

Result<EncoderBody> EncoderBody::load(const BodyConfig& config, const Safetensors& file, const Kernels& kernels,
                                      Precision precision, std::optional<Smoothing> smoothing) {
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
  SMIDGEN_TRY(body.load_layers(weights, std::move(smoothing)));
  if (config.norms_first()) {
    SMIDGEN_ASSIGN(NormWeights norm, weights.final_norm());
    body.final_norm_ = Norm(kernels, std::move(norm), config.epsilon);
  }
  return body;
}

// Without a given smoothing, a sequence of random tokens runs through each layer as soon as it is packed: what it says
// to the next layer shows how large that one's columns get.
Status EncoderBody::load_layers(const EncoderWeights& weights, std::optional<Smoothing> smoothing) {
  Scratch scratch;
  const std::size_t length = std::min(kTrialTokens, config_.positions);
  const bool trial = precision_ == Precision::kInt8 && !smoothing;
  if (smoothing) smoothing_ = std::move(*smoothing);
  if (trial) {
    Random random(1);
    std::vector<std::int32_t> ids(length);
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(config_.vocabulary));
    reserve(length, scratch);
    embed_tokens({ids, {}, {&length, 1}}, scratch);
  }
  for (std::size_t i = 0; i < config_.layers; ++i) {
    SMIDGEN_ASSIGN(LayerWeights layer, weights.layer(i));
    layers_.push_back(pack(std::move(layer), i, trial ? &scratch : nullptr));
    if (trial) run_perceptron(layers_.back(), nullptr, scratch);
  }
  return Ok{};
}

EncoderBody::Layer EncoderBody::pack(LayerWeights weights, std::size_t index, Scratch* trial) {
  const Kernels& table = *kernels_;
  Layer layer;
  if (config_.rotary()) add_rotary(config_.spans[index], layer);
  if (!weights.attention_norm.gain.empty())
    layer.attention_norm = Norm(table, std::move(weights.attention_norm), config_.epsilon);
  layer.norm = Norm(table, std::move(weights.norm), config_.epsilon);
  std::size_t floats = 0;
  for (const LinearWeights* linear : {&weights.qkv, &weights.attention_out, &weights.inner, &weights.out})
    floats += LinearLayer::packed_floats(table, precision_, *linear);
  layer.block = allocate_floats(floats);
  float* next = layer.block.get();
  std::vector<float> factors =
      factors_for(2 * index, trial == nullptr ? nullptr : &attention_input(layer, nullptr, *trial), weights.qkv);
  layer.qkv = LinearLayer::pack_at(next, table, precision_, std::move(weights.qkv), std::move(factors));
  layer.attention_out = LinearLayer::pack_at(next, table, precision_, std::move(weights.attention_out));
  if (trial != nullptr) {
    const std::size_t length = trial->x_.rows();
    run_attention(layer, {&length, 1}, *trial, nullptr);
  }
  factors =
      factors_for(2 * index + 1, trial == nullptr ? nullptr : &perceptron_input(layer, nullptr, *trial), weights.inner);
  layer.inner = LinearLayer::pack_at(next, table, precision_, std::move(weights.inner), std::move(factors));
  layer.out = LinearLayer::pack_at(next, table, precision_, std::move(weights.out));
  return layer;
}

// What smooths an input (Smoothing::inputs): known, or found from its columns x. Multiplies the weights.
std::vector<float> EncoderBody::factors_for(std::size_t input, const Activations* x, LinearWeights& weights) {
  if (precision_ != Precision::kInt8) return {};
  if (x != nullptr) smoothing_.inputs.push_back(smoothing_exponents(column_sizes(*x), weights));
  return smooth(smoothing_.inputs[input], weights);
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
  run(batch, 0, config_.layers, scratch);
  if (final_norm_) final_norm_->apply(scratch.x_, scratch.x_);
}

void EncoderBody::run(const Batch& batch, std::size_t first, std::size_t last, Scratch& scratch) const {
  SMIDGEN_CHECK(first <= last && last <= layers_.size());
  std::size_t longest = 0, tokens = 0;
  for (const std::size_t length : batch.lengths) {
    longest = std::max(longest, length);
    tokens += length;
  }
  SMIDGEN_CHECK(longest <= config_.positions);
  reserve(longest, scratch);
  if (first == 0) {
    SMIDGEN_CHECK(tokens == batch.ids.size());
    SMIDGEN_CHECK(batch.types.empty() || batch.types.size() == batch.ids.size());
  }
  if (first == 0) embed_tokens(batch, scratch);
  if (scratch.crew_ == nullptr || tokens < kTokensToShare || first == last)
    return run_layers(batch.lengths, first, last, scratch, nullptr);
  scratch.qkv_.resize(tokens, 3 * config_.hidden, attended());
  scratch.context_.resize(tokens, config_.hidden);
  scratch.parts_.resize(scratch.crew_->cores());
  std::size_t next = first;
  scratch.crew_->work(
      [&] {
        run_layers(batch.lengths, next, next + 1, scratch, nullptr);
        return ++next < last;
      },
      [&](Crew::Team& team) { run_together(batch.lengths, next, last, scratch, team); });
}

// part: what `scratch` holds of a pass; null: all of it.
void EncoderBody::run_layers(std::span<const std::size_t> lengths, std::size_t first, std::size_t last,
                             Scratch& scratch, Part* part) const {
  for (std::size_t layer = first; layer < last; ++layer) {
    run_attention(layers_[layer], lengths, scratch, part);
    run_perceptron(layers_[layer], qkv_of(layer + 1), scratch);
  }
}

void EncoderBody::run_together(std::span<const std::size_t> lengths, std::size_t first, std::size_t last,
                               Scratch& whole, Crew::Team& team) const {
  Scratch& own = whole.parts_[team.member()];
  const std::size_t n = config_.hidden, rows = whole.x_.rows(), begin = rows * team.member() / team.members(),
                    count = rows * (team.member() + 1) / team.members() - begin;
  reserve(*std::max_element(lengths.begin(), lengths.end()), own);
  set_rows({std::as_const(whole.x_).f32() + begin * n, count * n}, own);
  Part part = {team, whole, begin};
  run_layers(lengths, first, last, own, &part);
  if (team.member() == 0) whole.x_.resize(rows, n);  // what else than floats it had is of the rows before
  std::copy_n(std::as_const(own.x_).f32(), count * n, whole.x_.f32() + begin * n);
}

void EncoderBody::set_rows(std::span<const float> rows, Scratch& scratch) const {
  scratch.x_.resize(rows.size() / config_.hidden, config_.hidden);
  std::copy(rows.begin(), rows.end(), scratch.x_.f32());
}

const float* EncoderBody::exit_rows(Scratch& scratch) const {
  if (!final_norm_) return scratch.x_.f32();
  final_norm_->apply(scratch.x_, scratch.normed_);
  return scratch.normed_.f32();
}

void EncoderBody::reserve(std::size_t longest, Scratch& scratch) const {
  const std::size_t head_dim = config_.hidden / config_.heads;
  const std::size_t workspace = precision_ == Precision::kF32
                                    ? attention_workspace(longest, head_dim)
                                    : low_attention_workspace(longest, head_dim) / sizeof(float) + 1;
  if (workspace <= scratch.workspace_floats_) return;
  scratch.workspace_floats_ = workspace;
  scratch.workspace_ = allocate_floats(workspace);
}

void EncoderBody::embed_tokens(const Batch& batch, Scratch& scratch) const {
  Activations& embedded = projection_ ? scratch.normed_ : scratch.x_;
  embedded.resize(batch.ids.size(), config_.embedding);
  std::size_t first = 0;
  for (const std::size_t length : batch.lengths) {
    embed_sequence(batch, first, length, embedded.f32() + first * config_.embedding);
    first += length;
  }
  embedding_norm_.apply(embedded, embedded, projection_ || config_.norms_first() ? nullptr : qkv_of(0));
  if (projection_) projection_->apply(embedded, Activation::kNone, nullptr, scratch.x_);
}

void EncoderBody::ask_for_word(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= config_.vocabulary) return;
  const float* word = words_.data() + static_cast<std::size_t>(id) * config_.embedding;
  constexpr std::size_t kFloatsOfLine = 16;
  for (std::size_t j = 0; j < config_.embedding; j += kFloatsOfLine) __builtin_prefetch(word + j);
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
    if (i + kWordsAhead < batch.ids.size()) ask_for_word(batch.ids[i + kWordsAhead]);
    std::copy(word, word + width, row);
    kernels_->axpy(1.0F, place, row, width);
    if (batch.types.empty() || batch.types[i] == 0) continue;
    SMIDGEN_CHECK(batch.types[i] < config_.types);
    const float* step = type_steps_.data() + batch.types[i] * width;
    for (std::size_t j = 0; j < width; ++j) row[j] += step[j];
  }
}

// A layer is x += attention(x); x += perceptron(x); with a norm before each half (norms_first) or behind it. A norm
// leaves its rows in the form that `next`, who multiplies them, wants.
const Activations& EncoderBody::attention_input(const Layer& layer, const LinearLayer* next, Scratch& scratch) const {
  if (!config_.norms_first() || !layer.attention_norm) return scratch.x_;
  layer.attention_norm->apply(scratch.x_, scratch.normed_, next);
  return scratch.normed_;
}

const Activations& EncoderBody::perceptron_input(const Layer& layer, const LinearLayer* next, Scratch& scratch) const {
  if (!config_.norms_first()) return scratch.x_;
  layer.norm.apply(scratch.x_, scratch.normed_, next);
  return scratch.normed_;
}

// part: what `scratch` holds of a pass; null: all of it.
void EncoderBody::run_attention(const Layer& layer, std::span<const std::size_t> lengths, Scratch& scratch,
                                Part* part) const {
  Activations& x = scratch.x_;
  const Activations& input = attention_input(layer, &layer.qkv, scratch);
  // Rotary positions turn floats; without them a low precision attends to what the product rounds.
  layer.qkv.apply(input, Activation::kNone, nullptr, scratch.qkv_,
                  layer.rotary != nullptr ? Precision::kF32 : precision_);
  make_attendable(layer, lengths, part == nullptr ? 0 : part->begin, scratch.qkv_);
  if (part == nullptr) {
    scratch.context_.resize(x.rows(), config_.hidden);
    attend(layer, lengths, {0, config_.heads}, scratch.qkv_, scratch.context_, scratch.workspace_.get());
  } else {
    attend_together(layer, lengths, scratch, *part);
  }
  layer.attention_out.apply(scratch.context_, Activation::kNone, &x, x);
  if (!config_.norms_first()) layer.attention_norm->apply(x, x, &layer.inner);
}

// above: of the next layer, null when there is none.
void EncoderBody::run_perceptron(const Layer& layer, const LinearLayer* above, Scratch& scratch) const {
  Activations& x = scratch.x_;
  const Activations& input = perceptron_input(layer, &layer.inner, scratch);
  if (config_.gated()) {
    layer.inner.apply(input, Activation::kNone, nullptr, scratch.gates_);
    gate(*kernels_, config_.activation, scratch.gates_, scratch.inner_);
  } else {
    layer.inner.apply(input, config_.activation, nullptr, scratch.inner_, precision_);
  }
  layer.out.apply(scratch.inner_, Activation::kNone, &x, x);
  if (!config_.norms_first()) layer.norm.apply(x, x, above);
}

// qkv, whose rows are those of the pass from `begin` on, in the form that attention reads, turned to their positions.
void EncoderBody::make_attendable(const Layer& layer, std::span<const std::size_t> lengths, std::size_t begin,
                                  Activations& qkv) const {
  const std::size_t end = begin + qkv.rows(), width = 3 * config_.hidden;
  std::size_t first = 0;  // of a sequence
  for (const std::size_t length : lengths) {
    const std::size_t from = std::max(begin, first), to = std::min(end, first + length);
    if (layer.rotary != nullptr && from < to)
      layer.rotary->rotate(qkv.f32() + (from - begin) * width, from - first, to - from, config_.heads);
    first += length;
  }
  if (precision_ != Precision::kF32) qkv.need(Precision::kBf16, *kernels_->encoder);
}

// All members put their rows of qkv together, take their heads of all rows, and go on with their rows of the context.
void EncoderBody::attend_together(const Layer& layer, std::span<const std::size_t> lengths, Scratch& scratch,
                                  Part& part) const {
  Scratch& whole = part.whole;
  const std::size_t n = config_.hidden, rows = scratch.x_.rows(), members = part.team.members(),
                    first = config_.heads * part.team.member() / members,
                    end = config_.heads * (part.team.member() + 1) / members;
  if (const Activations& qkv = scratch.qkv_; precision_ == Precision::kF32)
    std::copy_n(qkv.f32(), rows * 3 * n, whole.qkv_.f32() + part.begin * 3 * n);
  else
    std::copy_n(qkv.bf16(), rows * qkv.bf16_stride(), whole.qkv_.bf16() + part.begin * qkv.bf16_stride());
  part.team.sync();
  attend(layer, lengths, {first, end - first}, whole.qkv_, whole.context_, scratch.workspace_.get());
  scratch.context_.resize(rows, n);
  part.team.sync();
  std::copy_n(std::as_const(whole.context_).f32() + part.begin * n, rows * n, scratch.context_.f32());
}

void EncoderBody::attend(const Layer& layer, std::span<const std::size_t> lengths, Heads heads, const Activations& qkv,
                         Activations& context, float* workspace) const {
  const std::size_t hidden = config_.hidden, head_dim = hidden / config_.heads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  float* out = context.f32() + heads.first * head_dim;
  std::size_t row = 0;
  for (const std::size_t length : lengths) {
    if (precision_ == Precision::kF32) {
      const float* from = qkv.f32() + row * 3 * hidden + heads.first * head_dim;
      const AttentionCall call = {from, length, heads.count, head_dim, hidden, scale, out + row * hidden, workspace};
      if (layer.window == 0 || length <= layer.window + 1)
        kernels_->attention(call);
      else
        local_attention(*kernels_, call, layer.window);
    } else {
      const std::uint16_t* from = qkv.bf16() + row * qkv.bf16_stride() + heads.first * head_dim;
      kernels_->encoder->attention({from, qkv.bf16_stride(), length, heads.count, head_dim, hidden, scale, layer.window,
                                    out + row * hidden, workspace});
    }
    row += length;
  }
}

}  // namespace smidgen
