#include "smidgen/model/policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "smidgen/base/exponential.h"
#include "smidgen/base/random.h"

namespace smidgen {
namespace {

std::vector<float> random_scores(Random& random, std::size_t rungs, std::size_t labels) {
  std::vector<float> scores(rungs * labels);
  for (float& score : scores) score = static_cast<float>(-10 * random.uniform());
  return scores;
}

Policy two_stages() {
  Policy policy;
  policy.stages = {{{1.5F}, {}, 0.9}, {{0.4F, 0.8F}, {0.1F, -0.2F, 0.0F}, 0.6}};
  return policy;
}

TEST(Policy, BlendIsSoftmaxOfTheWeightedSum) {
  Random random(1);
  const Policy policy = two_stages();
  for (int round = 0; round < 200; ++round) {
    const auto scores = random_scores(random, 2, 3);
    std::vector<float> probabilities(3);
    policy.blend(1, scores, probabilities);
    long double sum = 0, terms[3];
    for (std::size_t l = 0; l < 3; ++l) {
      terms[l] = std::exp(static_cast<long double>(0.4F) * scores[l] + static_cast<long double>(0.8F) * scores[3 + l] +
                          policy.stages[1].bias[l]);
      sum += terms[l];
    }
    for (std::size_t l = 0; l < 3; ++l) EXPECT_NEAR(probabilities[l], static_cast<double>(terms[l] / sum), 1e-7);
  }
}

TEST(Policy, PortableExponentialIsAccurate) {
  for (double x = -690; x < 690; x += 0.37) EXPECT_NEAR(exp_portable(x) / std::exp(x), 1, 1e-15) << x;
  EXPECT_EQ(exp_portable(0), 1);
  EXPECT_EQ(exp_portable(-701), 0);
  EXPECT_EQ(exp_portable(-std::numeric_limits<double>::infinity()), 0);
  EXPECT_TRUE(std::isfinite(exp_portable(1e300)));
  EXPECT_TRUE(std::isnan(exp_portable(std::nan(""))));
}

// decide() against decide_at() called the way run does it, rung after rung.
TEST(Policy, StepByStepEqualsAllAtOnce) {
  Random random(2);
  const Policy policy = two_stages();
  std::size_t at[2] = {0, 0}, escalated = 0;
  for (int round = 0; round < 500; ++round) {
    const auto scores = random_scores(random, 2, 3);
    std::vector<float> all(3), step(3);
    const Decision whole = policy.decide(scores, all);
    Decision decision;
    std::size_t stage = 0;
    while (!policy.decide_at(stage, std::span(scores).first((stage + 1) * 3), step, decision)) ++stage;
    EXPECT_EQ(whole.label, decision.label);
    EXPECT_EQ(whole.stage, decision.stage);
    EXPECT_EQ(whole.confidence, decision.confidence);
    EXPECT_EQ(whole.escalated, decision.escalated);
    EXPECT_EQ(all, step);
    ++at[whole.stage];
    escalated += whole.escalated ? 1 : 0;
    EXPECT_TRUE(!whole.escalated || whole.stage == 1);
  }
  EXPECT_GT(at[0], 20u);
  EXPECT_GT(at[1], 20u);
  EXPECT_GT(escalated, 20u);
}

TEST(Policy, ThresholdIsReachedFromAbove) {
  Policy policy;
  policy.stages = {{{1.0F}, {}, 0.5}};
  std::vector<float> probabilities(2);
  const std::vector<float> tie = {std::log(0.5F), std::log(0.5F)};
  Decision decision = policy.decide(tie, probabilities);
  EXPECT_EQ(decision.label, 0u);  // ties: lowest index
  EXPECT_EQ(decision.confidence, 0.5F);
  EXPECT_FALSE(decision.escalated);
  policy.stages[0].threshold = std::nextafter(0.5, 1.0);
  EXPECT_TRUE(policy.decide(tie, probabilities).escalated);
  policy.stages[0].threshold = kNeverLeave;
  const std::vector<float> sure = {0.0F, -50.0F};
  decision = policy.decide(sure, probabilities);
  EXPECT_TRUE(decision.escalated);
  policy.stages[0].threshold = 0;
  EXPECT_FALSE(policy.decide(tie, probabilities).escalated);
}

TEST(Policy, NotANumberEscalates) {  // a rung promises finite scores; if it ever breaks that, no answer is given
  Policy policy;
  policy.stages = {{{1.0F}, {}, 0.0}};
  std::vector<float> probabilities(2);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(policy.decide(std::vector<float>{nan, -1.0F}, probabilities).escalated);
}

TEST(Policy, ManyLabels) {
  Policy policy;
  policy.stages = {{{1.0F}, {}, 0.0}};
  std::vector<float> scores(1000, -7.0F), probabilities(1000);
  scores[777] = -1.0F;
  EXPECT_EQ(policy.decide(scores, probabilities).label, 777u);
}

TEST(Policy, ValidateNamesTheStage) {
  Policy policy = two_stages();
  EXPECT_TRUE(policy.validate(3).ok());
  const auto message = [](const Policy& bad) {
    const auto status = bad.validate(3);
    return status.ok() ? std::string("accepted") : status.error().message();
  };
  policy.stages[1].weights.pop_back();
  EXPECT_NE(message(policy).find("stage 1: 1 weights where 2 are needed"), std::string::npos);
  policy = two_stages();
  policy.stages[1].bias.push_back(0);
  EXPECT_NE(message(policy).find("4 bias values for 3 labels"), std::string::npos);
  policy = two_stages();
  policy.stages[0].weights[0] = std::numeric_limits<float>::infinity();
  EXPECT_NE(message(policy).find("stage 0: a weight is not a number"), std::string::npos);
  policy = two_stages();
  policy.stages[0].threshold = -0.1;
  EXPECT_NE(message(policy).find("threshold must be a number, 0 or more"), std::string::npos);
  policy.stages.clear();
  EXPECT_NE(message(policy).find("needs 1..64 stages"), std::string::npos);
}

}  // namespace
}  // namespace smidgen
