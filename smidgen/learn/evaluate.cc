#include "smidgen/learn/evaluate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "smidgen/base/result.h"
#include "smidgen/model/policy.h"

namespace smidgen {
namespace {

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// Row numbers by falling confidence, equal ones in row order.
std::vector<std::uint32_t> by_confidence(std::span<const float> confidences) {
  std::vector<std::uint32_t> order(confidences.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return confidences[a] > confidences[b]; });
  return order;
}

double equal_mass_error(std::span<const float> confidences, std::span<const std::uint8_t> correct, std::size_t bins) {
  const auto order = by_confidence(confidences);
  const std::size_t n = order.size();
  double error = 0;
  for (std::size_t b = 0; b < bins; ++b) {
    double gap = 0;
    for (std::size_t i = b * n / bins; i < (b + 1) * n / bins; ++i) {
      gap += static_cast<double>(correct[order[i]]) - static_cast<double>(confidences[order[i]]);
    }
    error += std::abs(gap);
  }
  return error / static_cast<double>(n);
}

void score_classes(Evaluation& e) {
  double sum = 0;
  std::size_t present = 0;
  for (ClassScores& c : e.classes) {
    c.precision = ratio(c.hits, c.answered);
    c.recall = ratio(c.hits, c.support);
    c.f1 = ratio(2 * c.hits, c.support + c.answered);
    if (c.support + c.answered > 0) ++present;
    sum += c.f1;
  }
  e.macro_f1 = present == 0 ? 0 : sum / static_cast<double>(present);
}

}  // namespace

CalibrationError calibration_error(std::span<const float> confidences, std::span<const std::uint8_t> correct,
                                   std::size_t bins) {
  SMIDGEN_CHECK(confidences.size() == correct.size() && bins > 0);
  CalibrationError result;
  result.bins.resize(bins);
  const double width = 1.0 / static_cast<double>(bins);
  for (std::size_t b = 0; b < bins; ++b) {
    result.bins[b].low = static_cast<double>(b) * width;
    result.bins[b].high = static_cast<double>(b + 1) * width;
  }
  if (confidences.empty()) return result;
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    const double position = std::ceil(static_cast<double>(confidences[i]) * static_cast<double>(bins)) - 1;
    const auto b = static_cast<std::size_t>(std::clamp(position, 0.0, static_cast<double>(bins - 1)));
    result.bins[b].confidence += static_cast<double>(confidences[i]);
    result.bins[b].accuracy += correct[i];
    ++result.bins[b].rows;
  }
  for (CalibrationBin& bin : result.bins) {
    result.equal_width += std::abs(bin.accuracy - bin.confidence) / static_cast<double>(confidences.size());
    if (bin.rows == 0) continue;
    bin.confidence /= static_cast<double>(bin.rows);
    bin.accuracy /= static_cast<double>(bin.rows);
  }
  result.equal_mass = equal_mass_error(confidences, correct, bins);
  return result;
}

Evaluation evaluate_answers(std::span<const std::uint32_t> answers, std::span<const std::uint32_t> labels,
                            std::size_t label_count, const EvaluationOptions& options) {
  SMIDGEN_CHECK(answers.size() == labels.size());
  Evaluation e;
  e.rows = labels.size();
  e.answers.assign(answers.begin(), answers.end());
  e.classes.resize(label_count);
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> confusions;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    SMIDGEN_CHECK(labels[i] < label_count && answers[i] < label_count);
    ++e.classes[labels[i]].support;
    ++e.classes[answers[i]].answered;
    if (labels[i] == answers[i]) {
      ++e.hits;
      ++e.classes[labels[i]].hits;
    } else {
      ++confusions[{labels[i], answers[i]}];
    }
  }
  e.accuracy = ratio(e.hits, e.rows);
  e.accuracy_interval = clopper_pearson(e.hits, e.rows, options.confidence);
  e.accuracy_wilson = wilson(e.hits, e.rows, options.confidence);
  score_classes(e);
  for (const auto& [pair, rows] : confusions) e.confusions.push_back({pair.first, pair.second, rows});
  std::stable_sort(e.confusions.begin(), e.confusions.end(), [](auto& a, auto& b) { return a.rows > b.rows; });
  if (e.confusions.size() > options.confusions_max) e.confusions.resize(options.confusions_max);
  return e;
}

double row_loss(float probability) {
  constexpr double kProbabilityMin = 1e-15;
  return -std::log(std::max(kProbabilityMin, static_cast<double>(probability)));
}

Evaluation evaluate(std::span<const float> probabilities, std::span<const std::uint32_t> labels,
                    std::size_t label_count, const EvaluationOptions& options) {
  const std::size_t n = labels.size();
  SMIDGEN_CHECK(probabilities.size() == n * label_count);
  std::vector<std::uint32_t> answers(n);
  std::vector<float> confidences(n);
  std::vector<std::uint8_t> correct(n);
  double loss = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = probabilities.subspan(i * label_count, label_count);
    answers[i] = top_label(row);
    confidences[i] = row[answers[i]];
    correct[i] = answers[i] == labels[i] ? 1 : 0;
    loss += row_loss(row[labels[i]]);
  }
  Evaluation e = evaluate_answers(answers, labels, label_count, options);
  e.log_loss = n == 0 ? 0 : loss / static_cast<double>(n);
  e.calibration = calibration_error(confidences, correct);
  return e;
}

Interval clustered_interval(std::span<const std::uint8_t> correct, std::span<const std::uint32_t> units,
                            double confidence) {
  SMIDGEN_CHECK(correct.size() == units.size());
  struct Unit {
    std::uint64_t rows = 0, hits = 0;
  };
  std::map<std::uint32_t, Unit> of;
  std::uint64_t hits = 0;
  for (std::size_t i = 0; i < correct.size(); ++i) {
    hits += correct[i];
    ++of[units[i]].rows;
    of[units[i]].hits += correct[i];
  }
  if (of.size() == correct.size()) return clopper_pearson(hits, correct.size(), confidence);
  const double n = static_cast<double>(correct.size()), count = static_cast<double>(of.size());
  const double share = static_cast<double>(hits) / n;
  double squares = 0;  // of what each unit's hits are from what they would be
  for (const auto& [unit, one] : of) {
    const double off = static_cast<double>(one.hits) - share * static_cast<double>(one.rows);
    squares += off * off;
  }
  const double variance = of.size() < 2 ? 0 : count / (count - 1) * squares / (n * n);
  const double effective = variance > 0 ? std::clamp(share * (1 - share) / variance, 1.0, n) : count;
  return clopper_pearson_real(share * effective, effective, confidence);
}

double mcnemar_test(std::span<const std::uint32_t> labels, std::span<const std::uint32_t> first,
                    std::span<const std::uint32_t> second) {
  SMIDGEN_CHECK(labels.size() == first.size() && labels.size() == second.size());
  std::uint64_t only_first = 0, only_second = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool a = first[i] == labels[i], b = second[i] == labels[i];
    only_first += a && !b ? 1 : 0;
    only_second += b && !a ? 1 : 0;
  }
  return mcnemar_exact(only_first, only_second);
}

std::vector<CoveragePoint> coverage_risk_curve(std::span<const float> confidences,
                                               std::span<const std::uint8_t> correct, std::size_t points_max) {
  SMIDGEN_CHECK(confidences.size() == correct.size() && points_max >= 2);
  const auto order = by_confidence(confidences);
  const std::size_t n = order.size();
  std::vector<CoveragePoint> curve;
  std::size_t errors = 0, next = 0;  // a point is due once `next` rows are in
  for (std::size_t i = 0; i < n; ++i) {
    errors += correct[order[i]] ? 0 : 1;
    const float confidence = confidences[order[i]];
    if (i + 1 < n && (confidences[order[i + 1]] == confidence || i + 1 < next)) continue;
    const double answered = static_cast<double>(i + 1);
    curve.push_back(
        {answered / static_cast<double>(n), static_cast<double>(errors) / answered, static_cast<double>(confidence)});
    next = curve.size() + 1 >= points_max ? n : std::max(i + 2, (curve.size() + 1) * n / points_max);
  }
  return curve;
}

MajorityBaseline majority_baseline(std::span<const std::uint32_t> known, std::span<const std::uint32_t> labels,
                                   std::size_t label_count) {
  std::vector<std::uint64_t> counts(label_count);
  for (const std::uint32_t label : known) ++counts[label];
  MajorityBaseline result;
  result.label = static_cast<std::uint32_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
  const std::vector<std::uint32_t> answers(labels.size(), result.label);
  result.evaluation = evaluate_answers(answers, labels, label_count);
  return result;
}

}  // namespace smidgen
