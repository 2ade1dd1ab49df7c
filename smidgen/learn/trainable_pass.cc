#include "smidgen/learn/trainable_pass.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "smidgen/base/random.h"

namespace smidgen {

namespace {

// Shards come in fours, about this many tokens to four: equal work for 2 or 4 threads, and few enough that streaming
// the weights once for each of them does not cost more than the arithmetic.
constexpr std::size_t kTokensPerFourShards = 512;
constexpr std::size_t kTurnColumns = 64;    // of rows that one thread turns or packs at a time
constexpr std::size_t kGradientRows = 128;  // of a weight gradient that one thread makes at a time

// Which of an encoder's dropouts a mask belongs to.
enum class Site : std::uint64_t { kEmbedding, kProbabilities, kAttention, kPerceptron };

using Half = std::uint16_t;

// Zeroed rows of n columns of T that only grow.
template <class T>
class RowBuffer {
 public:
  void reserve(std::size_t rows, std::size_t n) { reserve_elements(rows * row_stride<T>(n)); }
  void reserve_elements(std::size_t elements) {
    if (elements <= elements_) return;
    elements_ = elements + elements / 8;
    const std::size_t floats = (elements_ * sizeof(T) + sizeof(float) - 1) / sizeof(float);
    storage_ = {};
    storage_ = allocate_floats(floats);
    std::fill_n(storage_.get(), floats, 0.0F);
  }
  T* get() { return reinterpret_cast<T*>(storage_.get()); }

 private:
  AlignedFloats storage_;
  std::size_t elements_ = 0;
};

// What backward needs of one layer's forward, for all tokens.
template <class T>
struct LayerTape {
  RowBuffer<T> x, qkv, context;  // the layer's input; (tokens, 3 hidden); what the heads say
  RowBuffer<float> sum1, sum2;   // (tokens, hidden): before the attention's norm and the layer's
  RowBuffer<T> h1, u, g;         // after the attention's norm; (tokens, intermediate): before and after GELU

  void reserve(std::size_t tokens, const BodyConfig& c) {
    for (RowBuffer<T>* rows : {&x, &context, &h1}) rows->reserve(tokens, c.hidden);
    for (RowBuffer<float>* rows : {&sum1, &sum2}) rows->reserve(tokens, c.hidden);
    for (RowBuffer<T>* rows : {&u, &g}) rows->reserve(tokens, c.intermediate);
    qkv.reserve(tokens, 3 * c.hidden);
  }
};

// One thread's rows that nobody reads later.
struct Scratch {
  RowBuffer<float> x, h, attention;
};

template <class T>
class Pass : public TrainingPass {
 public:
  Pass(const BodyConfig& config, TrainableBody& body, const TrainingMode& mode, ThreadPool& pool)
      : config_(config),
        body_(body),
        mode_(mode),
        kernels_(*mode.kernels),
        training_(*mode.training),
        pool_(pool),
        tape_(config.layers),
        scratch_(pool.threads()) {}

  void begin(const TrainingBatch& batch) override;
  void forward(const TokenShard& shard, std::size_t worker) override;
  double backward() override;

 private:
  // The four matrices of a layer as the weight gradients see them.
  struct Side {
    TrainableLinear* linear;
    const T *x, *d_y;
    RowBuffer<T>*turned, *panels;
  };

  std::size_t width() const { return config_.hidden; }
  std::size_t stride() const { return row_stride<T>(config_.hidden); }
  // Without backward two layers take turns.
  LayerTape<T>& tape(std::size_t layer) { return tape_[batch_->taped ? layer : layer % 2]; }
  Dropout mask(std::size_t layer, Site site, std::size_t sequence) const;
  // sum = what the matrix gave, with dropout, + residual; then `norm` of it to y in f32 and, unless null, rounded to
  // low.
  void join(std::size_t layer, Site site, const TokenShard& shard, const TrainableNorm& norm, const float* residual,
            float* sum, float* y, T* low);
  void normalise(const TrainableNorm& norm, const float* x, std::size_t rows, float* y, T* low);
  void to_rows(const float* x, std::size_t rows, T* low);
  void gelu(const T* u, std::size_t rows, T* g);
  void gelu_back(const T* u, std::size_t rows, T* d_u);
  AttentionStepOf<T> attention_step(std::size_t layer, std::size_t sequence, std::size_t worker);
  void embed_tokens(const TokenShard& shard, float* x);
  void forward_layer(std::size_t layer, const TokenShard& shard, std::size_t worker, float* x, float* h);

  void norm_back(const TrainableNorm& norm, std::size_t number, std::size_t shard, const float* x, const float* d_y,
                 float* d_sum);
  void drop_back(std::size_t layer, Site site, const TokenShard& shard, const float* d_sum, T* d_y);
  void backward_layer(std::size_t layer, std::size_t shard, std::size_t worker);
  double layer_gradients(std::size_t layer);
  double norm_gradients();
  float* norm_gradient(std::size_t shard, std::size_t norm) {
    return norm_parts_.data() + (shard * (2 * config_.layers + 1) + norm) * 2 * width();
  }

  const BodyConfig& config_;
  TrainableBody& body_;
  const TrainingMode& mode_;
  const Kernels& kernels_;
  const TrainingKernels& training_;
  ThreadPool& pool_;
  const TrainingBatch* batch_ = nullptr;
  std::size_t rows_reserved_ = 0;
  std::vector<LayerTape<T>> tape_;
  RowBuffer<float> embedded_;             // (tokens, hidden): sums before the embedding norm
  RowBuffer<T> d_qkv_, d_a_, d_u_, d_o_;  // derivatives of the four matrices' outputs, of the layer at hand
  RowBuffer<T> turned_[4], panels_[4];    // d_y^T and x of the four
  std::vector<Scratch> scratch_;          // one per thread
  std::vector<float> norm_parts_;         // (shards, norms, 2, hidden)
};

template <class T>
void Pass<T>::begin(const TrainingBatch& batch) {
  batch_ = &batch;
  const std::size_t tokens = batch.ids.size();
  if (tokens > rows_reserved_) {
    rows_reserved_ = tokens + tokens / 8;
    hidden_ = allocate_floats(rows_reserved_ * width());
    d_hidden_ = allocate_floats(rows_reserved_ * width());
  }
  for (std::size_t layer = 0; layer < (batch.taped ? tape_.size() : std::min<std::size_t>(2, tape_.size())); ++layer)
    tape_[layer].reserve(tokens, config_);
  embedded_.reserve(tokens, width());
  std::size_t most = 0;
  for (const TokenShard& shard : batch.shards) most = std::max(most, shard.tokens);
  for (Scratch& scratch : scratch_) {
    scratch.x.reserve(most, width());
    scratch.h.reserve(most, std::max(width(), stride()));
    scratch.attention.reserve_elements(training_workspace(batch.longest, width() / config_.heads));
  }
  if (!batch.taped) return;
  d_qkv_.reserve(tokens, 3 * width());
  d_a_.reserve(tokens, width());
  d_u_.reserve(tokens, config_.intermediate);
  d_o_.reserve(tokens, width());
  const std::size_t wide = config_.intermediate, ins[4] = {width(), width(), width(), wide};
  const std::size_t outs[4] = {3 * width(), width(), wide, width()};
  for (std::size_t i = 0; i < 4; ++i) {
    turned_[i].reserve_elements(outs[i] * turned_stride<T>(tokens));
    panels_[i].reserve_elements(input_panels<T>(mode_, tokens, ins[i]));
  }
  norm_parts_.assign(batch.shards.size() * (2 * config_.layers + 1) * 2 * width(), 0.0F);
}

template <class T>
Dropout Pass<T>::mask(std::size_t layer, Site site, std::size_t sequence) const {
  const double dropout = batch_->dropout;
  if (dropout <= 0) return {};
  Random random(batch_->key ^ (layer << 40) ^ (static_cast<std::uint64_t>(site) << 56) ^
                (sequence * 0x9e3779b97f4a7c15ULL));
  return {static_cast<std::uint32_t>(random.next()), static_cast<std::uint32_t>(dropout * 4294967296.0),
          static_cast<float>(1 / (1 - dropout))};
}

// --- what differs between the two forms ---

template <>
void Pass<float>::normalise(const TrainableNorm& norm, const float* x, std::size_t rows, float* y, float* low) {
  kernels_.layer_norm(x, rows, width(), norm.gain.value.data(), norm.bias.value.data(), config_.epsilon, y);
  if (low != nullptr) std::copy_n(y, rows * width(), low);
}
template <>
void Pass<Half>::normalise(const TrainableNorm& norm, const float* x, std::size_t rows, float* y, Half* low) {
  if (low == nullptr)
    return kernels_.layer_norm(x, rows, width(), norm.gain.value.data(), norm.bias.value.data(), config_.epsilon, y);
  NormCall call{x, rows, width(), norm.gain.value.data(), norm.bias.value.data(), config_.epsilon, y};
  RoundCall round;
  round.rows = rows;
  round.n = round.x_stride = width();
  round.out = low;
  round.out_stride = stride() * sizeof(Half);
  kernels_.encoder->norm_round(call, round);
}

template <>
void Pass<float>::to_rows(const float* x, std::size_t rows, float* low) {
  std::copy_n(x, rows * width(), low);
}
template <>
void Pass<Half>::to_rows(const float* x, std::size_t rows, Half* low) {
  training_.low_dropout({}, 0, x, rows, width(), low, stride());
}

template <>
void Pass<float>::gelu(const float* u, std::size_t rows, float* g) {
  std::copy_n(u, rows * config_.intermediate, g);
  kernels_.gelu(g, rows * config_.intermediate);
}
template <>
void Pass<Half>::gelu(const Half* u, std::size_t rows, Half* g) {
  training_.low_gelu(u, rows * row_stride<Half>(config_.intermediate), g);
}
template <>
void Pass<float>::gelu_back(const float* u, std::size_t rows, float* d_u) {
  training_.gelu_backward(u, d_u, rows * config_.intermediate, d_u);
}
template <>
void Pass<Half>::gelu_back(const Half* u, std::size_t rows, Half* d_u) {
  training_.low_gelu_backward(u, d_u, rows * row_stride<Half>(config_.intermediate), d_u);
}

template <>
void Pass<float>::drop_back(std::size_t layer, Site site, const TokenShard& shard, const float* d_sum, float* d_y) {
  training_.dropout(mask(layer, site, 0), shard.token * width(), d_sum, shard.tokens * width(), d_y);
}
template <>
void Pass<Half>::drop_back(std::size_t layer, Site site, const TokenShard& shard, const float* d_sum, Half* d_y) {
  training_.low_dropout(mask(layer, site, 0), shard.token * width(), d_sum, shard.tokens, width(), d_y, stride());
}

void attend(const TrainingKernels& table, const AttentionStep& step) {
  table.attention(step);
}
void attend(const TrainingKernels& table, const LowAttentionStep& step) {
  table.low_attention(step);
}
void attend_back(const TrainingKernels& table, const AttentionStep& step) {
  table.attention_backward(step);
}
void attend_back(const TrainingKernels& table, const LowAttentionStep& step) {
  table.low_attention_backward(step);
}

// --- forward ---

template <class T>
AttentionStepOf<T> Pass<T>::attention_step(std::size_t layer, std::size_t sequence, std::size_t worker) {
  const std::size_t token = batch_->begins[sequence];
  AttentionStepOf<T> step;
  step.qkv_stride = row_stride<T>(3 * width());
  step.out_stride = stride();
  step.qkv = tape(layer).qkv.get() + token * step.qkv_stride;
  step.t = batch_->lengths[sequence];
  step.heads = config_.heads;
  step.head_dim = width() / config_.heads;
  step.scale = 1.0F / std::sqrt(static_cast<float>(step.head_dim));
  step.dropout = mask(layer, Site::kProbabilities, sequence + 1);
  step.workspace = scratch_[worker].attention.get();
  return step;
}

template <class T>
void Pass<T>::embed_tokens(const TokenShard& shard, float* x) {
  float* row = embedded_.get() + shard.token * width();
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s)
    for (std::size_t position = 0; position < batch_->lengths[s]; ++position, row += width()) {
      const std::size_t token = batch_->begins[s] + position, kind = batch_->types.empty() ? 0 : batch_->types[token];
      const std::size_t id = static_cast<std::size_t>(batch_->ids[token]);
      const float* word = body_.words.table.value.data() + id * width();
      const float* place = body_.positions.value.data() + (config_.first_position + position) * width();
      const float* type = body_.types.value.data() + kind * width();
      for (std::size_t i = 0; i < width(); ++i) row[i] = word[i] + (place[i] + type[i]);
    }
  normalise(body_.embedding_norm, embedded_.get() + shard.token * width(), shard.tokens, x, nullptr);
  const Dropout dropped = mask(0, Site::kEmbedding, 0);
  training_.dropout(dropped, shard.token * width(), x, shard.tokens * width(), x);
  to_rows(x, shard.tokens, tape(0).x.get() + shard.token * stride());
}

template <class T>
void Pass<T>::join(std::size_t layer, Site site, const TokenShard& shard, const TrainableNorm& norm,
                   const float* residual, float* sum, float* y, T* low) {
  if (batch_->dropout > 0)
    training_.dropout_add(mask(layer, site, 0), shard.token * width(), residual, sum, shard.tokens * width());
  normalise(norm, sum, shard.tokens, y, low);
}

// x (shard's tokens, hidden): the layer's input, which the tape already has; out, the next layer's, or hidden().
template <class T>
void Pass<T>::forward_layer(std::size_t layer, const TokenShard& shard, std::size_t worker, float* x, float* h) {
  const TrainableLayer& weights = body_.layers[layer];
  LayerTape<T>& t = tape(layer);
  const std::size_t rows = shard.tokens, at = shard.token * stride(), plain = shard.token * width();
  const std::size_t wide = shard.token * row_stride<T>(config_.intermediate);
  const float* residual = batch_->dropout > 0 ? nullptr : x;  // with dropout the residual joins after it
  weights.qkv.apply(mode_, t.x.get() + at, rows, t.qkv.get() + shard.token * row_stride<T>(3 * width()));
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s) {
    AttentionStepOf<T> step = attention_step(layer, s, worker);
    step.out = t.context.get() + batch_->begins[s] * stride();
    attend(training_, step);
  }
  float *sum1 = t.sum1.get() + plain, *sum2 = t.sum2.get() + plain;
  T *h1 = t.h1.get() + at, *u = t.u.get() + wide, *g = t.g.get() + wide;
  weights.attention_out.apply(mode_, t.context.get() + at, rows, residual, sum1);
  join(layer, Site::kAttention, shard, weights.attention_norm, x, sum1, h, h1);
  weights.inner.apply(mode_, h1, rows, u);
  gelu(u, rows, g);
  weights.outer.apply(mode_, g, rows, residual == nullptr ? nullptr : h, sum2);
  const bool last = layer + 1 == config_.layers;
  join(layer, Site::kPerceptron, shard, weights.norm, h, sum2, last ? hidden_.get() + plain : x,
       last ? nullptr : tape(layer + 1).x.get() + at);
}

template <class T>
void Pass<T>::forward(const TokenShard& shard, std::size_t worker) {
  float *x = scratch_[worker].x.get(), *h = scratch_[worker].h.get();
  embed_tokens(shard, x);
  for (std::size_t layer = 0; layer < config_.layers; ++layer) forward_layer(layer, shard, worker, x, h);
}

// --- backward ---

template <class T>
void Pass<T>::norm_back(const TrainableNorm& norm, std::size_t number, std::size_t shard, const float* x,
                        const float* d_y, float* d_sum) {
  float* d_gain = norm_gradient(shard, number);
  training_.layer_norm_backward(x, d_y, batch_->shards[shard].tokens, width(), norm.gain.value.data(), config_.epsilon,
                                d_sum, d_gain, d_gain + width());
}

// The shard's rows of d_hidden(): in, of the layer's output; out, of its input.
template <class T>
void Pass<T>::backward_layer(std::size_t layer, std::size_t number, std::size_t worker) {
  const TokenShard& shard = batch_->shards[number];
  const TrainableLayer& weights = body_.layers[layer];
  LayerTape<T>& t = tape(layer);
  const std::size_t rows = shard.tokens, at = shard.token * stride(), plain = shard.token * width();
  const std::size_t wide = shard.token * row_stride<T>(config_.intermediate);
  float *d_x = d_hidden_.get() + plain, *d_sum = scratch_[worker].x.get();
  T *d_o = d_o_.get() + at, *d_u = d_u_.get() + wide, *d_a = d_a_.get() + at;
  norm_back(weights.norm, 2 * layer + 2, number, t.sum2.get() + plain, d_x, d_sum);
  drop_back(layer, Site::kPerceptron, shard, d_sum, d_o);
  weights.outer.apply_back(mode_, d_o, rows, d_u);
  gelu_back(t.u.get() + wide, rows, d_u);
  weights.inner.apply_back(mode_, d_u, rows, d_sum, d_x);

  norm_back(weights.attention_norm, 2 * layer + 1, number, t.sum1.get() + plain, d_x, d_sum);
  drop_back(layer, Site::kAttention, shard, d_sum, d_a);
  T* d_context = reinterpret_cast<T*>(scratch_[worker].h.get());
  weights.attention_out.apply_back(mode_, d_a, rows, d_context);
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s) {
    AttentionStepOf<T> step = attention_step(layer, s, worker);
    step.d_out = d_context + (batch_->begins[s] - shard.token) * stride();
    step.d_qkv = d_qkv_.get() + batch_->begins[s] * step.qkv_stride;
    attend_back(training_, step);
  }
  weights.qkv.apply_back(mode_, d_qkv_.get() + shard.token * row_stride<T>(3 * width()), rows, d_sum, d_x);
}

// gradient of W (out, in) = d_y^T x: rows are turned and packed by all threads, then multiplied a block of W's rows at
// a time.
template <class T>
double Pass<T>::layer_gradients(std::size_t number) {
  TrainableLayer& layer = body_.layers[number];
  LayerTape<T>& t = tape(number);
  const std::size_t tokens = batch_->ids.size();
  const Side sides[] = {{&layer.qkv, t.x.get(), d_qkv_.get(), &turned_[0], &panels_[0]},
                        {&layer.attention_out, t.context.get(), d_a_.get(), &turned_[1], &panels_[1]},
                        {&layer.inner, t.h1.get(), d_u_.get(), &turned_[2], &panels_[2]},
                        {&layer.outer, t.g.get(), d_o_.get(), &turned_[3], &panels_[3]}};
  struct Piece {
    std::size_t side, first, count;
    bool of_input;
  };
  std::vector<Piece> forms, products;
  for (std::size_t side = 0; side < 4; ++side) {
    const std::size_t in = sides[side].linear->in, out = sides[side].linear->out;
    for (std::size_t first = 0; first < in; first += kTurnColumns)
      forms.push_back({side, first, std::min(kTurnColumns, in - first), true});
    for (std::size_t first = 0; first < out; first += kTurnColumns)
      forms.push_back({side, first, std::min(kTurnColumns, out - first), false});
    for (std::size_t first = 0; first < out; first += kGradientRows)
      products.push_back({side, first, std::min(kGradientRows, out - first), false});
  }
  pool_.parallel_for(forms.size(), [&](std::size_t i, std::size_t) {
    const auto [number_of_side, first, count, of_input] = forms[i];
    const Side& side = sides[number_of_side];
    if (of_input)
      pack_input(mode_, side.x, tokens, side.linear->in, first, count, side.panels->get());
    else
      turn(mode_, side.d_y + first, row_stride<T>(side.linear->out), tokens, count,
           side.turned->get() + first * turned_stride<T>(tokens));
  });
  std::vector<double> squares(products.size());
  pool_.parallel_for(products.size(), [&](std::size_t i, std::size_t) {
    const Side& side = sides[products[i].side];
    squares[i] = side.linear->gradient_rows(
        mode_, side.d_y, side.turned->get() + products[i].first * turned_stride<T>(tokens),
        static_cast<const T*>(side.panels->get()), tokens, products[i].first, products[i].count);
  });
  return std::accumulate(squares.begin(), squares.end(), 0.0);
}

template <class T>
double Pass<T>::norm_gradients() {
  std::vector<TrainableNorm*> norms = {&body_.embedding_norm};
  for (TrainableLayer& layer : body_.layers) norms.insert(norms.end(), {&layer.attention_norm, &layer.norm});
  double squares = 0;
  for (std::size_t norm = 0; norm < norms.size(); ++norm)
    for (std::size_t half = 0; half < 2; ++half) {
      std::vector<float>& gradient = half == 0 ? norms[norm]->gain.gradient : norms[norm]->bias.gradient;
      std::fill(gradient.begin(), gradient.end(), 0.0F);
      const std::size_t part = 2 * width();
      training_.add_rows(norm_gradient(0, norm) + half * width(), (2 * config_.layers + 1) * part,
                         batch_->shards.size(), width(), gradient.data());
      squares += training_.sum_of_squares(gradient.data(), width());
    }
  return squares;
}

template <class T>
double Pass<T>::backward() {
  double squares = 0;
  for (std::size_t layer = config_.layers; layer-- > 0;) {
    pool_.parallel_for(batch_->shards.size(),
                       [&](std::size_t i, std::size_t worker) { backward_layer(layer, i, worker); });
    squares += layer_gradients(layer);
  }
  pool_.parallel_for(batch_->shards.size(), [&](std::size_t i, std::size_t) {
    const TokenShard& shard = batch_->shards[i];
    float* d_x = d_hidden_.get() + shard.token * width();
    training_.dropout(mask(0, Site::kEmbedding, 0), shard.token * width(), d_x, shard.tokens * width(), d_x);
    norm_back(body_.embedding_norm, 0, i, embedded_.get() + shard.token * width(), d_x, d_x);
  });
  return squares + norm_gradients();
}

}  // namespace

void TrainingBatch::cut(bool pairs) {
  shards.clear();
  begins.clear();
  longest = 0;
  const std::size_t wanted = 4 * std::max<std::size_t>(1, ids.size() / kTokensPerFourShards);
  TokenShard shard;
  std::size_t token = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    begins.push_back(token);
    token += lengths[i];
    longest = std::max(longest, lengths[i]);
    ++shard.sequences;
    shard.tokens += lengths[i];
    const bool full = token * wanted >= (shards.size() + 1) * ids.size();
    if (i + 1 < lengths.size() && (!full || (pairs && i % 2 == 0))) continue;
    shards.push_back(shard);
    shard = {i + 1, 0, token, 0};
  }
  SMIDGEN_CHECK(token == ids.size());
}

std::unique_ptr<TrainingPass> TrainingPass::create(const BodyConfig& config, TrainableBody& body,
                                                   const TrainingMode& mode, ThreadPool& pool) {
  if (mode.bf16) return std::make_unique<Pass<Half>>(config, body, mode, pool);
  return std::make_unique<Pass<float>>(config, body, mode, pool);
}

}  // namespace smidgen
