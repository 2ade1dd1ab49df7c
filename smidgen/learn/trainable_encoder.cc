#include "smidgen/learn/trainable_encoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "smidgen/base/random.h"
#include "smidgen/learn/trainable_layers.h"

namespace smidgen {

namespace {

// Shards come in fours, about this many tokens to four: equal work for 2 or 4 threads, and few enough that streaming
// the weights once for each of them does not cost more than the arithmetic.
constexpr std::size_t kTokensPerFourShards = 512;
constexpr std::size_t kStripColumns = 64;        // of a weight gradient that one thread makes at a time
constexpr std::size_t kUpdateChunk = 64 * 1024;  // parameters that one thread moves at a time

// What backward needs of forward, and what the weight gradients need of backward, for one layer and all tokens.
struct LayerTape {
  AlignedFloats x;                     // (tokens, hidden): the layer's input
  AlignedFloats qkv;                   // (tokens, 3 hidden)
  AlignedFloats context;               // (tokens, hidden)
  AlignedFloats sum1, h1;              // (tokens, hidden): before and after the attention's norm
  AlignedFloats u, g;                  // (tokens, intermediate): before and after GELU
  AlignedFloats sum2;                  // (tokens, hidden): before the layer's norm
  AlignedFloats d_qkv, d_a, d_u, d_o;  // derivatives of the four matrices' outputs
};

struct Shard {
  std::size_t sequence = 0, sequences = 0, token = 0, tokens = 0;
};

// Which of an encoder's dropouts a mask belongs to.
enum class Site : std::uint64_t { kEmbedding, kProbabilities, kAttention, kPerceptron };

}  // namespace

struct TrainableEncoder::State {
  EncoderConfig config;
  std::string weights_path;
  TrainingMode mode;
  const Kernels* kernels = nullptr;  // those of `mode`
  const TrainingKernels* training = nullptr;
  ThreadPool* pool = nullptr;
  TrainableBody body;
  std::uint32_t steps = 0;
  double last_rate = 0;

  // Of the batch at hand.
  std::span<const std::int32_t> ids;
  std::span<const std::size_t> lengths;
  std::vector<Shard> shards;
  std::vector<std::size_t> begins;  // first token of each sequence
  double dropout = 0;
  std::uint64_t key = 0;

  std::size_t tokens_max = 0;
  std::vector<LayerTape> tape;
  AlignedFloats embedded, hidden, d_hidden;  // (tokens, hidden): sums before the embedding norm; output; its derivative
  std::vector<AlignedFloats> turned;         // of the layer at hand: d_y^T of its four matrices in bf16
  std::vector<AlignedFloats> rounded;        // one per thread: a shard's rows in bf16
  std::size_t rounded_bytes = 0;
  std::vector<AlignedFloats> workspace;  // one per thread
  std::size_t workspace_floats = 0;
  std::vector<float> norm_gradients;  // (shards, norms, 2, hidden)

  std::size_t width() const { return config.body.hidden; }
  void take_batch(std::span<const std::int32_t> new_ids, std::span<const std::size_t> new_lengths, bool pairs);
  void reserve(std::size_t tokens, std::size_t longest);
  Dropout mask(std::size_t layer, Site site, std::size_t sequence) const;
  void drop(std::size_t layer, Site site, const Shard& shard, float* rows) const;
  float* norm_gradient(std::size_t shard, std::size_t norm) {
    return norm_gradients.data() + (shard * (2 * config.body.layers + 1) + norm) * 2 * width();
  }

  void normalise(const TrainableNorm& norm, const float* x, std::size_t rows, float* y) const;
  AttentionStep attention_step(std::size_t layer, std::size_t sequence, std::size_t worker);

  void forward(const Shard& shard, std::size_t worker);
  void embed_tokens(const Shard& shard);
  void forward_layer(std::size_t layer, const Shard& shard, std::size_t worker);
  void pool_rows(const Shard& shard, float* out) const;
  void pool_rows_back(const Shard& shard, const float* d_out);
  void backward(std::size_t shard_index, std::size_t worker);
  void backward_layer(std::size_t layer, std::size_t shard_index, std::size_t worker, float* d_x, float* d_sum);
  void layer_gradients(std::size_t number);
  void weight_gradients();
  void word_gradients();
  void position_gradients();

  AdamStep adam_step(const UpdateRates& rates, std::size_t depth, double scale) const;
  void catch_up(std::uint32_t row);
  void update_words(const UpdateRates& rates, double scale);
};

void TrainableEncoder::State::take_batch(std::span<const std::int32_t> new_ids,
                                         std::span<const std::size_t> new_lengths, bool pairs) {
  ids = new_ids;
  lengths = new_lengths;
  shards.clear();
  begins.clear();
  const std::size_t wanted = 4 * std::max<std::size_t>(1, ids.size() / kTokensPerFourShards);
  Shard shard;
  std::size_t token = 0, longest = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    SMIDGEN_CHECK(lengths[i] >= 1 && lengths[i] <= config.body.positions);
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
  reserve(token, longest);
  for (const std::int32_t id : ids) SMIDGEN_CHECK(id >= 0 && static_cast<std::size_t>(id) < config.body.vocabulary);
  std::vector<std::uint32_t>& rows = body.words.rows;
  rows.assign(ids.begin(), ids.end());
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  for (const std::uint32_t row : rows) catch_up(row);
}

void TrainableEncoder::State::reserve(std::size_t tokens, std::size_t longest) {
  const BodyConfig& c = config.body;
  if (tokens > tokens_max) {
    tokens_max = tokens + tokens / 4;
    const auto rows = [&](std::size_t columns) { return allocate_floats(tokens_max * columns); };
    for (LayerTape& t : tape) {
      t = {};
      for (AlignedFloats* buffer : {&t.x, &t.context, &t.sum1, &t.h1, &t.sum2, &t.d_a, &t.d_o})
        *buffer = rows(c.hidden);
      for (AlignedFloats* buffer : {&t.qkv, &t.d_qkv}) *buffer = rows(3 * c.hidden);
      for (AlignedFloats* buffer : {&t.u, &t.g, &t.d_u}) *buffer = rows(c.intermediate);
    }
    turned.clear();
    if (mode.bf16)
      for (const std::size_t out : {3 * c.hidden, c.hidden, c.intermediate, c.hidden})
        turned.push_back(allocate_floats(out * bf16_row_bytes(tokens_max) / sizeof(float)));
    embedded = rows(c.hidden);
    hidden = rows(c.hidden);
    d_hidden = rows(c.hidden);
  }
  std::size_t shard_tokens = 0;
  for (const Shard& shard : shards) shard_tokens = std::max(shard_tokens, shard.tokens);
  const std::size_t row_bytes = bf16_row_bytes(std::max(3 * c.hidden, c.intermediate));
  if (mode.bf16 && shard_tokens * row_bytes > rounded_bytes) {
    rounded_bytes = shard_tokens * row_bytes;
    rounded.clear();
    for (std::size_t i = 0; i < pool->threads(); ++i) rounded.push_back(allocate_floats(rounded_bytes / sizeof(float)));
  }
  const std::size_t strip = padded_to(tokens, 32) * kStripColumns;
  const std::size_t wanted = std::max(strip, training_workspace(longest, c.hidden / c.heads));
  if (wanted > workspace_floats) {
    workspace_floats = wanted;
    workspace.clear();
    for (std::size_t i = 0; i < pool->threads(); ++i) workspace.push_back(allocate_floats(wanted));
  }
}

Dropout TrainableEncoder::State::mask(std::size_t layer, Site site, std::size_t sequence) const {
  if (dropout <= 0) return {};
  Random random(key ^ (layer << 40) ^ (static_cast<std::uint64_t>(site) << 56) ^ (sequence * 0x9e3779b97f4a7c15ULL));
  return {static_cast<std::uint32_t>(random.next()), static_cast<std::uint32_t>(dropout * 4294967296.0),
          static_cast<float>(1 / (1 - dropout))};
}

void TrainableEncoder::State::drop(std::size_t layer, Site site, const Shard& shard, float* rows) const {
  if (dropout > 0) training->dropout(mask(layer, site, 0), shard.token * width(), rows, shard.tokens * width());
}

void TrainableEncoder::State::normalise(const TrainableNorm& norm, const float* x, std::size_t rows, float* y) const {
  kernels->layer_norm(x, rows, width(), norm.gain.value.data(), norm.bias.value.data(), config.body.epsilon, y);
}

AttentionStep TrainableEncoder::State::attention_step(std::size_t layer, std::size_t sequence, std::size_t worker) {
  const BodyConfig& c = config.body;
  const std::size_t token = begins[sequence];
  AttentionStep step;
  step.qkv = tape[layer].qkv.get() + token * 3 * c.hidden;
  step.t = lengths[sequence];
  step.heads = c.heads;
  step.head_dim = c.hidden / c.heads;
  step.scale = 1.0F / std::sqrt(static_cast<float>(step.head_dim));
  step.dropout = mask(layer, Site::kProbabilities, sequence + 1);
  step.out = tape[layer].context.get() + token * c.hidden;
  step.d_qkv = tape[layer].d_qkv.get() + token * 3 * c.hidden;
  step.workspace = workspace[worker].get();
  return step;
}

// --- forward ---

void TrainableEncoder::State::embed_tokens(const Shard& shard) {
  float* row = embedded.get() + shard.token * width();
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s)
    for (std::size_t position = 0; position < lengths[s]; ++position, row += width()) {
      const std::size_t id = static_cast<std::size_t>(ids[begins[s] + position]);
      const float* word = body.words.table.value.data() + id * width();
      const float* place = body.positions.value.data() + (config.body.first_position + position) * width();
      for (std::size_t i = 0; i < width(); ++i) row[i] = word[i] + (place[i] + body.type[i]);
    }
  float* x = tape.front().x.get() + shard.token * width();
  normalise(body.embedding_norm, embedded.get() + shard.token * width(), shard.tokens, x);
  drop(0, Site::kEmbedding, shard, x);
}

void TrainableEncoder::State::forward_layer(std::size_t layer, const Shard& shard, std::size_t worker) {
  const TrainableLayer& weights = body.layers[layer];
  LayerTape& t = tape[layer];
  const std::size_t at = shard.token * width(), wide = shard.token * config.body.intermediate, rows = shard.tokens;
  float *x = t.x.get() + at, *sum1 = t.sum1.get() + at, *h1 = t.h1.get() + at, *sum2 = t.sum2.get() + at;
  void* low = mode.bf16 ? rounded[worker].get() : nullptr;
  weights.qkv.apply(mode, x, rows, nullptr, t.qkv.get() + 3 * at, low);
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s)
    training->attention(attention_step(layer, s, worker));
  const bool apart = dropout > 0;  // the residual joins after dropout
  const auto join = [&](Site site, const float* residual, float* sum) {
    if (!apart) return;
    drop(layer, site, shard, sum);
    for (std::size_t i = 0; i < rows * width(); ++i) sum[i] += residual[i];
  };
  weights.attention_out.apply(mode, t.context.get() + at, rows, apart ? nullptr : x, sum1, low);
  join(Site::kAttention, x, sum1);
  normalise(weights.attention_norm, sum1, rows, h1);
  weights.inner.apply(mode, h1, rows, nullptr, t.u.get() + wide, low);
  std::copy_n(t.u.get() + wide, rows * config.body.intermediate, t.g.get() + wide);
  kernels->gelu(t.g.get() + wide, rows * config.body.intermediate);
  weights.outer.apply(mode, t.g.get() + wide, rows, apart ? nullptr : h1, sum2, low);
  join(Site::kPerceptron, h1, sum2);
  float* next = layer + 1 < tape.size() ? tape[layer + 1].x.get() : hidden.get();
  normalise(weights.norm, sum2, rows, next + at);
}

void TrainableEncoder::State::forward(const Shard& shard, std::size_t worker) {
  embed_tokens(shard);
  for (std::size_t layer = 0; layer < tape.size(); ++layer) forward_layer(layer, shard, worker);
}

// out (sequences, hidden): pooled and, when the folder says so, of length 1.
void TrainableEncoder::State::pool_rows(const Shard& shard, float* out) const {
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s, out += width()) {
    const float* rows = hidden.get() + begins[s] * width();
    if (config.pooling == Pooling::kMean)
      kernels->mean_rows(rows, lengths[s], width(), out);
    else
      std::copy_n(rows, width(), out);
    if (!config.normalize) continue;
    const float norm = std::max(std::sqrt(kernels->dot(out, out, width())), 1e-12F);
    for (std::size_t i = 0; i < width(); ++i) out[i] /= norm;
  }
}

// --- backward ---

// With e = p / |p|: d_p = (d_e - e (e . d_e)) / |p|; a mean hands every token its share.
void TrainableEncoder::State::pool_rows_back(const Shard& shard, const float* d_out) {
  std::vector<float> pooled(width()), d_pooled(width());
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s, d_out += width()) {
    const float* rows = hidden.get() + begins[s] * width();
    float* d_rows = d_hidden.get() + begins[s] * width();
    std::copy_n(d_out, width(), d_pooled.begin());
    if (config.normalize) {
      if (config.pooling == Pooling::kMean)
        kernels->mean_rows(rows, lengths[s], width(), pooled.data());
      else
        std::copy_n(rows, width(), pooled.begin());
      const float norm = std::max(std::sqrt(kernels->dot(pooled.data(), pooled.data(), width())), 1e-12F);
      for (float& value : pooled) value /= norm;
      const float along = kernels->dot(pooled.data(), d_out, width());
      for (std::size_t i = 0; i < width(); ++i) d_pooled[i] = (d_out[i] - pooled[i] * along) / norm;
    }
    std::fill_n(d_rows, lengths[s] * width(), 0.0F);
    const bool mean = config.pooling == Pooling::kMean;
    const float share = mean ? 1.0F / static_cast<float>(lengths[s]) : 1.0F;
    for (std::size_t row = 0; row < (mean ? lengths[s] : 1); ++row)
      for (std::size_t i = 0; i < width(); ++i) d_rows[row * width() + i] = d_pooled[i] * share;
  }
}

// d_x (shard's tokens, hidden): in, of the layer's output; out, of its input.
void TrainableEncoder::State::backward_layer(std::size_t layer, std::size_t shard_index, std::size_t worker, float* d_x,
                                             float* d_sum) {
  const Shard& shard = shards[shard_index];
  const TrainableLayer& weights = body.layers[layer];
  LayerTape& t = tape[layer];
  const std::size_t n = width(), at = shard.token * n, wide = shard.token * config.body.intermediate;
  const std::size_t rows = shard.tokens;
  float *d_o = t.d_o.get() + at, *d_u = t.d_u.get() + wide, *d_a = t.d_a.get() + at;
  void* low = mode.bf16 ? rounded[worker].get() : nullptr;
  const auto norm_back = [&](const TrainableNorm& norm, std::size_t number, const float* x, const float* d_y) {
    float* d_gain = norm_gradient(shard_index, number);
    training->layer_norm_backward(x, d_y, rows, n, norm.gain.value.data(), config.body.epsilon, d_sum, d_gain,
                                  d_gain + n);
  };
  norm_back(weights.norm, 2 * layer + 2, t.sum2.get() + at, d_x);
  std::copy_n(d_sum, rows * n, d_o);
  drop(layer, Site::kPerceptron, shard, d_o);
  weights.outer.apply_back(mode, d_o, rows, nullptr, d_u, low);
  training->gelu_backward(t.u.get() + wide, d_u, rows * config.body.intermediate, d_u);
  weights.inner.apply_back(mode, d_u, rows, d_sum, d_x, low);

  norm_back(weights.attention_norm, 2 * layer + 1, t.sum1.get() + at, d_x);
  std::copy_n(d_sum, rows * n, d_a);
  drop(layer, Site::kAttention, shard, d_a);
  weights.attention_out.apply_back(mode, d_a, rows, nullptr, d_x, low);  // of the context, in d_x for a moment
  std::size_t token = 0;
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; token += lengths[s], ++s) {
    AttentionStep step = attention_step(layer, s, worker);
    step.d_out = d_x + token * n;
    training->attention_backward(step);
  }
  weights.qkv.apply_back(mode, t.d_qkv.get() + 3 * at, rows, d_sum, d_x, low);
}

void TrainableEncoder::State::backward(std::size_t shard_index, std::size_t worker) {
  const Shard& shard = shards[shard_index];
  float* d_x = d_hidden.get() + shard.token * width();
  std::vector<float> d_sum(shard.tokens * width());
  for (std::size_t layer = tape.size(); layer-- > 0;) backward_layer(layer, shard_index, worker, d_x, d_sum.data());
  drop(0, Site::kEmbedding, shard, d_x);
  float* d_gain = norm_gradient(shard_index, 0);
  training->layer_norm_backward(embedded.get() + shard.token * width(), d_x, shard.tokens, width(),
                                body.embedding_norm.gain.value.data(), config.body.epsilon, d_x, d_gain,
                                d_gain + width());
}

// gradient of W (out, in) = d_y^T x, layer by layer, a strip of columns at a time.
void TrainableEncoder::State::layer_gradients(std::size_t number) {
  struct Side {
    TrainableLinear* linear;
    const float *x, *d_y;
  };
  struct Piece {
    std::size_t side, first, count;
  };
  TrainableLayer& layer = body.layers[number];
  const LayerTape& t = tape[number];
  const std::size_t tokens = ids.size(), halves = bf16_row_bytes(tokens) / 2;
  const Side sides[] = {{&layer.qkv, t.x.get(), t.d_qkv.get()},
                        {&layer.attention_out, t.context.get(), t.d_a.get()},
                        {&layer.inner, t.h1.get(), t.d_u.get()},
                        {&layer.outer, t.g.get(), t.d_o.get()}};
  const auto pieces = [&](bool of_outputs) {
    std::vector<Piece> all;
    for (std::size_t side = 0; side < 4; ++side) {
      const std::size_t columns = of_outputs ? sides[side].linear->out : sides[side].linear->in;
      for (std::size_t first = 0; first < columns; first += kStripColumns)
        all.push_back({side, first, std::min(kStripColumns, columns - first)});
    }
    return all;
  };
  const auto turned_of = [&](std::size_t side) { return reinterpret_cast<std::uint16_t*>(turned[side].get()); };
  if (mode.bf16) {
    const std::vector<Piece> outputs = pieces(true);
    pool->parallel_for(outputs.size(), [&](std::size_t i, std::size_t) {
      const auto [side, first, count] = outputs[i];
      training->transpose(sides[side].d_y + first, sides[side].linear->out, tokens, count,
                          turned_of(side) + first * halves);
    });
  }
  const std::vector<Piece> inputs = pieces(false);
  pool->parallel_for(inputs.size(), [&](std::size_t i, std::size_t worker) {
    const auto [side, first, count] = inputs[i];
    sides[side].linear->gradient_strip(mode, sides[side].x, sides[side].d_y, mode.bf16 ? turned_of(side) : nullptr,
                                       tokens, first, count, workspace[worker].get());
  });
}

void TrainableEncoder::State::weight_gradients() {
  for (std::size_t layer = 0; layer < tape.size(); ++layer) layer_gradients(layer);
  std::vector<TrainableNorm*> norms = {&body.embedding_norm};
  for (TrainableLayer& layer : body.layers) norms.insert(norms.end(), {&layer.attention_norm, &layer.norm});
  for (std::size_t norm = 0; norm < norms.size(); ++norm)
    for (std::size_t half = 0; half < 2; ++half) {
      std::vector<float>& gradient = half == 0 ? norms[norm]->gain.gradient : norms[norm]->bias.gradient;
      std::fill(gradient.begin(), gradient.end(), 0.0F);
      for (std::size_t shard = 0; shard < shards.size(); ++shard)
        training->add_rows(norm_gradient(shard, norm) + half * width(), 1, width(), gradient.data());
    }
}

void TrainableEncoder::State::word_gradients() {
  TrainableWords& words = body.words;
  words.row_gradients.assign(words.rows.size() * width(), 0.0F);
  for (std::size_t token = 0; token < ids.size(); ++token) {
    const auto row = std::lower_bound(words.rows.begin(), words.rows.end(), static_cast<std::uint32_t>(ids[token]));
    training->add_rows(d_hidden.get() + token * width(), 1, width(),
                       &words.row_gradients[static_cast<std::size_t>(row - words.rows.begin()) * width()]);
  }
}

void TrainableEncoder::State::position_gradients() {
  std::fill(body.positions.gradient.begin(), body.positions.gradient.end(), 0.0F);
  for (std::size_t s = 0; s < lengths.size(); ++s)
    training->add_rows(d_hidden.get() + begins[s] * width(), 1, lengths[s] * width(),
                       body.positions.gradient.data() + config.body.first_position * width());
}

// --- update ---

AdamStep TrainableEncoder::State::adam_step(const UpdateRates& rates, std::size_t depth, double scale) const {
  AdamStep step;
  step.gradient_scale = static_cast<float>(scale);
  step.rate = static_cast<float>(rates.rate * std::pow(rates.layer_decay, static_cast<double>(tape.size() - depth)));
  step.decay = static_cast<float>(rates.weight_decay);
  step.correction1 = static_cast<float>(1 / (1 - std::pow(step.beta1, steps)));
  step.correction2 = static_cast<float>(1 / (1 - std::pow(step.beta2, steps)));
  return step;
}

// The moves of the steps in which `row` had no gradient, in one: each is the one before times beta1 / sqrt(beta2),
// while rate and bias corrections hardly change over the few steps that matter. Weight decay over them is left out:
// it is 1e-6 a step.
void TrainableEncoder::State::catch_up(std::uint32_t row) {
  TrainableWords& words = body.words;
  const std::uint32_t last = words.last_step[row];
  if (last == 0 || last == steps) return;
  const double missed = steps - last;
  const AdamStep step;
  const double beta1 = step.beta1, beta2 = step.beta2, ratio = beta1 / std::sqrt(beta2);
  const double correction1 = 1 / (1 - std::pow(beta1, last + 1)), correction2 = 1 / (1 - std::pow(beta2, last + 1));
  const double moves = ratio * (1 - std::pow(ratio, missed)) / (1 - ratio);
  const float fade1 = static_cast<float>(std::pow(beta1, missed)), fade2 = static_cast<float>(std::pow(beta2, missed));
  const float rate = static_cast<float>(last_rate * moves * correction1 / std::sqrt(correction2));
  float* w = words.table.value.data() + row * width();
  float* first = words.table.first.data() + row * width();
  float* second = words.table.second.data() + row * width();
  for (std::size_t i = 0; i < width(); ++i) {
    w[i] -= rate * first[i] / (std::sqrt(second[i]) + step.epsilon);
    first[i] *= fade1;
    second[i] *= fade2;
  }
  words.last_step[row] = steps;
}

void TrainableEncoder::State::update_words(const UpdateRates& rates, double scale) {
  TrainableWords& words = body.words;
  const AdamStep step = adam_step(rates, 0, scale);
  for (std::size_t i = 0; i < words.rows.size(); ++i) {
    const std::size_t at = words.rows[i] * width();
    training->adam(step, &words.row_gradients[i * width()], width(), &words.table.value[at], &words.table.first[at],
                   &words.table.second[at]);
    words.last_step[words.rows[i]] = steps;
  }
  last_rate = step.rate;
}

// --- the public face ---

TrainableEncoder::TrainableEncoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
TrainableEncoder::TrainableEncoder(TrainableEncoder&&) noexcept = default;
TrainableEncoder& TrainableEncoder::operator=(TrainableEncoder&&) noexcept = default;
TrainableEncoder::~TrainableEncoder() = default;

Result<TrainableEncoder> TrainableEncoder::load(const std::string& folder, Precision precision, const Kernels& kernels,
                                                ThreadPool& pool) {
  SMIDGEN_CHECK(precision != Precision::kInt8);
  auto state = std::make_unique<State>();
  SMIDGEN_ASSIGN(state->config, EncoderConfig::load(folder));
  if (state->config.pooling == Pooling::kMax)
    return Error::bad_data("max pooling cannot be fine-tuned")
        .in(folder)
        .hint("use an encoder with mean or CLS pooling");
  state->weights_path = state->config.body_folder + "/model.safetensors";
  SMIDGEN_ASSIGN(const Safetensors file, Safetensors::open(state->weights_path));
  state->mode = {&kernels, &training_kernels(kernels), precision == Precision::kBf16};
  state->kernels = state->mode.kernels;
  state->training = state->mode.training;
  state->pool = &pool;
  SMIDGEN_ASSIGN(state->body, TrainableBody::load(state->config.body, file, state->mode));
  state->tape.resize(state->config.body.layers);
  return TrainableEncoder(std::move(state));
}

Precision TrainableEncoder::fast_precision(const Kernels& kernels) {
  return std::string_view(kernels.name) == "amx" ? Precision::kBf16 : Precision::kF32;
}

const EncoderConfig& TrainableEncoder::config() const {
  return state_->config;
}
std::size_t TrainableEncoder::dimensions() const {
  return state_->width();
}

double TrainableEncoder::gradients(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths,
                                   EmbeddingLoss& loss, double dropout, std::uint64_t key, bool pairs) {
  State& s = *state_;
  s.take_batch(ids, lengths, pairs);
  s.dropout = dropout;
  s.key = key;
  s.norm_gradients.assign(s.shards.size() * (2 * s.tape.size() + 1) * 2 * s.width(), 0.0F);
  std::vector<double> losses(s.shards.size());
  s.pool->parallel_for(s.shards.size(), [&](std::size_t i, std::size_t worker) {
    const Shard& shard = s.shards[i];
    s.forward(shard, worker);
    std::vector<float> embeddings(shard.sequences * s.width()), d_embeddings(embeddings.size());
    s.pool_rows(shard, embeddings.data());
    losses[i] = loss.run(shard.sequence, shard.sequences, embeddings.data(), d_embeddings.data());
    s.pool_rows_back(shard, d_embeddings.data());
    s.backward(i, worker);
  });
  s.weight_gradients();
  s.word_gradients();
  s.position_gradients();
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

double TrainableEncoder::gradient_square_sum() const {
  State& s = *state_;
  double sum = s.training->sum_of_squares(s.body.words.row_gradients.data(), s.body.words.row_gradients.size());
  for (const Parameter* p : s.body.dense()) sum += s.training->sum_of_squares(p->gradient.data(), p->size());
  return sum;
}

double TrainableEncoder::update(const UpdateRates& rates, double other_square_sum) {
  State& s = *state_;
  double scale = 1;
  if (rates.gradient_norm_max > 0)
    scale = std::min(1.0, rates.gradient_norm_max / (std::sqrt(gradient_square_sum() + other_square_sum) + 1e-6));
  ++s.steps;
  s.update_words(rates, scale);
  std::vector<std::pair<Parameter*, std::size_t>> chunks;
  for (Parameter* p : s.body.dense())
    for (std::size_t at = 0; at < p->size(); at += kUpdateChunk) chunks.emplace_back(p, at);
  s.pool->parallel_for(chunks.size(), [&](std::size_t i, std::size_t) {
    const auto [p, at] = chunks[i];
    AdamStep step = s.adam_step(rates, p->depth, scale);
    if (!p->decays) step.decay = 0;
    s.training->adam(step, &p->gradient[at], std::min(kUpdateChunk, p->size() - at), &p->value[at], &p->first[at],
                     &p->second[at]);
  });
  refresh();
  return scale;
}

void TrainableEncoder::refresh() {
  const std::vector<TrainableLinear*> linears = state_->body.linears();
  state_->pool->parallel_for(linears.size(), [&](std::size_t i, std::size_t) { linears[i]->pack(state_->mode); });
}

void TrainableEncoder::embed(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths, float* out) {
  State& s = *state_;
  s.take_batch(ids, lengths, false);
  s.dropout = 0;
  s.pool->parallel_for(s.shards.size(), [&](std::size_t i, std::size_t worker) {
    s.forward(s.shards[i], worker);
    s.pool_rows(s.shards[i], out + s.shards[i].sequence * s.width());
  });
}

Status TrainableEncoder::save_weights(const std::string& path) {
  State& s = *state_;
  for (std::uint32_t row = 0; row < s.config.body.vocabulary; ++row) s.catch_up(row);
  SMIDGEN_ASSIGN(const Safetensors old, Safetensors::open(s.weights_path));
  std::vector<NamedTensor> tensors;
  std::vector<std::string> moved;
  std::vector<Parameter*> all = s.body.dense();
  all.push_back(&s.body.words.table);
  for (const Parameter* p : all)
    for (std::size_t part = 0; part < p->names.size(); ++part) {
      const std::size_t size = p->size() / p->names.size();
      tensors.push_back(
          {p->names[part], DType::kF32, p->shape, as_bytes(std::span(p->value).subspan(part * size, size))});
      moved.push_back(p->names[part]);
    }
  for (const std::string& name : old.names()) {
    if (std::find(moved.begin(), moved.end(), name) != moved.end()) continue;
    const TensorView& view = *old.find(name);
    tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  return write_safetensors(path, std::move(tensors));
}

std::vector<TrainableEncoder::View> TrainableEncoder::parameters() {
  State& s = *state_;
  std::vector<View> views;
  for (Parameter* p : s.body.dense()) views.push_back({p->names.front(), p->value, p->gradient});
  Parameter& words = s.body.words.table;
  words.gradient.assign(words.size(), 0.0F);
  for (std::size_t i = 0; i < s.body.words.rows.size(); ++i)
    std::copy_n(&s.body.words.row_gradients[i * s.width()], s.width(),
                &words.gradient[s.body.words.rows[i] * s.width()]);
  views.push_back({words.names.front(), words.value, words.gradient});
  return views;
}

}  // namespace smidgen
