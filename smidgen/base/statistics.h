// Exact statistics for counts: binomial tails, intervals for a share, paired and multiple tests, quantiles.
//
// A certificate is one comparison `tail <= delta`, so the tails here are exact (no normal approximation) and accurate
// to 2e-10 relative for up to 1e7 trials, also far out where they are 1e-300 (in logarithms, further).
//
//   binomial_cdf(3, 100, 0.05)            -> 0.2578   P(at most 3 errors in 100 | error rate 5 %)
//   clopper_pearson(97, 100, 0.95)        -> [0.915, 0.994]
//   mcnemar_exact(12, 30)                 -> 0.0079   do two classifiers differ?
//
// Sources: Loader, "Fast and accurate computation of binomial probabilities" (2000), for the mass; Clopper and Pearson
// (1934); Wilson (1927); McNemar (1947), exact form; Holm (1979); Hyndman and Fan (1996), quantile type 7. The tests
// compare with numbers from SciPy (tests/golden/statistics.py).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace smidgen {

struct Interval {
  double low = 0, high = 1;
};

// ln P(X = k), X ~ Bin(n, p). k <= n, p in [0, 1]; -infinity for an impossible k.
double log_binomial_pmf(std::uint64_t k, std::uint64_t n, double p);

// ln P(X <= k) and ln P(X >= k), each accurate in its own small tail. k > n is allowed. At most about 9 sqrt(n) steps.
double log_binomial_lower_tail(std::uint64_t k, std::uint64_t n, double p);
double log_binomial_upper_tail(std::uint64_t k, std::uint64_t n, double p);
// P(X <= k).
double binomial_cdf(std::uint64_t k, std::uint64_t n, double p);

// ln I_x(a, b), the regularised incomplete beta function; a, b > 0, x in [0, 1]. Continued fraction (DLMF 8.17.22).
double log_incomplete_beta(double a, double b, double x);
// ln P(X <= k) continued to real n >= k >= 0 by I_{1-p}(n - k, k + 1): what a count that is itself an expectation is
// judged by. Equals log_binomial_lower_tail at integers.
double log_binomial_lower_tail_real(double k, double n, double p);

// Clopper-Pearson: exact intervals for the share behind `hits` of n. n = 0 gives [0, 1]. confidence in (0, 1).
Interval clopper_pearson(std::uint64_t hits, std::uint64_t n, double confidence);  // two-sided, equal tails
double clopper_pearson_lower(std::uint64_t hits, std::uint64_t n, double delta);   // P(bound > share) <= delta
double clopper_pearson_upper(std::uint64_t hits, std::uint64_t n, double delta);
// The two-sided one continued to real n >= hits >= 0 by the incomplete beta function.
Interval clopper_pearson_real(double hits, double n, double confidence);

// Wilson score interval: closer to its nominal confidence on average, but not guaranteed; for tables, never for
// certificates.
Interval wilson(std::uint64_t hits, std::uint64_t n, double confidence);

// Standard normal quantile, p in (0, 1); relative error below 1e-13.
double normal_quantile(double p);

// Exact two-sided McNemar test: `only_first` rows are right under the first classifier alone, `only_second` under the
// second alone. p-value of "equally good"; 1 when they never differ.
double mcnemar_exact(std::uint64_t only_first, std::uint64_t only_second);

// Holm's step-down adjusted p-values, in input order: reject those <= delta and all of them hold together with
// confidence 1 - delta, under any dependence.
std::vector<double> holm(std::span<const double> p_values);

// Quantile of a non-empty sample by linear interpolation (type 7, NumPy's default); q in [0, 1].
double quantile(std::span<const double> values, double q);
double quantile_of_sorted(std::span<const double> ascending, double q);

// Smallest n such that zero errors in n trials rejects "error rate > alpha" at level delta: (1 - alpha)^n <= delta.
std::uint64_t trials_for_zero_errors(double alpha, double delta);

// Largest k with P(Bin(n, alpha) <= k) <= delta; false when even k = 0 has a larger tail.
bool errors_allowed(std::uint64_t n, double alpha, double delta, std::uint64_t& k);

}  // namespace smidgen
