#include "smidgen/tensor/linear_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "smidgen/base/random.h"
#include "smidgen/tensor/kernels.h"

namespace smidgen {
namespace {

std::vector<const LinearKernels*> tables() {
  std::vector<const LinearKernels*> out;
  for (const Kernels* available : available_kernels()) {
    for (const LinearKernels* table : {&kScalarLinearKernels, &kAvx2LinearKernels, &kAvx512LinearKernels}) {
      if (std::string(table->name) == available->name) out.push_back(table);
    }
  }
  return out;
}

const std::size_t kLaneCounts[] = {1, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176};

TEST(LinearKernels, SparseRowsAgreeWithTheScalarTwin) {
  Random random(3);
  for (const std::size_t lanes : kLaneCounts) {
    for (const std::size_t n : {0, 1, 7, 33}) {
      std::vector<float> weights(50 * lanes), values(n), start(lanes);
      std::vector<std::int8_t> bytes(50 * lanes);
      std::vector<std::uint32_t> columns(n);
      for (float& w : weights) w = static_cast<float>(random.normal());
      for (std::int8_t& b : bytes) b = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
      for (float& v : values) v = static_cast<float>(random.normal());
      for (float& s : start) s = static_cast<float>(random.normal());
      for (std::uint32_t& c : columns) c = static_cast<std::uint32_t>(random.below(50));
      std::vector<float> scores = start, from_bytes = start, updated = weights;
      kScalarLinearKernels.sparse_scores(columns.data(), values.data(), n, weights.data(), lanes, scores.data());
      kScalarLinearKernels.int8_scores(columns.data(), values.data(), n, bytes.data(), lanes, from_bytes.data());
      kScalarLinearKernels.sparse_update(columns.data(), values.data(), n, updated.data(), lanes, start.data());
      for (const LinearKernels* table : tables()) {
        std::vector<float> a = start, b = start, c = weights;
        table->sparse_scores(columns.data(), values.data(), n, weights.data(), lanes, a.data());
        table->int8_scores(columns.data(), values.data(), n, bytes.data(), lanes, b.data());
        table->sparse_update(columns.data(), values.data(), n, c.data(), lanes, start.data());
        for (std::size_t k = 0; k < lanes; ++k) {
          EXPECT_NEAR(a[k], scores[k], 1e-4) << table->name << ' ' << lanes;
          EXPECT_NEAR(b[k], from_bytes[k], 1e-2) << table->name << ' ' << lanes;
        }
        for (std::size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], updated[i], 1e-4) << table->name << ' ' << lanes;
      }
    }
  }
}

TEST(LinearKernels, SimplexStepSolvesItsEquationOnEveryPath) {
  Random random(5);
  for (const std::size_t lanes : {std::size_t{4}, std::size_t{8}, std::size_t{16}, std::size_t{80}}) {
    for (const double scale : {0.1, 3.0, 30.0, 300.0}) {
      for (const float curvature : {0.05F, 2.0F, 40.0F, 500.0F}) {
        const std::size_t labels = lanes - 1;
        std::vector<float> scores(lanes, kLinearPaddingBias), old_p(lanes);
        double total = 0;
        for (std::size_t k = 0; k < labels; ++k) {
          scores[k] = static_cast<float>(scale * random.normal());
          old_p[k] = static_cast<float>(std::exp(3 * random.normal()));
          total += old_p[k];
        }
        double p_log_p = 0;
        for (std::size_t k = 0; k < labels; ++k) {
          old_p[k] = static_cast<float>(old_p[k] / total);
          p_log_p += old_p[k] * std::log(static_cast<double>(old_p[k]));
        }
        for (const LinearKernels* table : tables()) {
          std::vector<float> p = old_p, change(lanes), work(lanes);
          SimplexStep step;
          step.scores = scores.data();
          step.p = p.data();
          step.change = change.data();
          step.work = work.data();
          step.lanes = lanes;
          step.curvature = curvature;
          step.p_log_p = static_cast<float>(p_log_p);
          table->simplex_step(step);
          // At the solution log p + a p - z - a old_p is the same number for every label (the largest p decides it).
          double sum = 0;
          std::size_t top = 0;
          for (std::size_t k = 0; k < lanes; ++k) {
            sum += p[k];
            if (p[k] > p[top]) top = k;
            EXPECT_NEAR(change[k], old_p[k] - p[k], 1e-6);
          }
          EXPECT_NEAR(sum, 1, 1e-4) << table->name;
          EXPECT_EQ(p[lanes - 1], 0) << table->name;
          const auto left = [&](std::size_t k) {
            return std::log(static_cast<double>(p[k])) + curvature * (static_cast<double>(p[k]) - old_p[k]) - scores[k];
          };
          for (std::size_t k = 0; k < labels; ++k) {
            if (p[k] < 1e-30F) continue;
            EXPECT_NEAR(left(k), left(top), 2e-3 * (1 + curvature)) << table->name << ' ' << lanes << ' ' << scale;
          }
          EXPECT_GE(step.gap, -1e-3 * (1 + scale));
        }
      }
    }
  }
}

}  // namespace
}  // namespace smidgen
