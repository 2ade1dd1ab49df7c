#include "smidgen/learn/fine_tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "smidgen/learn/fine_tune_task.h"

namespace smidgen {

namespace {

constexpr std::size_t kTokensPerScoring = 2048;

struct TokenBatch {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> lengths;
  std::vector<std::uint32_t> labels;
  FitTargets targets;

  void add(const std::vector<std::int32_t>& sequence) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    lengths.push_back(sequence.size());
  }
};

}  // namespace

HeadLoss::HeadLoss(const SoftmaxHead& head, std::span<const std::uint32_t> labels, double smoothing,
                   std::span<const float> class_weights, const FitTargets* targets)
    : head_(head),
      labels_(labels),
      smoothing_(smoothing),
      class_weights_(class_weights),
      targets_(targets),
      embeddings_(labels.size() * head.dimensions),
      d_logits_(labels.size() * head.labels),
      right_(labels.size()) {
  for (std::size_t row = 0; row < labels_.size(); ++row) total_weight_ += weight_of(row);
  if (total_weight_ <= 0) total_weight_ = 1;
}

double HeadLoss::weight_of(std::size_t row) const {
  const double of_class = class_weights_.empty() ? 1 : static_cast<double>(class_weights_[labels_[row]]);
  return targets_ == nullptr || targets_->weights.empty() ? of_class
                                                          : of_class * static_cast<double>(targets_->weights[row]);
}

double HeadLoss::run(std::size_t first, std::size_t count, const float* embeddings, float* d_embeddings) {
  const std::size_t n = head_.dimensions;
  std::vector<float> scores(head_.labels);
  std::vector<double> wanted(head_.labels);
  double loss = 0;
  std::copy_n(embeddings, count * n, embeddings_.begin() + static_cast<std::ptrdiff_t>(first * n));
  for (std::size_t row = 0; row < count; ++row) {
    const SoftLabel whole{labels_[first + row], 1.0F};
    const bool soft = targets_ != nullptr && targets_->soft.rows() > 0;
    std::fill(wanted.begin(), wanted.end(), 0.0);
    for (const SoftLabel& entry : soft ? targets_->soft.of(first + row) : std::span(&whole, 1))
      wanted[entry.label] += static_cast<double>(entry.share);
    const double weight = weight_of(first + row) / total_weight_;
    head_.log_probabilities({embeddings + row * n, n}, scores);
    right_[first + row] =
        std::max_element(scores.begin(), scores.end()) - scores.begin() == labels_[first + row] ? 1 : 0;
    float* d_logits = &d_logits_[(first + row) * head_.labels];
    float* d_embedding = d_embeddings + row * n;
    std::fill_n(d_embedding, n, 0.0F);
    const double rest = smoothing_ / static_cast<double>(head_.labels);
    for (std::size_t l = 0; l < head_.labels; ++l) {
      const double target = rest + (1 - smoothing_) * wanted[l];
      if (target > 0) loss -= weight * target * static_cast<double>(scores[l]);
      d_logits[l] = static_cast<float>(weight * (std::exp(static_cast<double>(scores[l])) - target));
      kernels().axpy(d_logits[l], &head_.weights[l * n], d_embedding, n);
    }
  }
  return loss;
}

std::size_t HeadLoss::right() const {
  return static_cast<std::size_t>(std::count(right_.begin(), right_.end(), 1));
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

namespace {

// One label for each row, from its embedding.
class LabelTask : public FineTuneTask {
 public:
  LabelTask(const TokenRows& rows, const FineTuneOptions& options) : rows_(rows), options_(options) {}

  std::size_t rows() const override { return rows_.ids.size(); }

  Outcome gradients(TrainableEncoder& encoder, const SoftmaxHead& head, std::span<const std::uint32_t> rows,
                    double dropout, std::uint64_t key, std::span<float> d_weights,
                    std::span<float> d_bias) const override {
    TokenBatch batch;
    for (const std::uint32_t row : rows) {
      batch.add(rows_.ids[row]);
      batch.labels.push_back(rows_.labels[row]);
      if (rows_.targets.soft.rows() > 0) batch.targets.soft.add_row(rows_.targets.soft.of(row));
      if (!rows_.targets.weights.empty()) batch.targets.weights.push_back(rows_.targets.weights[row]);
    }
    HeadLoss loss(head, batch.labels, options_.label_smoothing, options_.class_weights, &batch.targets);
    const double value = encoder.gradients(batch.ids, batch.lengths, loss, dropout, key);
    loss.head_gradients(kernels(), d_weights, d_bias);
    return {value, loss.right()};
  }

  std::size_t judge(TrainableEncoder& encoder, const SoftmaxHead& head, FineTuneEpoch& epoch) const override {
    if (options_.held == nullptr) return 0;
    const TokenRows& held = *options_.held;
    const std::vector<float> scores = score_rows(encoder, head, held.ids);
    for (std::size_t row = 0; row < held.labels.size(); ++row) {
      const std::span<const float> one(&scores[row * head.labels], head.labels);
      const std::uint32_t label = held.labels[row];
      if (label >= head.labels) continue;  // no answer is right
      epoch.held_loss -= static_cast<double>(one[label]);
      epoch.held_accuracy += std::max_element(one.begin(), one.end()) - one.begin() == label ? 1 : 0;
    }
    const auto count = static_cast<double>(std::max<std::size_t>(1, held.labels.size()));
    epoch.held_loss /= count;
    epoch.held_accuracy /= count;
    return held.labels.size();
  }

  void add_to(Sha256& hash) const override {
    for (std::size_t i = 0; i < rows_.ids.size(); ++i) {
      const auto& ids = rows_.ids[i];
      hash.add({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(ids[0])});
      hash.add(fmt::format("|{}|", rows_.labels[i]));
      if (rows_.targets.soft.rows() > 0)
        for (const SoftLabel& entry : rows_.targets.soft.of(i))
          hash.add(fmt::format("{} {}|", entry.label, entry.share));
      if (!rows_.targets.weights.empty()) hash.add(fmt::format("{}|", rows_.targets.weights[i]));
    }
    if (options_.held == nullptr) return;
    for (std::size_t i = 0; i < options_.held->ids.size(); ++i) {
      const auto& ids = options_.held->ids[i];
      hash.add({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(ids[0])});
      hash.add(fmt::format("|{} ", options_.held->labels[i]));
    }
  }

 private:
  const TokenRows& rows_;
  const FineTuneOptions& options_;
};

}  // namespace

Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const TokenRows& rows,
                                 const FineTuneOptions& options, const Watcher& watcher) {
  return fine_tune(encoder, head, LabelTask(rows, options), options, watcher);
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
