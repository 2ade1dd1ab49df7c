#include "smidgen/learn/blend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

using Columns = std::vector<std::size_t>;

// Two labels; rung r says `signal[r]` in favour of the truth, plus noise of its own of standard deviation `noise[r]`.
struct World {
  std::vector<float> scores;
  std::vector<std::uint32_t> labels, units;
  World(std::size_t n, const std::vector<double>& signal, const std::vector<double>& noise, std::uint64_t seed) {
    Random random(seed);
    for (std::size_t i = 0; i < n; ++i) {
      const auto label = static_cast<std::uint32_t>(random.below(2));
      labels.push_back(label);
      for (std::size_t r = 0; r < signal.size(); ++r) {
        const double logit = (label == 1 ? signal[r] : -signal[r]) + noise[r] * random.normal();
        scores.push_back(static_cast<float>(-std::log1p(std::exp(logit))));
        scores.push_back(static_cast<float>(-std::log1p(std::exp(-logit))));
      }
    }
  }
  ScoredRows rows(std::size_t rungs) const { return {scores, labels, units, rungs, 2}; }
};

TEST(Blend, KeepsARungThatAddsALittle) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const World world(600, {1, 0.3, 1}, {1, 1, 1}, seed);
    const Blend blend = choose_blend(world.rows(3), {.seed = seed});
    EXPECT_EQ(blend.columns, (Columns{0, 1, 2})) << seed;
    EXPECT_EQ(blend.calibration.stage.weights.size(), 3U);
  }
}

TEST(Blend, KeepsAllOfTwoEqualRungsRatherThanChooseByNoise) {
  // Either alone is as good as both: no subset is better by a standard error.
  World world(600, {1}, {1}, 5);
  std::vector<float> doubled;
  for (std::size_t i = 0; i < world.scores.size(); i += 2)
    for (int copy = 0; copy < 2; ++copy) doubled.insert(doubled.end(), {world.scores[i], world.scores[i + 1]});
  world.scores = doubled;
  EXPECT_EQ(choose_blend(world.rows(2), {}).columns, (Columns{0, 1}));
}

TEST(Blend, LeavesOutARungThatHurts) {
  // With the first rung right everywhere, any weight on later ones is a loss; a stage's own rung must have some.
  const World world(400, {6, 0, 0}, {0.5, 3, 3}, 9);
  EXPECT_EQ(choose_blend(world.rows(3), {}).columns, Columns{0});
}

}  // namespace
}  // namespace smidgen
