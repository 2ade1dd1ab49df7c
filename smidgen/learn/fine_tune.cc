#include "smidgen/learn/fine_tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "smidgen/base/random.h"
#include "smidgen/tensor/training_kernels.h"

namespace smidgen {

namespace {

constexpr std::size_t kTokensPerScoring = 2048;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Rises over the first `warm_up` steps, then falls to zero at `steps`.
double schedule(std::size_t step, std::size_t steps, double warm_up) {
  const double at = static_cast<double>(step) + 1, rise = std::max(1.0, warm_up * static_cast<double>(steps));
  if (at <= rise) return at / rise;
  return std::max(0.0, (static_cast<double>(steps) - at) / std::max(1.0, static_cast<double>(steps) - rise));
}

// A head's optimizer.
class HeadState {
 public:
  HeadState(const SoftmaxHead& head, const Kernels& kernels)
      : kernels_(kernels),
        d_weights_(head.weights.size()),
        first_(d_weights_.size()),
        second_(d_weights_.size()),
        d_bias_(head.bias.size()),
        bias_first_(d_bias_.size()),
        bias_second_(d_bias_.size()) {}

  // Returns the gradients' sum of squares.
  double gradients(const HeadLoss& loss) {
    loss.head_gradients(kernels_, d_weights_, d_bias_);
    const TrainingKernels& table = training_kernels(kernels_);
    return table.sum_of_squares(d_weights_.data(), d_weights_.size()) +
           table.sum_of_squares(d_bias_.data(), d_bias_.size());
  }
  void update(SoftmaxHead& head, double rate, double decay, double scale) {
    ++steps_;
    AdamStep step;
    step.gradient_scale = static_cast<float>(scale);
    step.rate = static_cast<float>(rate);
    step.decay = static_cast<float>(decay);
    step.correction1 = static_cast<float>(1 / (1 - std::pow(step.beta1, steps_)));
    step.correction2 = static_cast<float>(1 / (1 - std::pow(step.beta2, steps_)));
    const TrainingKernels& table = training_kernels(kernels_);
    table.adam(step, d_weights_.data(), d_weights_.size(), head.weights.data(), first_.data(), second_.data());
    step.decay = 0;
    table.adam(step, d_bias_.data(), d_bias_.size(), head.bias.data(), bias_first_.data(), bias_second_.data());
  }

 private:
  const Kernels& kernels_;
  std::vector<float> d_weights_, first_, second_, d_bias_, bias_first_, bias_second_;
  double steps_ = 0;
};

struct TokenBatch {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> lengths;
  std::vector<std::uint32_t> labels;

  void add(const std::vector<std::int32_t>& sequence) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    lengths.push_back(sequence.size());
  }
};

}  // namespace

HeadLoss::HeadLoss(const SoftmaxHead& head, std::span<const std::uint32_t> labels, double smoothing,
                   std::span<const float> class_weights)
    : head_(head),
      labels_(labels),
      smoothing_(smoothing),
      class_weights_(class_weights),
      embeddings_(labels.size() * head.dimensions),
      d_logits_(labels.size() * head.labels) {
  for (const std::uint32_t label : labels_)
    total_weight_ += class_weights_.empty() ? 1 : static_cast<double>(class_weights_[label]);
  if (total_weight_ <= 0) total_weight_ = 1;
}

double HeadLoss::run(std::size_t first, std::size_t count, const float* embeddings, float* d_embeddings) {
  const std::size_t n = head_.dimensions;
  std::vector<float> scores(head_.labels);
  double loss = 0;
  std::copy_n(embeddings, count * n, embeddings_.begin() + static_cast<std::ptrdiff_t>(first * n));
  for (std::size_t row = 0; row < count; ++row) {
    const std::uint32_t label = labels_[first + row];
    const double weight = (class_weights_.empty() ? 1 : static_cast<double>(class_weights_[label])) / total_weight_;
    head_.log_probabilities({embeddings + row * n, n}, scores);
    float* d_logits = &d_logits_[(first + row) * head_.labels];
    float* d_embedding = d_embeddings + row * n;
    std::fill_n(d_embedding, n, 0.0F);
    const double rest = smoothing_ / static_cast<double>(head_.labels);
    for (std::size_t l = 0; l < head_.labels; ++l) {
      const double target = rest + (l == label ? 1 - smoothing_ : 0);
      if (target > 0) loss -= weight * target * static_cast<double>(scores[l]);
      d_logits[l] = static_cast<float>(weight * (std::exp(static_cast<double>(scores[l])) - target));
      kernels().axpy(d_logits[l], &head_.weights[l * n], d_embedding, n);
    }
  }
  return loss;
}

void HeadLoss::head_gradients(const Kernels& table, std::span<float> d_weights, std::span<float> d_bias) const {
  const std::size_t n = head_.dimensions;
  std::fill(d_weights.begin(), d_weights.end(), 0.0F);
  std::fill(d_bias.begin(), d_bias.end(), 0.0F);
  for (std::size_t row = 0; row < labels_.size(); ++row)
    for (std::size_t l = 0; l < head_.labels; ++l) {
      const float d = d_logits_[row * head_.labels + l];
      table.axpy(d, &embeddings_[row * n], &d_weights[l * n], n);
      d_bias[l] += d;
    }
}

Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const TokenRows& rows,
                                 const FineTuneOptions& options, const Watcher& watcher) {
  const auto start = std::chrono::steady_clock::now();
  const std::size_t count = rows.ids.size(), per_epoch = (count + options.batch_rows - 1) / options.batch_rows;
  std::size_t epochs = options.epochs, steps = epochs * per_epoch;
  HeadState head_state(head, kernels());
  Random random(options.seed);
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  FineTuneReport report;
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    random.shuffle(std::span(order));
    double loss_sum = 0;
    for (std::size_t first = 0; first < count; first += options.batch_rows) {
      TokenBatch batch;
      for (std::size_t i = first; i < std::min(count, first + options.batch_rows); ++i) {
        batch.add(rows.ids[order[i]]);
        batch.labels.push_back(rows.labels[order[i]]);
      }
      HeadLoss loss(head, batch.labels, options.label_smoothing, options.class_weights);
      const double value = encoder.gradients(batch.ids, batch.lengths, loss, options.dropout, random.next());
      loss_sum += value * static_cast<double>(batch.labels.size());
      const double share = schedule(report.steps, steps, options.warm_up);
      const double squares = head_state.gradients(loss);
      UpdateRates rates{options.rate * share, options.layer_decay, options.weight_decay, options.gradient_norm_max};
      const double scale = encoder.update(rates, squares);
      head_state.update(head, options.head_rate * share, options.weight_decay, scale);
      ++report.steps;
      if (watcher.stop_requested()) return Error::cancelled();
      watcher.report("fine-tuning", static_cast<double>(report.steps) / static_cast<double>(steps),
                     fmt::format("loss {:.3f}, {:.0f} rows/s", value,
                                 static_cast<double>(report.steps * options.batch_rows) / seconds_since(start)));
    }
    report.epochs.push_back({epoch + 1, loss_sum / static_cast<double>(count), seconds_since(start)});
    const double each = seconds_since(start) / static_cast<double>(epoch + 1);
    if (options.seconds_max > 0 && epoch + 1 < epochs) {
      const double left = options.seconds_max - seconds_since(start);
      const std::size_t fit = left <= 0 ? 0 : static_cast<std::size_t>(left / each);
      if (epoch + 1 + fit < epochs) {
        epochs = epoch + 1 + fit;
        steps = epochs * per_epoch;
      }
    }
  }
  report.seconds = seconds_since(start);
  report.rows_per_second = static_cast<double>(report.epochs.size() * count) / std::max(1e-9, report.seconds);
  return report;
}

std::vector<float> score_rows(TrainableEncoder& encoder, const SoftmaxHead& head,
                              std::span<const std::vector<std::int32_t>> ids) {
  std::vector<float> scores(ids.size() * head.labels), embeddings;
  for (std::size_t first = 0; first < ids.size();) {
    TokenBatch batch;
    std::size_t end = first;
    while (end < ids.size() && (end == first || batch.ids.size() + ids[end].size() <= kTokensPerScoring))
      batch.add(ids[end++]);
    embeddings.resize((end - first) * head.dimensions);
    encoder.embed(batch.ids, batch.lengths, embeddings.data());
    for (std::size_t row = first; row < end; ++row)
      head.log_probabilities({&embeddings[(row - first) * head.dimensions], head.dimensions},
                             {&scores[row * head.labels], head.labels});
    first = end;
  }
  return scores;
}

}  // namespace smidgen
