#include "smidgen/learn/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace smidgen {
namespace {

struct Golden {
  std::vector<std::uint32_t> labels;
  std::vector<float> probabilities;
  std::map<std::string, double> values;
};

Golden read_golden() {
  Golden golden;
  std::ifstream in(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/evaluation.csv");
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string kind, field;
    std::getline(fields, kind, ',');
    if (kind == "row") {
      std::getline(fields, field, ',');
      golden.labels.push_back(static_cast<std::uint32_t>(std::stoul(field)));
      while (std::getline(fields, field, ',')) golden.probabilities.push_back(std::stof(field));
    } else if (kind == "value") {
      std::string name;
      std::getline(fields, name, ',');
      std::getline(fields, field, ',');
      golden.values[name] = std::stod(field);
    }
  }
  return golden;
}

TEST(Evaluate, AgreesWithScikitLearn) {
  Golden golden = read_golden();
  ASSERT_EQ(golden.labels.size(), 60u);
  const Evaluation e = evaluate(golden.probabilities, golden.labels, 4);
  EXPECT_NEAR(e.accuracy, golden.values.at("accuracy"), 1e-12);
  EXPECT_NEAR(e.macro_f1, golden.values.at("macro_f1"), 1e-12);
  EXPECT_NEAR(e.log_loss, golden.values.at("log_loss"), 1e-6);
  EXPECT_NEAR(e.calibration.equal_width, golden.values.at("ece"), 1e-6);
  for (std::size_t l = 0; l < 4; ++l) {
    const std::string n = std::to_string(l);
    EXPECT_NEAR(e.classes[l].precision, golden.values.at("precision" + n), 1e-12);
    EXPECT_NEAR(e.classes[l].recall, golden.values.at("recall" + n), 1e-12);
    EXPECT_NEAR(e.classes[l].f1, golden.values.at("f1" + n), 1e-12);
    EXPECT_EQ(static_cast<double>(e.classes[l].support), golden.values.at("support" + n));
  }
  EXPECT_GT(e.classes[3].answered, 0u);  // the label that is only ever a wrong answer is in the mean
  EXPECT_LT(e.accuracy_interval.low, e.accuracy);
  EXPECT_GT(e.accuracy_interval.high, e.accuracy);
}

TEST(Evaluate, ConfusionsMostFrequentFirst) {
  const std::vector<std::uint32_t> labels = {0, 0, 0, 1, 1, 2, 2}, answers = {1, 1, 0, 0, 1, 0, 0};
  const Evaluation e = evaluate_answers(answers, labels, 3, {.confidence = 0.95, .confusions_max = 2});
  ASSERT_EQ(e.confusions.size(), 2u);
  EXPECT_EQ(e.confusions[0].truth, 0u);
  EXPECT_EQ(e.confusions[0].answer, 1u);
  EXPECT_EQ(e.confusions[0].rows, 2u);
  EXPECT_EQ(e.confusions[1].truth, 2u);
  EXPECT_EQ(e.hits, 2u);
}

TEST(Evaluate, CalibrationErrorByHand) {
  const std::vector<float> confidences = {0.95F, 0.95F, 0.55F, 0.55F};
  const std::vector<std::uint8_t> correct = {1, 1, 1, 0};
  const CalibrationError error = calibration_error(confidences, correct, 10);
  EXPECT_NEAR(error.equal_width, 0.5 * 0.05 + 0.5 * 0.05, 1e-6);
  EXPECT_NEAR(error.equal_mass, (0.05 + 0.05 + 0.45 + 0.55) / 4, 1e-6);  // one row a bin
  EXPECT_EQ(error.bins[9].rows, 2u);
  EXPECT_NEAR(error.bins[5].accuracy, 0.5, 1e-12);
  EXPECT_EQ(calibration_error(std::vector<float>{1.0F}, std::vector<std::uint8_t>{1}).bins.back().rows, 1u);
}

TEST(Evaluate, RowsOfOneUnitMakeAnIntervalNoNarrower) {
  std::vector<std::uint8_t> once, often;
  std::vector<std::uint32_t> units, units_often;
  for (std::uint32_t unit = 0; unit < 200; ++unit) {
    once.push_back(unit % 4 != 0);
    units.push_back(unit);
    for (int copy = 0; copy < 10; ++copy) often.push_back(once.back()), units_often.push_back(unit);
  }
  const Interval alone = clustered_interval(once, units, 0.95), exact = clopper_pearson(150, 200, 0.95);
  EXPECT_EQ(alone.low, exact.low);
  EXPECT_EQ(alone.high, exact.high);
  const Interval copied = clustered_interval(often, units_often, 0.95);
  EXPECT_NEAR(copied.low, exact.low, 1e-3);  // a unit fewer, for the mean
  EXPECT_NEAR(copied.high, exact.high, 1e-3);
  // Rows that differ within a unit as much as between units are worth about as much as rows of their own.
  for (std::size_t i = 0; i < often.size(); ++i) often[i] = i * 2654435761U % 4 != 0;
  const Interval mixed = clustered_interval(often, units_often, 0.95), apart = clopper_pearson(1500, 2000, 0.95);
  EXPECT_NEAR(mixed.low, apart.low, 0.01);
  EXPECT_NEAR(mixed.high, apart.high, 0.01);
  // All right: as sure as the units are many.
  std::fill(often.begin(), often.end(), std::uint8_t{1});
  EXPECT_NEAR(clustered_interval(often, units_often, 0.95).low, clopper_pearson(200, 200, 0.95).low, 1e-9);
  EXPECT_EQ(clustered_interval(often, units_often, 0.95).high, 1);
  const Interval none = clustered_interval({}, {}, 0.95);
  EXPECT_EQ(none.low, 0);
  EXPECT_EQ(none.high, 1);
}

TEST(Evaluate, McNemarCountsDiscordantRowsOnly) {
  const std::vector<std::uint32_t> labels(20, 0);
  std::vector<std::uint32_t> first(20, 0), second(20, 0);
  EXPECT_EQ(mcnemar_test(labels, first, second), 1);
  for (std::size_t i = 0; i < 8; ++i) second[i] = 1;
  EXPECT_NEAR(mcnemar_test(labels, first, second), 2 * std::pow(0.5, 8), 1e-12);
  EXPECT_NEAR(mcnemar_test(labels, second, first), 2 * std::pow(0.5, 8), 1e-12);
}

TEST(Evaluate, CoverageRiskCurveKeepsTiesTogether) {
  const std::vector<float> confidences = {0.9F, 0.7F, 0.7F, 0.5F};
  const std::vector<std::uint8_t> correct = {1, 0, 1, 0};
  const auto curve = coverage_risk_curve(confidences, correct);
  ASSERT_EQ(curve.size(), 3u);
  EXPECT_DOUBLE_EQ(curve[0].coverage, 0.25);
  EXPECT_DOUBLE_EQ(curve[0].risk, 0);
  EXPECT_DOUBLE_EQ(curve[1].coverage, 0.75);
  EXPECT_DOUBLE_EQ(curve[1].risk, 1.0 / 3);
  EXPECT_DOUBLE_EQ(curve[2].risk, 0.5);
  EXPECT_DOUBLE_EQ(curve[2].threshold, 0.5);
}

TEST(Evaluate, CoverageRiskCurveIsThinnedToBothEnds) {
  std::vector<float> confidences;
  std::vector<std::uint8_t> correct;
  for (int i = 0; i < 10000; ++i) {
    confidences.push_back(static_cast<float>(i) / 10000);
    correct.push_back(i % 3 != 0);
  }
  const auto curve = coverage_risk_curve(confidences, correct, 50);
  EXPECT_LE(curve.size(), 50u);
  EXPECT_GT(curve.size(), 40u);
  EXPECT_DOUBLE_EQ(curve.back().coverage, 1);
  EXPECT_TRUE(coverage_risk_curve({}, {}).empty());
}

TEST(Evaluate, MajorityComesFromTheKnownLabels) {
  const std::vector<std::uint32_t> known = {2, 1, 2, 1, 0}, labels = {1, 1, 2, 0};
  const MajorityBaseline baseline = majority_baseline(known, labels, 3);
  EXPECT_EQ(baseline.label, 1u);  // 1 and 2 tie
  EXPECT_DOUBLE_EQ(baseline.evaluation.accuracy, 0.5);
}

}  // namespace
}  // namespace smidgen
