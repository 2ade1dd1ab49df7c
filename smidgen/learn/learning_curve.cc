#include "smidgen/learn/learning_curve.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "smidgen/base/random.h"
#include "smidgen/base/result.h"

namespace smidgen {

namespace {

constexpr double kPowerMin = 0.1, kPowerMax = 1.5;
constexpr std::size_t kPowerSteps = 28;

// a, b >= 0 of the least weighted squares of y - a - b x, and those squares.
struct Line {
  double a = 0, b = 0, squares = 0;
};

Line fit_line(std::span<const double> x, std::span<const double> y, std::span<const double> w) {
  double sum = 0, mean_x = 0, mean_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += w[i], mean_x += w[i] * x[i], mean_y += w[i] * y[i];
  mean_x /= sum;
  mean_y /= sum;
  double xx = 0, xy = 0, raw_xx = 0, raw_xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += w[i] * (x[i] - mean_x) * (x[i] - mean_x);
    xy += w[i] * (x[i] - mean_x) * (y[i] - mean_y);
    raw_xx += w[i] * x[i] * x[i];
    raw_xy += w[i] * x[i] * y[i];
  }
  Line line{mean_y, 0, 0};
  if (xx > 0 && xy > 0) line = {mean_y - xy / xx * mean_x, xy / xx, 0};
  if (line.a < 0) line = {0, raw_xy / raw_xx, 0};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = y[i] - line.a - line.b * x[i];
    line.squares += w[i] * off * off;
  }
  return line;
}

// Errors at every size over the rows drawn.
struct Errors {
  std::vector<double> accuracy, coverage;  // 1 - each
};
Errors errors_over(const CurvePoints& points, std::span<const std::uint32_t> rows, double target) {
  Errors errors;
  std::vector<float> right(rows.size() * points.repeats), confidence(right.size());
  for (std::size_t s = 0; s < points.sizes.size(); ++s) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::size_t r = 0; r < points.repeats; ++r) {
        right[i * points.repeats + r] = points.right[s][rows[i] * points.repeats + r];
        confidence[i * points.repeats + r] = points.confidence[s][rows[i] * points.repeats + r];
      }
    const double sum = std::accumulate(right.begin(), right.end(), 0.0);
    errors.accuracy.push_back(1 - sum / static_cast<double>(right.size()));
    errors.coverage.push_back(1 - coverage_at(right, confidence, target));
  }
  return errors;
}

// What the form was off by at the last size, when fitted without it; per unit of ln n.
double misfit(std::span<const double> sizes, std::span<const double> errors, std::span<const double> weights) {
  const std::size_t last = sizes.size() - 1;
  if (last < 2) return 0.05;  // two sizes show nothing of the form
  const PowerLaw before = fit_power_law(sizes.first(last), errors.first(last), weights.first(last));
  return std::abs(before.at(sizes[last]) - errors[last]) / std::log(sizes[last] / sizes[last - 1]);
}

CurveEstimate estimate(const std::vector<double>& drawn, double value, double slack, double mass) {
  const double tail = (1 - mass) / 2;
  const double low = quantile(drawn, tail), high = quantile(drawn, 1 - tail);
  // The bootstrap's spread and the form's misfit are errors of different origin: their squares add up.
  const double down = std::hypot(std::max(0.0, value - low), slack);
  const double up = std::hypot(std::max(0.0, high - value), slack);
  return {std::clamp(1 - value, 0.0, 1.0),
          {std::clamp(1 - value - up, 0.0, 1.0), std::clamp(1 - value + down, 0.0, 1.0)}};
}

}  // namespace

double PowerLaw::at(double n) const {
  return a + b * std::pow(n, -c);
}

PowerLaw fit_power_law(std::span<const double> sizes, std::span<const double> errors, std::span<const double> weights) {
  SMIDGEN_CHECK(sizes.size() >= 2 && sizes.size() == errors.size() && sizes.size() == weights.size());
  std::optional<Line> best;
  PowerLaw law;
  std::vector<double> x(sizes.size());
  for (std::size_t step = 0; step <= kPowerSteps; ++step) {
    const double c = kPowerMin + (kPowerMax - kPowerMin) * static_cast<double>(step) / kPowerSteps;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::pow(sizes[i], -c);
    const Line line = fit_line(x, errors, weights);
    if (best && !(line.squares < best->squares - 1e-15)) continue;
    best = line;
    law = {line.a, line.b, c};
  }
  return law;
}

double coverage_at(std::span<const float> right, std::span<const float> confidence, double target) {
  std::vector<std::uint32_t> order(right.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return confidence[a] != confidence[b] ? confidence[a] > confidence[b] : a < b;
  });
  double sum = 0;
  std::size_t covered = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    sum += static_cast<double>(right[order[i]]);
    if (i + 1 < order.size() && confidence[order[i + 1]] == confidence[order[i]]) continue;
    if (sum >= target * static_cast<double>(i + 1)) covered = i + 1;
  }
  return right.empty() ? 0 : static_cast<double>(covered) / static_cast<double>(right.size());
}

std::vector<CurveForecast> forecast(const CurvePoints& points, std::span<const double> ask,
                                    const ForecastOptions& options) {
  const std::size_t rows = points.rows;
  SMIDGEN_CHECK(points.sizes.size() >= 2 && rows >= 1);
  std::vector<std::uint32_t> drawn(rows);
  std::iota(drawn.begin(), drawn.end(), 0U);
  const Errors measured = errors_over(points, drawn, options.target);
  const PowerLaw accuracy = fit_power_law(points.sizes, measured.accuracy, points.sizes);
  const PowerLaw coverage = fit_power_law(points.sizes, measured.coverage, points.sizes);
  const double accuracy_slack = misfit(points.sizes, measured.accuracy, points.sizes);
  const double coverage_slack = misfit(points.sizes, measured.coverage, points.sizes);
  std::vector<std::vector<double>> accuracies(ask.size()), coverages(ask.size());
  Random random(options.seed);
  for (std::size_t draw = 0; draw < options.draws; ++draw) {
    for (std::uint32_t& row : drawn) row = static_cast<std::uint32_t>(random.below(rows));
    const Errors errors = errors_over(points, drawn, options.target);
    const PowerLaw of_accuracy = fit_power_law(points.sizes, errors.accuracy, points.sizes);
    const PowerLaw of_coverage = fit_power_law(points.sizes, errors.coverage, points.sizes);
    for (std::size_t i = 0; i < ask.size(); ++i) {
      accuracies[i].push_back(of_accuracy.at(ask[i]));
      coverages[i].push_back(of_coverage.at(ask[i]));
    }
  }
  std::vector<CurveForecast> out;
  for (std::size_t i = 0; i < ask.size(); ++i) {
    const double reach = std::max(0.0, std::log(ask[i] / points.sizes.back()));
    out.push_back({ask[i], estimate(accuracies[i], accuracy.at(ask[i]), accuracy_slack * reach, options.mass),
                   estimate(coverages[i], coverage.at(ask[i]), coverage_slack * reach, options.mass)});
  }
  return out;
}

}  // namespace smidgen
