#include "smidgen/base/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace smidgen {
namespace {

struct GoldenRow {
  std::string function;
  std::vector<double> numbers;  // arguments, then the value
};

std::vector<GoldenRow> golden_rows() {
  std::ifstream in(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/statistics.csv");
  std::vector<GoldenRow> rows;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    GoldenRow row;
    std::getline(fields, row.function, ',');
    for (std::string field; std::getline(fields, field, ',');) row.numbers.push_back(std::stod(field));
    rows.push_back(row);
  }
  return rows;
}

double compute(const GoldenRow& row) {
  const std::vector<double>& a = row.numbers;
  const auto whole = [&](std::size_t i) { return static_cast<std::uint64_t>(a[i]); };
  const std::string& f = row.function;
  if (f == "cdf") return binomial_cdf(whole(0), whole(1), a[2]);
  if (f == "upper") return std::exp(log_binomial_upper_tail(whole(0), whole(1), a[2]));
  if (f == "logpmf") return log_binomial_pmf(whole(0), whole(1), a[2]);
  if (f == "logcdf") return log_binomial_lower_tail(whole(0), whole(1), a[2]);
  if (f == "logbeta") return log_incomplete_beta(a[0], a[1], a[2]);
  if (f == "cp_low") return clopper_pearson(whole(0), whole(1), a[2]).low;
  if (f == "cp_high") return clopper_pearson(whole(0), whole(1), a[2]).high;
  if (f == "wilson_low") return wilson(whole(0), whole(1), a[2]).low;
  if (f == "wilson_high") return wilson(whole(0), whole(1), a[2]).high;
  if (f == "cp_lower") return clopper_pearson_lower(whole(0), whole(1), a[2]);
  if (f == "cp_upper") return clopper_pearson_upper(whole(0), whole(1), a[2]);
  if (f == "mcnemar") return mcnemar_exact(whole(0), whole(1));
  if (f == "normal") return normal_quantile(a[0]);
  if (f == "quantile") return quantile(std::span(a).first(a.size() - 2), a[a.size() - 2]);
  ADD_FAILURE() << "unknown function " << f;
  return NAN;
}

TEST(Statistics, AgreesWithScipy) {
  const auto rows = golden_rows();
  ASSERT_GT(rows.size(), 200u);
  for (const GoldenRow& row : rows) {
    const double expected = row.numbers.back(), actual = compute(row);
    const double tolerance = 2e-10 * std::abs(expected) + 1e-15;
    EXPECT_NEAR(actual, expected, tolerance)
        << row.function << " " << row.numbers[0] << " " << row.numbers[1] << " " << row.numbers[2];
  }
}

TEST(Statistics, TailsComplementAndMatchThePlainSum) {
  for (std::uint64_t n : {1u, 7u, 40u}) {
    for (double p : {0.01, 0.4, 0.93}) {
      double sum = 0;
      for (std::uint64_t k = 0; k <= n; ++k) {
        sum += std::exp(log_binomial_pmf(k, n, p));
        EXPECT_NEAR(binomial_cdf(k, n, p), sum, 1e-13);
        EXPECT_NEAR(std::exp(log_binomial_upper_tail(k + 1, n, p)), 1 - sum, 1e-13);
      }
      EXPECT_NEAR(sum, 1, 1e-13);
    }
  }
}

TEST(Statistics, RealTailEqualsIntegerTail) {
  for (std::uint64_t n : {59u, 500u, 20000u}) {
    for (std::uint64_t k : {std::uint64_t{0}, std::uint64_t{1}, n / 40, n / 20, n / 10, n - 1}) {
      const double exact = log_binomial_lower_tail(k, n, 0.05);
      EXPECT_NEAR(log_binomial_lower_tail_real(static_cast<double>(k), static_cast<double>(n), 0.05), exact,
                  1e-9 * (1 + std::abs(exact)));
    }
  }
}

TEST(Statistics, EdgesOfTheParameterSpace) {
  EXPECT_EQ(binomial_cdf(0, 10, 0), 1);
  EXPECT_EQ(binomial_cdf(9, 10, 1), 0);
  EXPECT_EQ(binomial_cdf(10, 10, 1), 1);
  EXPECT_EQ(binomial_cdf(0, 0, 0.05), 1);
  EXPECT_EQ(clopper_pearson(0, 0, 0.95).low, 0);
  EXPECT_EQ(clopper_pearson(0, 0, 0.95).high, 1);
  for (const auto& [hits, n] :
       {std::pair(0, 0), std::pair(0, 7), std::pair(7, 7), std::pair(97, 100), std::pair(1, 2000)}) {
    const Interval exact = clopper_pearson(static_cast<std::uint64_t>(hits), static_cast<std::uint64_t>(n), 0.95),
                   real = clopper_pearson_real(hits, n, 0.95);
    EXPECT_NEAR(real.low, exact.low, 1e-12) << hits << " of " << n;
    EXPECT_NEAR(real.high, exact.high, 1e-12) << hits << " of " << n;
  }
  EXPECT_EQ(wilson(0, 0, 0.95).high, 1);
}

TEST(Statistics, ClopperPearsonInvertsTheTest) {  // bound >= 1 - alpha exactly when the binomial test passes
  for (std::uint64_t errors = 0; errors <= 40; ++errors) {
    const bool passes = binomial_cdf(errors, 500, 0.05) <= 0.05;
    EXPECT_EQ(clopper_pearson_lower(500 - errors, 500, 0.05) >= 0.95, passes) << errors;
  }
}

TEST(Statistics, ErrorsAllowedIsTheLastThatPasses) {
  std::uint64_t k = 99;
  EXPECT_FALSE(errors_allowed(58, 0.05, 0.05, k));
  ASSERT_TRUE(errors_allowed(59, 0.05, 0.05, k));
  EXPECT_EQ(k, 0u);
  ASSERT_TRUE(errors_allowed(2000, 0.05, 0.05, k));
  EXPECT_LE(binomial_cdf(k, 2000, 0.05), 0.05);
  EXPECT_GT(binomial_cdf(k + 1, 2000, 0.05), 0.05);
  EXPECT_EQ(trials_for_zero_errors(0.05, 0.05), 59u);
  EXPECT_EQ(trials_for_zero_errors(0.5, 0.5), 1u);
  EXPECT_EQ(trials_for_zero_errors(0.01, 0.05), 299u);
}

TEST(Statistics, HolmIsMonotoneAndKeepsInputOrder) {
  const std::vector<double> p = {0.04, 0.01, 0.03, 0.9};
  const auto adjusted = holm(p);
  EXPECT_DOUBLE_EQ(adjusted[1], 0.04);
  EXPECT_DOUBLE_EQ(adjusted[2], 0.09);
  EXPECT_DOUBLE_EQ(adjusted[0], 0.09);
  EXPECT_DOUBLE_EQ(adjusted[3], 0.9);
  EXPECT_TRUE(holm({}).empty());
}

}  // namespace
}  // namespace smidgen
