#include "smidgen/learn/trainable_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <iterator>
#include <numeric>
#include <utility>

#include "smidgen/learn/trainable_layers.h"
#include "smidgen/learn/trainable_pass.h"

namespace smidgen {

namespace {

constexpr std::size_t kUpdateChunk = 64 * 1024;  // parameters that one thread moves at a time
constexpr std::size_t kWordRows = 64;            // the same of word vectors
constexpr double kShareOfMove = 1e-7;            // of a word vector's own move, below which those after it are nothing

// What a body's tensor is called in a model with a head: below the body's own name, with the norms' present names.
std::string name_below_head(Architecture architecture, std::string name) {
  const std::string body =
      architecture == Architecture::kXlmRoberta ? "roberta." : std::string(to_string(architecture)) + ".";
  if (!name.starts_with(body)) name = body + name;
  for (const auto& [old, now] : {std::pair(".gamma", ".weight"), std::pair(".beta", ".bias")})
    if (name.ends_with(old)) name.replace(name.size() - std::string_view(old).size(), std::string::npos, now);
  return name;
}

}  // namespace

struct TrainableEncoder::State {
  EncoderConfig config;
  std::string weights_path;
  TrainingMode mode;
  const Kernels* kernels = nullptr;  // those of `mode`
  const TrainingKernels* training = nullptr;
  ThreadPool* pool = nullptr;
  TrainableBody body;
  std::unique_ptr<TrainingPass> pass;
  std::uint32_t steps = 0;
  std::vector<float> word_rates;  // of word vectors in each step so far, bias corrections included

  TrainingBatch batch;
  std::vector<std::uint32_t> by_word;    // tokens of the batch by their word, then by place
  std::vector<std::size_t> word_begins;  // where each of body.words.rows begins in it, and its end
  double square_sum = 0;                 // of the gradients at hand
  // What checkpoint() shows views of.
  std::vector<std::uint32_t> moved_rows, moved_steps;
  std::vector<float> moved_words;  // (3, rows, hidden): value, first and second moment

  std::size_t width() const { return config.body.hidden; }
  void take_batch(const TypedSequences& sequences, bool pairs, bool taped);
  void backward();
  void find_words();
  void pool_rows(const TokenShard& shard, float* out) const;
  void pool_rows_back(const TokenShard& shard, const float* d_out);
  double word_gradients();
  double position_gradients();
  double type_gradients();
  std::vector<Parameter*> caught_up();
  std::vector<NamedTensor> moved_tensors();

  AdamStep adam_step(const UpdateRates& rates, std::size_t depth, double scale) const;
  void catch_up(std::uint32_t row);
  void over_words(const std::function<void(std::size_t)>& body);
  void update_words(const UpdateRates& rates, double scale);
  void update_dense(const UpdateRates& rates, double scale);
};

void TrainableEncoder::State::take_batch(const TypedSequences& sequences, bool pairs, bool taped) {
  const auto& [ids, types, lengths] = sequences;
  for (const std::size_t length : lengths) SMIDGEN_CHECK(length >= 1 && length <= config.body.positions);
  for (const std::int32_t id : ids) SMIDGEN_CHECK(id >= 0 && static_cast<std::size_t>(id) < config.body.vocabulary);
  for (const std::uint8_t type : types) SMIDGEN_CHECK(type < config.body.types);
  SMIDGEN_CHECK(types.empty() || types.size() == ids.size());
  batch.ids = ids;
  batch.types = types;
  batch.lengths = lengths;
  batch.taped = taped;
  batch.cut(pairs);
  pass->begin(batch);
  find_words();
  over_words([this](std::size_t i) { catch_up(body.words.rows[i]); });
}

void TrainableEncoder::State::find_words() {
  by_word.resize(batch.ids.size());
  std::iota(by_word.begin(), by_word.end(), 0U);
  std::sort(by_word.begin(), by_word.end(), [this](std::uint32_t a, std::uint32_t b) {
    return batch.ids[a] != batch.ids[b] ? batch.ids[a] < batch.ids[b] : a < b;
  });
  std::vector<std::uint32_t>& rows = body.words.rows;
  rows.clear();
  word_begins.clear();
  for (std::size_t i = 0; i < by_word.size(); ++i) {
    const auto row = static_cast<std::uint32_t>(batch.ids[by_word[i]]);
    if (!rows.empty() && rows.back() == row) continue;
    rows.push_back(row);
    word_begins.push_back(i);
  }
  word_begins.push_back(by_word.size());
}

// body(i) for each of the batch's words, by all threads.
void TrainableEncoder::State::over_words(const std::function<void(std::size_t)>& each) {
  const std::size_t count = body.words.rows.size();
  pool->parallel_for((count + kWordRows - 1) / kWordRows, [&](std::size_t chunk, std::size_t) {
    for (std::size_t i = chunk * kWordRows; i < std::min(count, (chunk + 1) * kWordRows); ++i) each(i);
  });
}

// out (sequences, hidden): pooled and, when the folder says so, of length 1.
void TrainableEncoder::State::pool_rows(const TokenShard& shard, float* out) const {
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s, out += width()) {
    const float* rows = pass->hidden() + batch.begins[s] * width();
    if (config.pooling == Pooling::kMean)
      kernels->mean_rows(rows, batch.lengths[s], width(), out);
    else
      std::copy_n(rows, width(), out);
    if (!config.normalize) continue;
    const float norm = std::max(std::sqrt(kernels->dot(out, out, width())), 1e-12F);
    for (std::size_t i = 0; i < width(); ++i) out[i] /= norm;
  }
}

// With e = p / |p|: d_p = (d_e - e (e . d_e)) / |p|; a mean hands every token its share.
void TrainableEncoder::State::pool_rows_back(const TokenShard& shard, const float* d_out) {
  std::vector<float> pooled(width()), d_pooled(width());
  for (std::size_t s = shard.sequence; s < shard.sequence + shard.sequences; ++s, d_out += width()) {
    const float* rows = pass->hidden() + batch.begins[s] * width();
    float* d_rows = pass->d_hidden() + batch.begins[s] * width();
    std::copy_n(d_out, width(), d_pooled.begin());
    if (config.normalize) {
      if (config.pooling == Pooling::kMean)
        kernels->mean_rows(rows, batch.lengths[s], width(), pooled.data());
      else
        std::copy_n(rows, width(), pooled.begin());
      const float norm = std::max(std::sqrt(kernels->dot(pooled.data(), pooled.data(), width())), 1e-12F);
      for (float& value : pooled) value /= norm;
      const float along = kernels->dot(pooled.data(), d_out, width());
      for (std::size_t i = 0; i < width(); ++i) d_pooled[i] = (d_out[i] - pooled[i] * along) / norm;
    }
    std::fill_n(d_rows, batch.lengths[s] * width(), 0.0F);
    const bool mean = config.pooling == Pooling::kMean;
    const float share = mean ? 1.0F / static_cast<float>(batch.lengths[s]) : 1.0F;
    for (std::size_t row = 0; row < (mean ? batch.lengths[s] : 1); ++row)
      for (std::size_t i = 0; i < width(); ++i) d_rows[row * width() + i] = d_pooled[i] * share;
  }
}

// Returns the sum of their squares; each word's tokens are added in the order of the batch.
double TrainableEncoder::State::word_gradients() {
  TrainableWords& words = body.words;
  words.row_gradients.assign(words.rows.size() * width(), 0.0F);
  over_words([this](std::size_t i) {
    for (std::size_t at = word_begins[i]; at < word_begins[i + 1]; ++at)
      training->add_rows(pass->d_hidden() + by_word[at] * width(), width(), 1, width(),
                         &body.words.row_gradients[i * width()]);
  });
  return training->sum_of_squares(words.row_gradients.data(), words.row_gradients.size());
}

double TrainableEncoder::State::position_gradients() {
  std::vector<float>& gradient = body.positions.gradient;
  std::fill(gradient.begin(), gradient.end(), 0.0F);
  for (std::size_t s = 0; s < batch.lengths.size(); ++s) {
    const std::size_t size = batch.lengths[s] * width();
    training->add_rows(pass->d_hidden() + batch.begins[s] * width(), size, 1, size,
                       gradient.data() + config.body.first_position * width());
  }
  return training->sum_of_squares(gradient.data() + config.body.first_position * width(), batch.longest * width());
}

// In the order of the tokens.
double TrainableEncoder::State::type_gradients() {
  if (!body.types_move) return 0;
  std::vector<float>& gradient = body.types.gradient;
  std::fill(gradient.begin(), gradient.end(), 0.0F);
  for (std::size_t token = 0; token < batch.ids.size(); ++token)
    training->add_rows(pass->d_hidden() + token * width(), width(), 1, width(),
                       gradient.data() + (batch.types.empty() ? 0 : batch.types[token]) * width());
  return training->sum_of_squares(gradient.data(), gradient.size());
}

// From d_hidden() to the gradients of all parameters.
void TrainableEncoder::State::backward() {
  square_sum = pass->backward();
  square_sum += word_gradients();
  square_sum += position_gradients();
  square_sum += type_gradients();
}

// --- update ---

AdamStep TrainableEncoder::State::adam_step(const UpdateRates& rates, std::size_t depth, double scale) const {
  AdamStep step;
  step.gradient_scale = static_cast<float>(scale);
  step.rate =
      static_cast<float>(rates.rate * std::pow(rates.layer_decay, static_cast<double>(config.body.layers - depth)));
  step.decay = static_cast<float>(rates.weight_decay);
  step.correction1 = static_cast<float>(1 / (1 - std::pow(step.beta1, steps)));
  step.correction2 = static_cast<float>(1 / (1 - std::pow(step.beta2, steps)));
  return step;
}

// The moves of the steps in which `row` had no gradient, in one. From one to the next the moments fade by beta1 and
// beta2, so a move is the one before times beta1 / sqrt(beta2), at the rate of its own step. Weight decay over them is
// left out: it is 1e-6 a step.
void TrainableEncoder::State::catch_up(std::uint32_t row) {
  TrainableWords& words = body.words;
  const std::uint32_t last = words.last_step[row];
  if (last == 0 || last == steps) return;
  const AdamStep step;
  const double beta1 = step.beta1, beta2 = step.beta2, missed = steps - last;
  double share = 1, moves = 0;
  for (std::uint32_t at = last; at < steps && share > kShareOfMove; ++at) {
    share *= beta1 / std::sqrt(beta2);
    moves += share * static_cast<double>(word_rates[at]);
  }
  const float fade1 = static_cast<float>(std::pow(beta1, missed)), fade2 = static_cast<float>(std::pow(beta2, missed));
  const float rate = static_cast<float>(moves);
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
  over_words([&](std::size_t i) {
    const std::size_t at = words.rows[i] * width();
    training->adam(step, &words.row_gradients[i * width()], width(), &words.table.value[at], &words.table.first[at],
                   &words.table.second[at]);
    words.last_step[words.rows[i]] = steps;
  });
  word_rates.push_back(step.rate * step.correction1 / std::sqrt(step.correction2));
}

// Memory is touched once: a block of rows is moved and packed while it is in the caches.
void TrainableEncoder::State::update_dense(const UpdateRates& rates, double scale) {
  struct Piece {
    TrainableLinear* linear;
    Parameter* other;
    std::size_t first, count;
  };
  std::vector<Piece> pieces;
  for (TrainableLinear* linear : body.linears())
    for (std::size_t first = 0; first < linear->out; first += kUpdateRows)
      pieces.push_back({linear, nullptr, first, std::min(kUpdateRows, linear->out - first)});
  for (Parameter* other : body.others())
    for (std::size_t first = 0; first < other->size(); first += kUpdateChunk)
      pieces.push_back({nullptr, other, first, std::min(kUpdateChunk, other->size() - first)});
  pool->parallel_for(pieces.size(), [&](std::size_t i, std::size_t) {
    const auto [linear, other, first, count] = pieces[i];
    if (linear != nullptr)
      return linear->update_rows(mode, adam_step(rates, linear->weight.depth, scale), first, count);
    AdamStep step = adam_step(rates, other->depth, scale);
    if (!other->decays) step.decay = 0;
    training->adam(step, &other->gradient[first], count, &other->value[first], &other->first[first],
                   &other->second[first]);
  });
}

// --- the public face ---

TrainableEncoder::TrainableEncoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
TrainableEncoder::TrainableEncoder(TrainableEncoder&&) noexcept = default;
TrainableEncoder& TrainableEncoder::operator=(TrainableEncoder&&) noexcept = default;
TrainableEncoder::~TrainableEncoder() = default;

Result<TrainableEncoder> TrainableEncoder::load(const std::string& folder, Precision precision, const Kernels& kernels,
                                                ThreadPool& pool, bool types_move) {
  SMIDGEN_CHECK(precision != Precision::kInt8);
  auto state = std::make_unique<State>();
  SMIDGEN_ASSIGN(state->config, EncoderConfig::load(folder));
  if (auto status = can_train(state->config); !status.ok()) return std::move(status).error().in(folder);
  state->weights_path = state->config.body_folder + "/model.safetensors";
  SMIDGEN_ASSIGN(const Safetensors file, Safetensors::open(state->weights_path));
  state->mode = {&kernels, &training_kernels(kernels), precision == Precision::kBf16};
  state->kernels = state->mode.kernels;
  state->training = state->mode.training;
  state->pool = &pool;
  SMIDGEN_ASSIGN(state->body, TrainableBody::load(state->config.body, file, state->mode, types_move));
  state->pass = TrainingPass::create(state->config.body, state->body, state->mode, pool);
  return TrainableEncoder(std::move(state));
}

Status TrainableEncoder::can_train(const EncoderConfig& config) {
  if (config.pooling == Pooling::kMax)
    return Error::bad_data("max pooling cannot be fine-tuned").hint("use an encoder with mean or CLS pooling");
  return check_trainable(config.body);
}

Precision TrainableEncoder::fast_precision(const Kernels& kernels) {
  const std::string_view name = kernels.name;
  return name == "amx" || name == "avx512_bf16" ? Precision::kBf16 : Precision::kF32;
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
  s.batch.dropout = dropout;
  s.batch.key = key;
  s.take_batch({ids, {}, lengths}, pairs, true);
  const std::vector<TokenShard>& shards = s.batch.shards;
  std::vector<double> losses(shards.size());
  std::vector<float> embeddings(lengths.size() * s.width()), d_embeddings(embeddings.size());
  s.pool->parallel_for(shards.size(), [&](std::size_t i, std::size_t worker) {
    s.pass->forward(shards[i], worker);
    s.pool_rows(shards[i], &embeddings[shards[i].sequence * s.width()]);
  });
  loss.begin(embeddings);
  s.pool->parallel_for(shards.size(), [&](std::size_t i, std::size_t) {
    const std::size_t at = shards[i].sequence * s.width();
    losses[i] = loss.run(shards[i].sequence, shards[i].sequences, &embeddings[at], &d_embeddings[at]);
    s.pool_rows_back(shards[i], &d_embeddings[at]);
  });
  s.backward();
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

double TrainableEncoder::token_gradients(const TypedSequences& batch, TokenLoss& loss, double dropout,
                                         std::uint64_t key) {
  State& s = *state_;
  s.batch.dropout = dropout;
  s.batch.key = key;
  s.take_batch(batch, false, true);
  const std::vector<TokenShard>& shards = s.batch.shards;
  std::vector<double> losses(shards.size());
  s.pool->parallel_for(shards.size(), [&](std::size_t i, std::size_t worker) {
    s.pass->forward(shards[i], worker);
    const std::size_t at = shards[i].token * s.width();
    losses[i] = loss.run(shards[i].sequence, shards[i].sequences, s.pass->hidden() + at, s.pass->d_hidden() + at);
  });
  s.backward();
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

double TrainableEncoder::gradient_square_sum() const {
  return state_->square_sum;
}

double TrainableEncoder::update(const UpdateRates& rates, double other_square_sum) {
  State& s = *state_;
  double scale = 1;
  if (rates.gradient_norm_max > 0)
    scale = std::min(1.0, rates.gradient_norm_max / (std::sqrt(s.square_sum + other_square_sum) + 1e-6));
  ++s.steps;
  s.update_words(rates, scale);
  s.update_dense(rates, scale);
  return scale;
}

void TrainableEncoder::refresh() {
  const std::vector<TrainableLinear*> linears = state_->body.linears();
  state_->pool->parallel_for(linears.size(), [&](std::size_t i, std::size_t) { linears[i]->pack(state_->mode); });
}

void TrainableEncoder::embed(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths, float* out) {
  State& s = *state_;
  s.batch.dropout = 0;
  s.take_batch({ids, {}, lengths}, false, false);
  s.pool->parallel_for(s.batch.shards.size(), [&](std::size_t i, std::size_t worker) {
    const TokenShard& shard = s.batch.shards[i];
    s.pass->forward(shard, worker);
    s.pool_rows(shard, out + shard.sequence * s.width());
  });
}

// Every parameter that is trained, word vectors with the decay they are owed.
std::vector<Parameter*> TrainableEncoder::State::caught_up() {
  for (std::uint32_t row = 0; row < config.body.vocabulary; ++row) catch_up(row);
  std::vector<Parameter*> all = body.dense();
  all.push_back(&body.words.table);
  return all;
}

// Under the names of the checkpoint; views of the parameters.
std::vector<NamedTensor> TrainableEncoder::State::moved_tensors() {
  std::vector<NamedTensor> tensors;
  for (const Parameter* p : caught_up())
    for (std::size_t part = 0; part < p->names.size(); ++part) {
      const std::size_t size = p->size() / p->names.size();
      tensors.push_back(
          {p->names[part], DType::kF32, p->shape, as_bytes(std::span(p->value).subspan(part * size, size))});
    }
  return tensors;
}

Status TrainableEncoder::save_with_head(const std::string& path, std::vector<NamedTensor> head,
                                        const std::map<std::string, std::string>& metadata) {
  State& s = *state_;
  std::vector<NamedTensor> tensors = s.moved_tensors();
  if (const Parameter& types = s.body.types; !s.body.types_move && !types.names.empty())
    tensors.push_back({types.names.front(), DType::kF32, types.shape, as_bytes(std::span<const float>(types.value))});
  for (NamedTensor& tensor : tensors) tensor.name = name_below_head(s.config.body.architecture, std::move(tensor.name));
  std::move(head.begin(), head.end(), std::back_inserter(tensors));
  return write_safetensors(path, std::move(tensors), metadata);
}

Status TrainableEncoder::save_weights(const std::string& path) {
  State& s = *state_;
  SMIDGEN_ASSIGN(const Safetensors old, Safetensors::open(s.weights_path));
  std::vector<NamedTensor> tensors = s.moved_tensors();
  std::vector<std::string> moved;
  for (const NamedTensor& tensor : tensors) moved.push_back(tensor.name);
  for (const std::string& name : old.names()) {
    if (std::find(moved.begin(), moved.end(), name) != moved.end()) continue;
    const TensorView& view = *old.find(name);
    tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  return write_safetensors(path, std::move(tensors));
}

std::vector<NamedTensor> TrainableEncoder::checkpoint() {
  State& s = *state_;
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& name, std::span<const float> values) {
    tensors.push_back({name, DType::kF32, {values.size()}, as_bytes(values)});
  };
  for (const Parameter* p : s.body.dense()) {
    add("value " + p->names.front(), p->value);
    add("first " + p->names.front(), p->first);
    add("second " + p->names.front(), p->second);
  }
  TrainableWords& words = s.body.words;
  s.moved_rows.clear();
  s.moved_steps.clear();
  for (std::uint32_t row = 0; row < words.last_step.size(); ++row) {
    if (words.last_step[row] == 0) continue;
    s.moved_rows.push_back(row);
    s.moved_steps.push_back(words.last_step[row]);
  }
  s.moved_words.clear();
  for (const std::vector<float>* of : {&words.table.value, &words.table.first, &words.table.second})
    for (const std::uint32_t row : s.moved_rows) {
      const auto begin = of->begin() + static_cast<std::ptrdiff_t>(row * s.width());
      s.moved_words.insert(s.moved_words.end(), begin, begin + static_cast<std::ptrdiff_t>(s.width()));
    }
  add("words", s.moved_words);
  add("word rates", s.word_rates);
  const auto add_integers = [&](const char* name, std::span<const std::uint32_t> values) {
    tensors.push_back({name, DType::kU32, {values.size()}, as_bytes(values)});
  };
  add_integers("word rows", s.moved_rows);
  add_integers("word steps", s.moved_steps);
  add_integers("steps", {&s.steps, 1});
  return tensors;
}

// Looks at everything before it changes anything.
Status TrainableEncoder::restore(const Safetensors& file) {
  State& s = *state_;
  const auto integers = [&](const char* name, std::size_t size) -> Result<std::vector<std::uint32_t>> {
    const TensorView* found = file.find(name);
    const std::size_t count = size != 0 ? size : found == nullptr ? 0 : found->count();
    SMIDGEN_ASSIGN(const TensorView view, file.get(name, DType::kU32, std::vector<std::size_t>{count}));
    std::vector<std::uint32_t> values(count);
    std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
    return values;
  };
  SMIDGEN_ASSIGN(const std::vector<std::uint32_t> steps_done, integers("steps", 1));
  SMIDGEN_ASSIGN(const std::vector<std::uint32_t> rows, integers("word rows", 0));
  SMIDGEN_ASSIGN(const std::vector<std::uint32_t> steps, integers("word steps", rows.size()));
  SMIDGEN_ASSIGN(const std::vector<float> word_rates, file.floats("word rates", {steps_done[0]}));
  SMIDGEN_ASSIGN(const std::vector<float> moved, file.floats("words", {3 * rows.size() * s.width()}));
  TrainableWords& words = s.body.words;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= words.last_step.size() || (i > 0 && rows[i] <= rows[i - 1]))
      return Error::bad_data("names a word the encoder has not, or one twice").in(file.path());
    if (steps[i] == 0 || steps[i] > steps_done[0])
      return Error::bad_data("moved a word in a step there was not").in(file.path());
  }
  std::vector<std::pair<std::string_view, std::span<float>>> dense;
  for (Parameter* p : s.body.dense())
    for (const auto& [kind, to] :
         {std::pair<const char*, std::span<float>>{"value ", p->value}, {"first ", p->first}, {"second ", p->second}}) {
      SMIDGEN_ASSIGN(const TensorView view,
                     file.get(kind + p->names.front(), DType::kF32, std::vector<std::size_t>{to.size()}));
      dense.emplace_back(view.bytes, to);
    }
  for (const auto& [bytes, to] : dense) std::memcpy(to.data(), bytes.data(), bytes.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    words.last_step[rows[i]] = steps[i];
    std::size_t part = 0;
    for (std::vector<float>* of : {&words.table.value, &words.table.first, &words.table.second})
      std::copy_n(moved.begin() + static_cast<std::ptrdiff_t>((part++ * rows.size() + i) * s.width()), s.width(),
                  of->begin() + static_cast<std::ptrdiff_t>(rows[i] * s.width()));
  }
  s.steps = steps_done[0];
  s.word_rates = word_rates;
  refresh();
  return Ok{};
}

std::vector<float> TrainableEncoder::weights() {
  State& s = *state_;
  std::vector<float> values;
  for (const Parameter* p : s.caught_up()) values.insert(values.end(), p->value.begin(), p->value.end());
  return values;
}

void TrainableEncoder::take_weights(std::span<const float> values) {
  State& s = *state_;
  std::size_t at = 0;
  for (Parameter* p : s.caught_up()) {
    SMIDGEN_CHECK(at + p->size() <= values.size());
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(at), p->size(), p->value.begin());
    at += p->size();
  }
  SMIDGEN_CHECK(at == values.size());
  refresh();
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
