#include "smidgen/learn/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

// Rows whose true log-odds are known: rung r reports softmax(sharpness[r] * (signal_r)) where the truth is drawn from
// softmax(sum of the signals).
struct World {
  std::vector<float> scores;
  std::vector<std::uint32_t> labels, units;
  std::size_t rungs, label_count;
  ScoredRows rows() const {
    return {.scores = scores, .labels = labels, .units = units, .rungs = rungs, .label_count = label_count};
  }
};

void append_log_softmax(std::vector<float>& out, const std::vector<double>& logits) {
  double sum = 0;
  for (const double z : logits) sum += std::exp(z);
  for (const double z : logits) out.push_back(static_cast<float>(z - std::log(sum)));
}

World make_world(std::size_t rows, std::size_t labels, const std::vector<double>& sharpness, bool useful_first,
                 double shift, std::uint64_t seed) {
  World world{{}, {}, {}, sharpness.size(), labels};
  Random random(seed);
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<double> total(labels, 0);
    total[0] += shift;
    std::vector<std::vector<double>> signals;
    for (std::size_t r = 0; r < sharpness.size(); ++r) {
      std::vector<double> signal(labels);
      for (double& s : signal) s = 2 * random.normal();
      const bool counts = r + 1 == sharpness.size() || useful_first;
      for (std::size_t l = 0; l < labels && counts; ++l) total[l] += signal[l];
      signals.push_back(signal);
    }
    double sum = 0;
    for (const double z : total) sum += std::exp(z);
    double draw = random.uniform() * sum;
    std::uint32_t truth = 0;
    while (truth + 1 < labels && draw > std::exp(total[truth])) draw -= std::exp(total[truth++]);
    world.labels.push_back(truth);
    world.units.push_back(static_cast<std::uint32_t>(i));
    for (std::size_t r = 0; r < sharpness.size(); ++r) {
      for (double& s : signals[r]) s *= sharpness[r];
      append_log_softmax(world.scores, signals[r]);
    }
  }
  return world;
}

TEST(Calibrate, FindsTheTemperature) {  // a rung three times too sure
  const World world = make_world(4000, 4, {3.0}, true, 0, 1);
  const std::size_t columns[] = {0};
  const Calibration c = calibrate(world.rows(), columns, {});
  EXPECT_EQ(c.method, "temperature");
  EXPECT_NEAR(c.stage.weights[0], 1.0 / 3, 0.02);
  EXPECT_GT(c.before.calibration.equal_width, 0.1);
  EXPECT_LT(c.after.calibration.equal_width, 0.03);
  EXPECT_LT(c.after.log_loss, c.before.log_loss);
  EXPECT_NEAR(c.after.accuracy, c.before.accuracy, 1e-12);  // temperature never changes the answer
}

TEST(Calibrate, BlendsWhereItHelps) {
  const World world = make_world(4000, 3, {2.0, 0.5}, true, 0, 2);
  const std::size_t columns[] = {0, 1};
  const Calibration c = calibrate(world.rows(), columns, {});
  EXPECT_EQ(c.method, "blend");
  EXPECT_NEAR(c.stage.weights[0], 0.5, 0.06);
  EXPECT_NEAR(c.stage.weights[1], 2.0, 0.2);
  EXPECT_GT(c.after.accuracy, c.before.accuracy + 0.1);
}

TEST(Calibrate, LeavesAUselessRungAlone) {
  const World world = make_world(2000, 3, {1.0, 1.0}, false, 0, 3);
  const std::size_t columns[] = {0, 1};
  const Calibration c = calibrate(world.rows(), columns, {});
  EXPECT_EQ(c.method, "temperature");
  EXPECT_EQ(c.stage.weights[0], 0);
  EXPECT_NEAR(c.stage.weights[1], 1, 0.1);
}

TEST(Calibrate, AddsABiasWhereLabelsAreShifted) {
  const World world = make_world(4000, 3, {1.0}, true, 2.0, 4);
  const std::size_t columns[] = {0};
  const Calibration c = calibrate(world.rows(), columns, {});
  EXPECT_EQ(c.method, "temperature+bias");
  ASSERT_EQ(c.stage.bias.size(), 3u);
  EXPECT_NEAR(c.stage.bias[0] - c.stage.bias[1], 2.0, 0.25);
  EXPECT_NEAR(c.stage.bias[0] - c.stage.bias[2], 2.0, 0.25);
  EXPECT_EQ(calibrate(world.rows(), columns, {.bias = false}).method, "temperature");
}

// The fit against brute force: no weight on a fine grid has a smaller regularised loss.
TEST(Calibrate, IsTheMinimum) {
  const World world = make_world(300, 3, {1.7}, true, 0, 5);
  const std::size_t columns[] = {0};
  const Calibration c = calibrate(world.rows(), columns, {.bias = false, .weight_prior = 2});
  const auto loss = [&](double w) {
    double sum = (w - 1) * (w - 1);
    for (std::size_t i = 0; i < 300; ++i) {
      double total = 0;
      for (std::size_t l = 0; l < 3; ++l) total += std::exp(w * static_cast<double>(world.scores[3 * i + l]));
      sum += std::log(total) - w * static_cast<double>(world.scores[3 * i + world.labels[i]]);
    }
    return sum;
  };
  const double found = loss(c.stage.weights[0]);
  for (double w = 0.05; w < 3; w += 0.001) EXPECT_GE(loss(w), found - 1e-6) << w;
}

// A row's probabilities must not depend on its own label: flip it, and only other rows' may change.
TEST(Calibrate, ProbabilitiesAreCrossFitted) {
  World world = make_world(60, 2, {1.0, 1.0}, true, 0, 6);
  const std::size_t columns[] = {0, 1};
  const CalibrationOptions options = {.blend = false, .bias = false};
  const Calibration before = calibrate(world.rows(), columns, options);
  world.labels[17] = 1 - world.labels[17];
  const Calibration after = calibrate(world.rows(), columns, options);
  EXPECT_EQ(before.probabilities[34], after.probabilities[34]);
  std::size_t changed = 0;
  for (std::size_t k = 0; k < before.probabilities.size(); ++k) {
    changed += before.probabilities[k] != after.probabilities[k] ? 1 : 0;
  }
  EXPECT_GT(changed, 60u);
}

TEST(Calibrate, UnitsStayTogether) {  // copies of one row share a fold: their probabilities are equal
  World world = make_world(40, 2, {1.0}, true, 0, 7);
  for (std::size_t i = 0; i < 10; ++i) {
    world.units[30 + i] = 5;
    world.labels[30 + i] = world.labels[5];
    world.scores[2 * (30 + i)] = world.scores[10];
    world.scores[2 * (30 + i) + 1] = world.scores[11];
  }
  const std::size_t columns[] = {0};
  const Calibration c = calibrate(world.rows(), columns, {});
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(c.probabilities[2 * (30 + i)], c.probabilities[10]);
}

TEST(Calibrate, SurvivesPerfectAndTinyAndHopelessRows) {
  const std::size_t columns[] = {0};
  World perfect{{}, {}, {}, 1, 2};
  for (std::uint32_t i = 0; i < 200; ++i) {
    perfect.labels.push_back(i % 2);
    append_log_softmax(perfect.scores, {i % 2 ? -20.0 : 20.0, i % 2 ? 20.0 : -20.0});
  }
  Calibration c = calibrate(perfect.rows(), columns, {});
  EXPECT_TRUE(std::isfinite(c.stage.weights[0]));
  EXPECT_EQ(c.after.accuracy, 1);
  for (auto& label : perfect.labels) label = 1 - label;  // always wrong: nearly flat, never inverted
  c = calibrate(perfect.rows(), columns, {.bias = false});
  EXPECT_GT(c.stage.weights[0], 0);
  EXPECT_LT(c.stage.weights[0], 0.05F);
  const World one = make_world(1, 2, {1.0}, true, 0, 8);
  c = calibrate(one.rows(), columns, {});
  EXPECT_NEAR(c.probabilities[0] + c.probabilities[1], 1, 1e-6);
}

TEST(Calibrate, ThreadsChangeNothing) {
  const World world = make_world(500, 5, {2.0, 0.5, 1.0}, true, 1, 9);
  const std::size_t columns[] = {0, 2};
  ThreadPool pool(3);
  const Calibration a = calibrate(world.rows(), columns, {}), b = calibrate(world.rows(), columns, {}, &pool);
  EXPECT_EQ(a.probabilities, b.probabilities);
  EXPECT_EQ(a.stage.weights, b.stage.weights);
  EXPECT_EQ(a.stage.bias, b.stage.bias);
}

}  // namespace
}  // namespace smidgen
