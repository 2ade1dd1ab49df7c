// Learning curves: the fit on curves whose law is known, coverage by hand, and intervals that are neither too narrow
// nor too wide on simulated ones.
#include "smidgen/learn/learning_curve.h"

#include <gtest/gtest.h>

#include <cmath>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

const std::vector<double> kSizes = {50, 71, 100, 141, 200, 283};

TEST(PowerLaw, IsFoundAgain) {
  for (const PowerLaw law : {PowerLaw{0.05, 2.0, 0.5}, PowerLaw{0, 1.5, 0.3}, PowerLaw{0.2, 8, 1}}) {
    std::vector<double> errors;
    for (const double n : kSizes) errors.push_back(law.at(n));
    const PowerLaw found = fit_power_law(kSizes, errors, kSizes);
    EXPECT_NEAR(found.at(1000), law.at(1000), 1e-3);
    EXPECT_NEAR(found.c, law.c, 1e-6);
  }
}

TEST(PowerLaw, NeverRisesNorFallsBelowZero) {
  const std::vector<double> rising = {0.1, 0.12, 0.13, 0.2, 0.2, 0.25};
  const PowerLaw flat = fit_power_law(kSizes, rising, kSizes);
  EXPECT_EQ(flat.b, 0);
  double mean = 0, weight = 0;
  for (std::size_t i = 0; i < kSizes.size(); ++i) mean += kSizes[i] * rising[i], weight += kSizes[i];
  EXPECT_NEAR(flat.at(10000), mean / weight, 1e-12);
  const std::vector<double> steep = {0.5, 0.4, 0.25, 0.1, 0.02, 0};
  EXPECT_GE(fit_power_law(kSizes, steep, kSizes).at(1e6), 0);
}

TEST(CoverageAt, CountsTheMostConfidentAndNeverPartsEquals) {
  const std::vector<float> right = {1, 1, 0, 1, 0}, confidence = {0.9F, 0.8F, 0.7F, 0.6F, 0.5F};
  EXPECT_DOUBLE_EQ(coverage_at(right, confidence, 1.0), 0.4);
  EXPECT_DOUBLE_EQ(coverage_at(right, confidence, 0.75), 0.8);
  EXPECT_DOUBLE_EQ(coverage_at(right, confidence, 0.6), 1.0);
  const std::vector<float> tied = {0.9F, 0.7F, 0.7F, 0.7F, 0.5F};
  EXPECT_DOUBLE_EQ(coverage_at(right, tied, 0.9), 0.2) << "the second alone cannot be kept";
  const std::vector<float> wrong = {0, 0, 0, 0, 0};
  EXPECT_DOUBLE_EQ(coverage_at(wrong, confidence, 0.5), 0);
  EXPECT_DOUBLE_EQ(coverage_at({}, {}, 0.5), 0);
}

// Rows with a difficulty each; a model of n rows answers what is easier than its skill, and more surely so.
CurvePoints simulated(const PowerLaw& law, std::size_t rows, std::uint64_t seed) {
  Random random(seed);
  CurvePoints points;
  points.sizes = kSizes;
  points.rows = rows;
  points.repeats = 2;
  points.right.assign(kSizes.size(), std::vector<float>(2 * rows));
  points.confidence = points.right;
  for (std::size_t row = 0; row < rows; ++row) {
    const double difficulty = random.uniform();
    for (std::size_t s = 0; s < kSizes.size(); ++s)
      for (std::size_t r = 0; r < 2; ++r) {
        const double shaken = difficulty + 0.1 * random.normal(), wrapped = shaken - std::floor(shaken);
        points.right[s][2 * row + r] = wrapped > law.at(kSizes[s]) ? 1 : 0;
        points.confidence[s][2 * row + r] = static_cast<float>(wrapped);
      }
  }
  return points;
}

TEST(Forecast, IntervalsHoldTheTruthOfMostSimulatedCurves) {
  const std::vector<double> ask = {283, 566};
  std::size_t held[2] = {0, 0}, trials = 0;
  double width[2] = {0, 0};
  for (const PowerLaw law : {PowerLaw{0.05, 2.0, 0.5}, PowerLaw{0, 1.2, 0.25}})
    for (std::uint64_t seed = 1; seed <= 25; ++seed, ++trials) {
      const auto found = forecast(simulated(law, 354, seed), ask, {.draws = 60, .seed = seed});
      ASSERT_EQ(found.size(), 2U);
      for (std::size_t i = 0; i < 2; ++i) {
        const Interval& interval = found[i].accuracy.interval;
        held[i] += interval.low <= 1 - law.at(ask[i]) && 1 - law.at(ask[i]) <= interval.high ? 1 : 0;
        width[i] += interval.high - interval.low;
        EXPECT_LE(interval.low, found[i].accuracy.value);
        EXPECT_GE(interval.high, found[i].accuracy.value);
        EXPECT_LE(found[i].coverage.interval.low, found[i].coverage.interval.high);
      }
    }
  EXPECT_GE(held[0], trials * 8 / 10);
  EXPECT_GE(held[1], trials * 8 / 10);
  EXPECT_LT(width[0] / static_cast<double>(trials), 0.12) << "an interval that holds everything says nothing";
  EXPECT_LT(width[1] / static_cast<double>(trials), 0.2);
  EXPECT_GT(width[1], width[0]) << "further away is less sure";
}

TEST(Forecast, IsTheSameForASeed) {
  const CurvePoints points = simulated({0.1, 1, 0.5}, 200, 1);
  const std::vector<double> ask = {400};
  const auto a = forecast(points, ask, {}), b = forecast(points, ask, {});
  EXPECT_EQ(a[0].accuracy.interval.low, b[0].accuracy.interval.low);
  EXPECT_EQ(a[0].coverage.interval.high, b[0].coverage.interval.high);
}

}  // namespace
}  // namespace smidgen
