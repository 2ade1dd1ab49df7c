#include "smidgen/learn/contrastive.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "smidgen/base/clock.h"

namespace smidgen {

namespace {

constexpr std::size_t kTokensPerPass = 2048;

// Rises over the first `warm_up` steps, then falls to zero at `steps`.
double share_of_rate(std::size_t step, std::size_t steps, double warm_up) {
  const double at = static_cast<double>(step) + 1, rise = std::max(1.0, warm_up * static_cast<double>(steps));
  if (at <= rise) return at / rise;
  return std::max(0.0, (static_cast<double>(steps) - at) / std::max(1.0, static_cast<double>(steps) - rise));
}

}  // namespace

void ContrastLoss::begin(std::span<const float> embeddings) {
  const std::size_t batch = labels_.size(), n = embeddings.size() / batch;
  unit_.assign(embeddings.begin(), embeddings.end());
  length_.resize(batch);
  for (std::size_t i = 0; i < batch; ++i) {
    float* row = &unit_[i * n];
    length_[i] = std::max(std::sqrt(kernels().dot(row, row, n)), 1e-12F);
    for (std::size_t k = 0; k < n; ++k) row[k] /= length_[i];
  }
  cosines_.assign(batch * batch, 1);
  for (std::size_t i = 0; i < batch; ++i)
    for (std::size_t j = 0; j < i; ++j)
      cosines_[i * batch + j] = cosines_[j * batch + i] =
          static_cast<double>(kernels().dot(&unit_[i * n], &unit_[j * n], n));
  d_cosines_.assign(batch * batch, 0);
  loss_.assign(batch, 0);
  double count[2] = {0, 0};  // ordered pairs: unequal, equal
  for (std::size_t i = 0; i < batch; ++i)
    for (std::size_t j = 0; j < batch; ++j)
      if (i != j) ++count[labels_[i] == labels_[j] ? 1 : 0];
  for (std::size_t i = 0; i < batch; ++i)
    for (std::size_t j = 0; j < batch; ++j) {
      if (i == j) continue;
      const bool equal = labels_[i] == labels_[j];
      const double off = cosines_[i * batch + j] - (equal ? 1 : 0), weight = 0.5 / count[equal ? 1 : 0];
      loss_[i] += weight * off * off;
      d_cosines_[i * batch + j] = 2 * weight * 2 * off;  // of c_ij, which stands in two ordered pairs
    }
}

// With u = e / |e| and c_ij = u_i . u_j: d_e_i = (g - u_i (u_i . g)) / |e_i|, g = sum over j of d_c_ij u_j.
double ContrastLoss::run(std::size_t first, std::size_t count, const float* /*embeddings*/, float* d_embeddings) {
  const std::size_t batch = labels_.size(), n = unit_.size() / batch;
  double loss = 0;
  for (std::size_t i = first; i < first + count; ++i, d_embeddings += n) {
    loss += loss_[i];
    std::fill_n(d_embeddings, n, 0.0F);
    for (std::size_t j = 0; j < batch; ++j)
      if (d_cosines_[i * batch + j] != 0)
        kernels().axpy(static_cast<float>(d_cosines_[i * batch + j]), &unit_[j * n], d_embeddings, n);
    const float along = kernels().dot(&unit_[i * n], d_embeddings, n);
    for (std::size_t k = 0; k < n; ++k) d_embeddings[k] = (d_embeddings[k] - unit_[i * n + k] * along) / length_[i];
  }
  return loss;
}

BatchSampler::BatchSampler(std::span<const std::uint32_t> labels, std::size_t label_count, std::size_t batch_rows,
                           std::uint64_t seed)
    : random_(seed), batch_rows_(batch_rows), rows_(label_count) {
  for (std::uint32_t row = 0; row < labels.size(); ++row) rows_[labels[row]].items.push_back(row);
  for (std::uint32_t label = 0; label < label_count; ++label)
    if (!rows_[label].items.empty()) labels_.items.push_back(label);
  SMIDGEN_CHECK(labels_.items.size() >= 2 && batch_rows >= 4);
  rows_per_label_ = std::max<std::size_t>(2, batch_rows / labels_.items.size());
  for (Turn& turn : rows_) random_.shuffle(std::span(turn.items));
  random_.shuffle(std::span(labels_.items));
}

std::uint32_t BatchSampler::take(Turn& turn) {
  if (turn.at == turn.items.size()) {
    random_.shuffle(std::span(turn.items));
    turn.at = 0;
  }
  return turn.items[turn.at++];
}

std::vector<std::uint32_t> BatchSampler::next() {
  std::vector<std::uint32_t> batch;
  std::vector<std::uint32_t> drawn;
  const std::size_t wanted = std::min(labels_.items.size(), batch_rows_ / rows_per_label_);
  while (drawn.size() < wanted) {
    const std::uint32_t label = take(labels_);
    if (std::find(drawn.begin(), drawn.end(), label) != drawn.end()) continue;
    drawn.push_back(label);
    Turn& turn = rows_[label];
    const std::size_t begin = batch.size(), count = std::min(rows_per_label_, turn.items.size());
    while (batch.size() < begin + count) {
      const std::uint32_t row = take(turn);
      if (std::find(batch.begin() + static_cast<std::ptrdiff_t>(begin), batch.end(), row) == batch.end())
        batch.push_back(row);
    }
  }
  return batch;
}

Result<ContrastReport> contrast(TrainableEncoder& encoder, const TokenRows& rows, std::size_t label_count,
                                const ContrastOptions& options, const Watcher& watcher) {
  const auto start = steady_now();
  BatchSampler sampler(rows.labels, label_count, options.batch_rows, options.seed);
  Random random(options.seed + 0x9e3779b97f4a7c15ULL);
  ContrastReport report;
  const std::size_t tenth = std::max<std::size_t>(1, options.steps / 10);
  for (; report.steps < options.steps; ++report.steps) {
    if (watcher.stop_requested()) return Error::cancelled();
    std::vector<std::int32_t> ids;
    std::vector<std::size_t> lengths;
    std::vector<std::uint32_t> labels;
    for (const std::uint32_t row : sampler.next()) {
      ids.insert(ids.end(), rows.ids[row].begin(), rows.ids[row].end());
      lengths.push_back(rows.ids[row].size());
      labels.push_back(rows.labels[row]);
    }
    ContrastLoss loss(labels);
    const double value = encoder.gradients(ids, lengths, loss, options.dropout, random.next());
    if (report.steps < tenth) report.first_loss += value / static_cast<double>(tenth);
    if (report.steps + tenth >= options.steps) report.last_loss += value / static_cast<double>(tenth);
    const double share = share_of_rate(report.steps, options.steps, options.warm_up);
    encoder.update({options.rate * share, options.layer_decay, options.weight_decay, options.gradient_norm_max}, 0);
    watcher.report("contrasting", static_cast<double>(report.steps + 1) / static_cast<double>(options.steps),
                   fmt::format("loss {:.3f}", value));
  }
  report.seconds = seconds_since(start);
  return report;
}

std::vector<float> embed_rows(TrainableEncoder& encoder, std::span<const std::vector<std::int32_t>> ids) {
  const std::size_t n = encoder.dimensions();
  std::vector<float> embeddings(ids.size() * n);
  for (std::size_t first = 0, end = 0; first < ids.size(); first = end) {
    std::vector<std::int32_t> tokens;
    std::vector<std::size_t> lengths;
    while (end < ids.size() && (end == first || tokens.size() + ids[end].size() <= kTokensPerPass)) {
      tokens.insert(tokens.end(), ids[end].begin(), ids[end].end());
      lengths.push_back(ids[end++].size());
    }
    encoder.embed(tokens, lengths, &embeddings[first * n]);
  }
  return embeddings;
}

}  // namespace smidgen
