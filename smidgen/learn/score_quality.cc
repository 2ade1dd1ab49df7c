#include "smidgen/learn/score_quality.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <vector>

#include "smidgen/base/exponential.h"
#include "smidgen/base/result.h"

namespace smidgen {
namespace {

constexpr double kInverseTemperatures[] = {0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.45, 1.75, 2.1, 3.0};

double loss_at(std::span<const float> scores, std::span<const std::uint32_t> truth, std::size_t labels, double beta) {
  double total = 0;
  const double worst = std::log(2.0 * static_cast<double>(truth.size() + labels));
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const float* row = scores.data() + i * labels;
    const double largest = static_cast<double>(*std::max_element(row, row + labels));
    double sum = 0;
    for (std::size_t k = 0; k < labels; ++k) sum += exp_portable(beta * (static_cast<double>(row[k]) - largest));
    total += std::min(worst, std::log(sum) - beta * (static_cast<double>(row[truth[i]]) - largest));
  }
  return total / static_cast<double>(truth.size());
}

}  // namespace

std::size_t folds_judged(std::span<const std::uint32_t> fold_of, std::size_t folds) {
  std::vector<std::size_t> counts(folds, 0);
  for (const std::uint32_t fold : fold_of) ++counts[fold];
  std::size_t judged = 0, rows = 0;
  while (judged < folds && (judged == 0 || rows < kRowsJudgedMin)) rows += counts[judged++];
  return judged;
}

ScoreQuality score_quality(std::span<const float> scores, std::span<const std::uint32_t> truth, std::size_t labels) {
  SMIDGEN_CHECK(scores.size() == truth.size() * labels);
  ScoreQuality quality;
  if (truth.empty()) return quality;
  std::size_t right = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const float* row = scores.data() + i * labels;
    right += static_cast<std::size_t>(std::max_element(row, row + labels) - row) == truth[i];
  }
  quality.accuracy = static_cast<double>(right) / static_cast<double>(truth.size());
  quality.log_loss = std::numeric_limits<double>::infinity();
  for (const double beta : kInverseTemperatures)
    quality.log_loss = std::min(quality.log_loss, loss_at(scores, truth, labels, beta));
  return quality;
}

PairedDifference paired_difference(std::span<const double> losses, std::span<const double> other,
                                   std::span<const std::uint32_t> units) {
  SMIDGEN_CHECK(losses.size() == other.size() && (units.empty() || units.size() == losses.size()));
  std::vector<double> differences;  // one a unit, by first appearance
  std::unordered_map<std::uint32_t, std::size_t> place;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const auto [at, fresh] =
        place.try_emplace(units.empty() ? static_cast<std::uint32_t>(i) : units[i], differences.size());
    if (fresh) differences.push_back(0);
    differences[at->second] += losses[i] - other[i];
  }
  PairedDifference result;
  if (differences.empty()) return result;
  const double count = static_cast<double>(differences.size());
  result.mean = std::accumulate(differences.begin(), differences.end(), 0.0) / count;
  double squares = 0;
  for (const double d : differences) squares += (d - result.mean) * (d - result.mean);
  if (differences.size() > 1) result.standard_error = std::sqrt(squares / (count - 1) / count);
  return result;
}

}  // namespace smidgen
