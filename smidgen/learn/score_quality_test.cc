#include "smidgen/learn/score_quality.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace smidgen {
namespace {

TEST(ScoreQuality, CountsRightRowsAndSearchesTheTemperature) {
  // Nine rows in ten are right, all equally sure: the best any temperature can do is to say 0.9 each time.
  const std::size_t n = 100;
  for (const float sure : {2.197225F, 1.569446F, 4.394449F}) {  // ln 9, over 1.4, times 2: temperatures of the grid
    std::vector<float> scores;
    std::vector<std::uint32_t> truth;
    for (std::uint32_t i = 0; i < n; ++i) {
      scores.insert(scores.end(), {0.0F, sure});
      truth.push_back(i % 10 == 0 ? 0 : 1);
    }
    const ScoreQuality quality = score_quality(scores, truth, 2);
    EXPECT_NEAR(quality.accuracy, 0.9, 1e-12);
    EXPECT_NEAR(quality.log_loss, -(0.9 * std::log(0.9) + 0.1 * std::log(0.1)), 2e-3) << sure;
  }
}

TEST(ScoreQuality, IgnoresAConstantARowAndBoundsALoss) {
  const std::vector<std::uint32_t> truth = {0, 2, 1};
  std::vector<float> scores = {1, 0, 0, 0, 0.5F, 2, -1, 1, -1};
  const ScoreQuality plain = score_quality(scores, truth, 3);
  for (std::size_t k = 0; k < 3; ++k) scores[3 + k] -= 40;
  const ScoreQuality moved = score_quality(scores, truth, 3);
  EXPECT_NEAR(plain.log_loss, moved.log_loss, 1e-6);
  EXPECT_EQ(plain.accuracy, 1);
  scores[5] = -1e30F;  // the label no row was fitted with
  EXPECT_LT(score_quality(scores, truth, 3).log_loss, std::log(2.0 * 6));
  EXPECT_EQ(score_quality({}, {}, 3).log_loss, 0);
}

TEST(FoldsJudged, AsManyAsHoldEnoughRows) {
  std::vector<std::uint32_t> fold_of;
  for (std::uint32_t i = 0; i < 10000; ++i) fold_of.push_back(i % 5);
  EXPECT_EQ(folds_judged(fold_of, 5), 3U);
  fold_of.resize(4000);
  EXPECT_EQ(folds_judged(fold_of, 5), 5U);
  fold_of.assign(100000, 0);
  EXPECT_EQ(folds_judged(fold_of, 5), 1U);
}

TEST(PairedDifference, RowsOfAUnitAreOneObservation) {
  const std::vector<double> a = {1, 2, 3, 5}, b = {0, 2, 2, 2};  // differences 1 0 1 3
  const PairedDifference rows = paired_difference(a, b, {});
  EXPECT_DOUBLE_EQ(rows.mean, 1.25);
  EXPECT_NEAR(rows.standard_error, std::sqrt((0.0625 + 1.5625 + 0.0625 + 3.0625) / 3 / 4), 1e-12);
  const std::vector<std::uint32_t> units = {9, 4, 9, 4};  // sums 2 and 3
  const PairedDifference grouped = paired_difference(a, b, units);
  EXPECT_DOUBLE_EQ(grouped.mean, 2.5);
  EXPECT_NEAR(grouped.standard_error, 0.5, 1e-12);
  const std::vector<std::uint32_t> one = {1, 1, 1, 1};
  EXPECT_EQ(paired_difference(a, b, one).standard_error, 0);
}

}  // namespace
}  // namespace smidgen
