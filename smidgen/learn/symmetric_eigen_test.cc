#include "smidgen/learn/symmetric_eigen.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

// Largest error of V^T diag(values) V against the matrix, and of V V^T against the identity.
double error_of(const std::vector<double>& a, const SymmetricEigen& eigen) {
  const std::size_t n = eigen.size;
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double rebuilt = 0, identity = 0;
      for (std::size_t k = 0; k < n; ++k) {
        rebuilt += eigen.vectors[k * n + i] * eigen.values[k] * eigen.vectors[k * n + j];
        identity += eigen.vectors[i * n + k] * eigen.vectors[j * n + k];
      }
      worst = std::max({worst, std::abs(rebuilt - a[i * n + j]), std::abs(identity - (i == j ? 1.0 : 0.0))});
    }
  }
  return worst;
}

TEST(SymmetricEigen, RebuildsRandomMatrices) {
  Random random(7);
  for (const std::size_t n : {1, 2, 3, 5, 16, 63, 100}) {
    std::vector<double> a(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = random.normal();
    }
    const auto eigen = symmetric_eigen(a, n);
    ASSERT_TRUE(eigen.ok()) << n;
    EXPECT_LT(error_of(a, *eigen), 1e-11) << n;
    for (std::size_t j = 1; j < n; ++j) EXPECT_GE(eigen->values[j - 1], eigen->values[j]);
  }
}

TEST(SymmetricEigen, KnowsTheSecondDifference) {
  // Eigenvalues of tridiag(-1, 2, -1): 2 - 2 cos(k pi / (n + 1)).
  const std::size_t n = 12;
  std::vector<double> a(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    a[i * n + i] = 2;
    if (i > 0) a[i * n + i - 1] = a[(i - 1) * n + i] = -1;
  }
  const auto eigen = symmetric_eigen(a, n);
  ASSERT_TRUE(eigen.ok());
  for (std::size_t k = 1; k <= n; ++k) {
    EXPECT_NEAR(eigen->values[n - k], 2 - 2 * std::cos(static_cast<double>(k) * std::numbers::pi / (n + 1)), 1e-13);
  }
}

TEST(SymmetricEigen, HandlesRankOneZeroAndDiagonalMatrices) {
  const std::size_t n = 9;
  std::vector<double> zero(n * n), rank_one(n * n), diagonal(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    diagonal[i * n + i] = static_cast<double>(i % 3);
    for (std::size_t j = 0; j < n; ++j) rank_one[i * n + j] = static_cast<double>((i + 1) * (j + 1));
  }
  for (const auto& a : {zero, rank_one, diagonal}) {
    const auto eigen = symmetric_eigen(a, n);
    ASSERT_TRUE(eigen.ok());
    EXPECT_LT(error_of(a, *eigen), 1e-10);
  }
  const auto eigen = symmetric_eigen(rank_one, n);
  EXPECT_NEAR(eigen->values[0], 285.0, 1e-10);  // 1 + 4 + .. + 81
  EXPECT_NEAR(eigen->values[1], 0.0, 1e-10);
}

TEST(SymmetricEigen, FixesSignsAndBits) {
  const std::vector<double> a = {2, 0, 0, 0, 3, 4, 0, 4, 9};
  const auto eigen = symmetric_eigen(a, 3), again = symmetric_eigen(a, 3);
  ASSERT_TRUE(eigen.ok());
  EXPECT_EQ(eigen->vectors, again->vectors);
  for (std::size_t j = 0; j < 3; ++j) {
    double largest = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      if (std::abs(eigen->vectors[j * 3 + i]) > std::abs(largest)) largest = eigen->vectors[j * 3 + i];
    }
    EXPECT_GT(largest, 0);
  }
  EXPECT_NEAR(eigen->values[0], 11, 1e-12);
  EXPECT_NEAR(eigen->values[2], 1, 1e-12);
}

TEST(SymmetricEigen, RefusesNotANumber) {
  const std::vector<double> a = {1, 0, std::numeric_limits<double>::quiet_NaN(), 1};
  const auto eigen = symmetric_eigen(a, 2);
  ASSERT_FALSE(eigen.ok());
  EXPECT_EQ(eigen.error().message(), "a matrix entry is not a finite number");
}

}  // namespace
}  // namespace smidgen
