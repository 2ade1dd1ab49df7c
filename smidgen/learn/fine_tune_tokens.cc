#include "smidgen/learn/fine_tune_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "smidgen/base/random.h"
#include "smidgen/learn/fine_tune_task.h"

namespace smidgen {

TokenHeadLoss::TokenHeadLoss(const SoftmaxHead& head, std::span<const std::size_t> lengths)
    : head_(head),
      lengths_(lengths),
      parts_(lengths.size() * head.labels * (head.dimensions + 1)),
      right_(lengths.size()) {}

double TokenHeadLoss::run(std::size_t first, std::size_t count, const float* states, float* d_states) {
  const std::size_t n = head_.dimensions, labels = head_.labels;
  const Kernels& table = kernels();
  std::vector<float> logits, d_logits;
  double loss = 0;
  for (std::size_t sequence = first; sequence < first + count; ++sequence) {
    const std::size_t tokens = lengths_[sequence];
    logits.resize(tokens * labels);
    d_logits.assign(tokens * labels, 0.0F);
    for (std::size_t token = 0; token < tokens; ++token)
      for (std::size_t l = 0; l < labels; ++l)
        logits[token * labels + l] = table.dot(states + token * n, &head_.weights[l * n], n) + head_.bias[l];
    const Judged judged = judge(sequence, tokens, logits.data(), d_logits.data());
    loss += judged.loss;
    right_[sequence] = judged.right ? 1 : 0;
    float* part = &parts_[sequence * labels * (n + 1)];
    std::fill_n(part, labels * (n + 1), 0.0F);
    std::fill_n(d_states, tokens * n, 0.0F);
    for (std::size_t token = 0; token < tokens; ++token)
      for (std::size_t l = 0; l < labels; ++l) {
        const float d = d_logits[token * labels + l];
        table.axpy(d, &head_.weights[l * n], d_states + token * n, n);
        table.axpy(d, states + token * n, part + l * (n + 1), n);
        part[l * (n + 1) + n] += d;
      }
    states += tokens * n;
    d_states += tokens * n;
  }
  return loss;
}

// In the order of the sequences, whichever thread ran them.
void TokenHeadLoss::head_gradients(std::span<float> d_weights, std::span<float> d_bias) const {
  const std::size_t n = head_.dimensions;
  std::fill(d_weights.begin(), d_weights.end(), 0.0F);
  std::fill(d_bias.begin(), d_bias.end(), 0.0F);
  for (std::size_t sequence = 0; sequence < lengths_.size(); ++sequence)
    for (std::size_t l = 0; l < head_.labels; ++l) {
      const float* part = &parts_[(sequence * head_.labels + l) * (n + 1)];
      kernels().axpy(1.0F, part, &d_weights[l * n], n);
      d_bias[l] += part[n];
    }
}

std::size_t TokenHeadLoss::right() const {
  return static_cast<std::size_t>(std::count(right_.begin(), right_.end(), 1));
}

SpanLoss::SpanLoss(const SoftmaxHead& head, std::span<const std::size_t> lengths, std::span<const std::uint32_t> starts,
                   std::span<const std::uint32_t> ends)
    : TokenHeadLoss(head, lengths), starts_(starts), ends_(ends) {
  SMIDGEN_CHECK(head.labels == 2 && starts.size() == lengths.size() && ends.size() == lengths.size());
  for (std::size_t i = 0; i < lengths.size(); ++i) SMIDGEN_CHECK(starts[i] < lengths[i] && ends[i] < lengths[i]);
}

TokenHeadLoss::Judged SpanLoss::judge(std::size_t sequence, std::size_t tokens, const float* logits,
                                      float* d_logits) const {
  const double share = 0.5 / static_cast<double>(starts_.size());
  Judged judged{0, true};
  for (std::size_t end = 0; end < 2; ++end) {
    const std::size_t target = end == 0 ? starts_[sequence] : ends_[sequence];
    const auto logit = [&](std::size_t token) { return static_cast<double>(logits[token * 2 + end]); };
    std::size_t best = 0;
    for (std::size_t token = 1; token < tokens; ++token)
      if (logit(token) > logit(best)) best = token;
    double sum = 0;
    for (std::size_t token = 0; token < tokens; ++token) sum += std::exp(logit(token) - logit(best));
    judged.loss -= share * (logit(target) - logit(best) - std::log(sum));
    judged.right = judged.right && best == target;
    for (std::size_t token = 0; token < tokens; ++token) {
      const double p = std::exp(logit(token) - logit(best)) / sum;
      d_logits[token * 2 + end] = static_cast<float>(share * (p - (token == target ? 1 : 0)));
    }
  }
  return judged;
}

TagLoss::TagLoss(const SoftmaxHead& head, std::span<const std::size_t> lengths, std::span<const std::uint32_t> tags)
    : TokenHeadLoss(head, lengths), labels_(head.labels), tags_(tags) {
  std::size_t begin = 0, tagged = 0;
  for (const std::size_t length : lengths) {
    begins_.push_back(begin);
    begin += length;
  }
  SMIDGEN_CHECK(begin == tags.size());
  for (const std::uint32_t tag : tags) {
    SMIDGEN_CHECK(tag == kNoTag || tag < labels_);
    tagged += tag == kNoTag ? 0 : 1;
  }
  share_ = 1 / static_cast<double>(std::max<std::size_t>(1, tagged));
}

TokenHeadLoss::Judged TagLoss::judge(std::size_t sequence, std::size_t tokens, const float* logits,
                                     float* d_logits) const {
  Judged judged{0, true};
  for (std::size_t token = 0; token < tokens; ++token, logits += labels_, d_logits += labels_) {
    const std::uint32_t tag = tags_[begins_[sequence] + token];
    if (tag == kNoTag) continue;
    const float* best = std::max_element(logits, logits + labels_);
    double sum = 0;
    for (std::size_t l = 0; l < labels_; ++l)
      sum += std::exp(static_cast<double>(logits[l]) - static_cast<double>(*best));
    judged.loss -= share_ * (static_cast<double>(logits[tag]) - static_cast<double>(*best) - std::log(sum));
    judged.right = judged.right && best == logits + tag;
    for (std::size_t l = 0; l < labels_; ++l) {
      const double p = std::exp(static_cast<double>(logits[l]) - static_cast<double>(*best)) / sum;
      d_logits[l] = static_cast<float>(share_ * (p - (l == tag ? 1 : 0)));
    }
  }
  return judged;
}

SoftmaxHead random_head(std::size_t labels, std::size_t dimensions, std::uint64_t seed) {
  constexpr double kDeviation = 0.02;
  SoftmaxHead head{labels, dimensions, std::vector<float>(labels * dimensions), std::vector<float>(labels)};
  Random random(seed);
  for (float& weight : head.weights) weight = static_cast<float>(kDeviation * random.normal());
  return head;
}

namespace {

class SpanTask : public FineTuneTask {
 public:
  explicit SpanTask(const SpanRows& rows) : rows_(rows) {}

  std::size_t rows() const override { return rows_.ids.size(); }

  Outcome gradients(TrainableEncoder& encoder, const SoftmaxHead& head, std::span<const std::uint32_t> batch,
                    double dropout, std::uint64_t key, std::span<float> d_weights,
                    std::span<float> d_bias) const override {
    std::vector<std::int32_t> ids;
    std::vector<std::uint8_t> types;
    std::vector<std::size_t> lengths;
    std::vector<std::uint32_t> starts, ends;
    for (const std::uint32_t row : batch) {
      ids.insert(ids.end(), rows_.ids[row].begin(), rows_.ids[row].end());
      types.insert(types.end(), rows_.types[row].begin(), rows_.types[row].end());
      lengths.push_back(rows_.ids[row].size());
      starts.push_back(rows_.starts[row]);
      ends.push_back(rows_.ends[row]);
    }
    SpanLoss loss(head, lengths, starts, ends);
    const double value = encoder.token_gradients({ids, types, lengths}, loss, dropout, key);
    loss.head_gradients(d_weights, d_bias);
    return {value, loss.right()};
  }

  void add_to(Sha256& hash) const override {
    for (std::size_t i = 0; i < rows_.ids.size(); ++i) {
      const std::vector<std::int32_t>& ids = rows_.ids[i];
      hash.add({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(ids[0])});
      hash.add({reinterpret_cast<const char*>(rows_.types[i].data()), rows_.types[i].size()});
      hash.add(fmt::format("|{} {}|", rows_.starts[i], rows_.ends[i]));
    }
  }

 private:
  const SpanRows& rows_;
};

class TagTask : public FineTuneTask {
 public:
  explicit TagTask(const TagRows& rows) : rows_(rows) {}

  std::size_t rows() const override { return rows_.ids.size(); }

  Outcome gradients(TrainableEncoder& encoder, const SoftmaxHead& head, std::span<const std::uint32_t> batch,
                    double dropout, std::uint64_t key, std::span<float> d_weights,
                    std::span<float> d_bias) const override {
    std::vector<std::int32_t> ids;
    std::vector<std::size_t> lengths;
    std::vector<std::uint32_t> tags;
    for (const std::uint32_t row : batch) {
      ids.insert(ids.end(), rows_.ids[row].begin(), rows_.ids[row].end());
      tags.insert(tags.end(), rows_.tags[row].begin(), rows_.tags[row].end());
      lengths.push_back(rows_.ids[row].size());
    }
    TagLoss loss(head, lengths, tags);
    const double value = encoder.token_gradients({ids, {}, lengths}, loss, dropout, key);
    loss.head_gradients(d_weights, d_bias);
    return {value, loss.right()};
  }

  void add_to(Sha256& hash) const override {
    for (std::size_t i = 0; i < rows_.ids.size(); ++i) {
      const std::vector<std::int32_t>& ids = rows_.ids[i];
      hash.add({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(ids[0])});
      for (const std::uint32_t tag : rows_.tags[i]) hash.add(fmt::format("|{}", tag));
    }
  }

 private:
  const TagRows& rows_;
};

}  // namespace

Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const TagRows& rows,
                                 const FineTuneOptions& options, const Watcher& watcher) {
  return fine_tune(encoder, head, TagTask(rows), options, watcher);
}

Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const SpanRows& rows,
                                 const FineTuneOptions& options, const Watcher& watcher) {
  return fine_tune(encoder, head, SpanTask(rows), options, watcher);
}

}  // namespace smidgen
