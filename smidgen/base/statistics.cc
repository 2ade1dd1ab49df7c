#include "smidgen/base/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "smidgen/base/result.h"

namespace smidgen {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ln(n!) minus Stirling's formula, n >= 0 (Loader 2000, section 3): exact values up to 15, then the series.
double stirling_error(double n) {
  static constexpr double kExact[16] = {
      0.0,
      0.0810614667953272582196702,
      0.0413406959554092940938221,
      0.02767792568499833914878929,
      0.02079067210376509311152277,
      0.01664469118982119216319487,
      0.01387612882307074799874573,
      0.01189670994589177009505572,
      0.010411265261972096497478567,
      0.009255462182712732917728637,
      0.008330563433362871256469318,
      0.007573675487951840794972024,
      0.006942840107209529865664152,
      0.006408994188004207068439631,
      0.005951370112758847735624416,
      0.005554733551962801371038690,
  };
  if (n <= 15 && n == std::floor(n)) return kExact[static_cast<int>(n)];
  const double nn = n * n;
  return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - 1.0 / 1188 / nn) / nn) / nn) / nn) / n;
}

// x ln(x / m) + m - x without cancellation near x = m (Loader's bd0).
double deviance(double x, double m) {
  if (std::abs(x - m) < 0.1 * (x + m)) {
    const double v = (x - m) / (x + m);
    double sum = (x - m) * v;
    double term = 2 * x * v;
    for (int j = 1; j < 1000; ++j) {
      term *= v * v;
      const double next = sum + term / (2 * j + 1);
      if (next == sum) break;
      sum = next;
    }
    return sum;
  }
  return x * std::log(x / m) + m - x;
}

// Sum of P(X = k), P(X = k - 1), ... as a multiple of P(X = k): the ratio of neighbours falls with k, so the sum ends
// once a term no longer counts.
double lower_sum(double k, double n, double p) {
  const double odds = (1 - p) / p;
  double term = 1, sum = 1;
  for (double i = k; i >= 1; --i) {
    term *= i / (n - i + 1) * odds;
    sum += term;
    if (term < sum * 1e-17) break;
  }
  return sum;
}

// ln(1 - e^x), x <= 0 (Maechler 2012).
double log1m_exp(double x) {
  if (x >= 0) return -kInfinity;
  return x > -std::numbers::ln2 ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x));
}

// ln P(X <= k) summed directly; right in the lower tail.
double log_lower_direct(std::uint64_t k, std::uint64_t n, double p) {
  const double sum = lower_sum(static_cast<double>(k), static_cast<double>(n), p);
  return std::min(0.0, log_binomial_pmf(k, n, p) + std::log(sum));
}

// Root of a falling function in (0, 1) by bisection, to the last bit or so.
template <class Function>
double bisect_falling(const Function& f) {
  double low = 0, high = 1;
  for (int i = 0; i < 400; ++i) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high || high - low <= 1e-15 * high) break;
    (f(middle) > 0 ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

// Lentz's algorithm for the continued fraction of I_x(a, b), without its factor (DLMF 8.17.22).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  if (std::abs(d) < kTiny) d = kTiny;
  d = 1 / d;
  double h = d;
  for (int m = 1; m < 100000; ++m) {
    const double m2 = 2.0 * m;
    const auto step = [&](double numerator) {
      d = 1 + numerator * d;
      c = 1 + numerator / c;
      if (std::abs(d) < kTiny) d = kTiny;
      if (std::abs(c) < kTiny) c = kTiny;
      d = 1 / d;
      h *= d * c;
      return d * c;
    };
    step(m * (b - m) * x / ((a + m2 - 1) * (a + m2)));
    if (std::abs(step(-(a + m) * (a + b + m) * x / ((a + m2) * (a + m2 + 1))) - 1) < 1e-15) break;
  }
  return h;
}

// lgamma of glibc writes the global signgam; this one is safe between threads.
double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

// ln of x^a (1-x)^b / (a B(a, b)).
double log_beta_factor(double a, double b, double x) {
  return log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * std::log(x) + b * std::log1p(-x) - std::log(a);
}

}  // namespace

double log_binomial_pmf(std::uint64_t k, std::uint64_t n, double p) {
  SMIDGEN_CHECK(p >= 0 && p <= 1);
  if (k > n) return -kInfinity;
  const double dn = static_cast<double>(n), dk = static_cast<double>(k), rest = static_cast<double>(n - k);
  if (p == 0) return k == 0 ? 0 : -kInfinity;
  if (p == 1) return k == n ? 0 : -kInfinity;
  if (k == 0) return dn * std::log1p(-p);
  if (k == n) return dn * std::log(p);
  const double corrections = stirling_error(dn) - stirling_error(dk) - stirling_error(rest);
  return corrections - deviance(dk, dn * p) - deviance(rest, dn * (1 - p)) +
         0.5 * std::log(dn / (2 * std::numbers::pi * dk * rest));
}

double log_binomial_lower_tail(std::uint64_t k, std::uint64_t n, double p) {
  SMIDGEN_CHECK(p >= 0 && p <= 1);
  if (k >= n || p == 0) return 0;
  if (p == 1) return -kInfinity;
  if (static_cast<double>(k) <= static_cast<double>(n) * p) return log_lower_direct(k, n, p);
  return log1m_exp(log_binomial_upper_tail(k + 1, n, p));
}

double log_binomial_upper_tail(std::uint64_t k, std::uint64_t n, double p) {
  SMIDGEN_CHECK(p >= 0 && p <= 1);
  if (k == 0) return 0;
  if (k > n || p == 0) return -kInfinity;
  if (p == 1) return 0;
  // P(X >= k) is P(n - X <= n - k) with n - X ~ Bin(n, 1 - p); terms fall from k upwards when k lies above the mean.
  if (static_cast<double>(k) < static_cast<double>(n) * p) return log1m_exp(log_lower_direct(k - 1, n, p));
  const double dn = static_cast<double>(n), odds = p / (1 - p);
  double term = 1, sum = 1;
  for (double i = static_cast<double>(k); i < dn; ++i) {
    term *= (dn - i) / (i + 1) * odds;
    sum += term;
    if (term < sum * 1e-17) break;
  }
  return std::min(0.0, log_binomial_pmf(k, n, p) + std::log(sum));
}

double binomial_cdf(std::uint64_t k, std::uint64_t n, double p) {
  return std::exp(log_binomial_lower_tail(k, n, p));
}

double log_incomplete_beta(double a, double b, double x) {
  SMIDGEN_CHECK(a > 0 && b > 0 && x >= 0 && x <= 1);
  if (x == 0) return -kInfinity;
  if (x == 1) return 0;
  if (x < (a + 1) / (a + b + 2)) return std::min(0.0, log_beta_factor(a, b, x) + std::log(beta_fraction(a, b, x)));
  return log1m_exp(log_beta_factor(b, a, 1 - x) + std::log(beta_fraction(b, a, 1 - x)));
}

double log_binomial_lower_tail_real(double k, double n, double p) {
  SMIDGEN_CHECK(k >= 0 && n >= k && p >= 0 && p <= 1);
  if (n - k <= 0 || p == 0) return 0;
  if (p == 1) return -kInfinity;
  if (k == 0) return n * std::log1p(-p);
  return log_incomplete_beta(n - k, k + 1, 1 - p);
}

double clopper_pearson_lower(std::uint64_t hits, std::uint64_t n, double delta) {
  SMIDGEN_CHECK(hits <= n && delta > 0 && delta < 1);
  if (hits == 0) return 0;
  const double log_delta = std::log(delta);
  return bisect_falling([&](double p) { return log_delta - log_binomial_upper_tail(hits, n, p); });
}

double clopper_pearson_upper(std::uint64_t hits, std::uint64_t n, double delta) {
  SMIDGEN_CHECK(hits <= n && delta > 0 && delta < 1);
  if (hits == n) return 1;
  const double log_delta = std::log(delta);
  return bisect_falling([&](double p) { return log_binomial_lower_tail(hits, n, p) - log_delta; });
}

Interval clopper_pearson(std::uint64_t hits, std::uint64_t n, double confidence) {
  const double half = (1 - confidence) / 2;
  return {clopper_pearson_lower(hits, n, half), clopper_pearson_upper(hits, n, half)};
}

Interval clopper_pearson_real(double hits, double n, double confidence) {
  SMIDGEN_CHECK(hits >= 0 && hits <= n && confidence > 0 && confidence < 1);
  const double log_half = std::log((1 - confidence) / 2);
  Interval interval;
  if (hits > 0)
    interval.low = bisect_falling([&](double p) { return log_half - log_incomplete_beta(hits, n - hits + 1, p); });
  if (hits < n)
    interval.high = bisect_falling([&](double p) { return log_binomial_lower_tail_real(hits, n, p) - log_half; });
  return interval;
}

Interval wilson(std::uint64_t hits, std::uint64_t n, double confidence) {
  SMIDGEN_CHECK(hits <= n && confidence > 0 && confidence < 1);
  if (n == 0) return {0, 1};
  const double z = normal_quantile(1 - (1 - confidence) / 2), count = static_cast<double>(n);
  const double share = static_cast<double>(hits) / count, z2 = z * z / count;
  const double centre = (share + z2 / 2) / (1 + z2);
  const double reach = z / (1 + z2) * std::sqrt(share * (1 - share) / count + z2 / (4 * count));
  return {hits == 0 ? 0 : std::max(0.0, centre - reach), hits == n ? 1 : std::min(1.0, centre + reach)};
}

double normal_quantile(double p) {
  SMIDGEN_CHECK(p > 0 && p < 1);
  // Solved on the smaller tail t = min(p, 1 - p): start at the asymptotic value, then Newton on ln of the tail, which
  // is concave, so the steps cannot overshoot for long.
  const double tail = std::min(p, 1 - p), log_tail = std::log(tail);
  double x = std::sqrt(std::max(0.0, -2 * log_tail - std::log(2 * std::numbers::pi)));
  for (int i = 0; i < 100; ++i) {
    const double value = 0.5 * std::erfc(x / std::numbers::sqrt2);
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    const double step = (std::log(value) - log_tail) * value / density;
    x += step;
    if (std::abs(step) <= 1e-15 * (1 + std::abs(x))) break;
  }
  return p < 0.5 ? -x : x;
}

double mcnemar_exact(std::uint64_t only_first, std::uint64_t only_second) {
  const std::uint64_t n = only_first + only_second;
  if (n == 0) return 1;
  return std::min(1.0, 2 * binomial_cdf(std::min(only_first, only_second), n, 0.5));
}

std::vector<double> holm(std::span<const double> p_values) {
  const std::size_t count = p_values.size();
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(count);
  double running = 0;
  for (std::size_t i = 0; i < count; ++i) {
    running = std::max(running, std::min(1.0, static_cast<double>(count - i) * p_values[order[i]]));
    adjusted[order[i]] = running;
  }
  return adjusted;
}

double quantile_of_sorted(std::span<const double> ascending, double q) {
  SMIDGEN_CHECK(!ascending.empty() && q >= 0 && q <= 1);
  const double position = q * static_cast<double>(ascending.size() - 1);
  const auto low = static_cast<std::size_t>(position);
  const std::size_t high = std::min(low + 1, ascending.size() - 1);
  return ascending[low] + (position - static_cast<double>(low)) * (ascending[high] - ascending[low]);
}

double quantile(std::span<const double> values, double q) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return quantile_of_sorted(sorted, q);
}

std::uint64_t trials_for_zero_errors(double alpha, double delta) {
  SMIDGEN_CHECK(alpha > 0 && alpha < 1 && delta > 0 && delta < 1);
  auto n = static_cast<std::uint64_t>(std::max(1.0, std::floor(std::log(delta) / std::log1p(-alpha))));
  while (log_binomial_lower_tail(0, n, alpha) > std::log(delta)) ++n;
  return n;
}

bool errors_allowed(std::uint64_t n, double alpha, double delta, std::uint64_t& k) {
  const double log_delta = std::log(delta);
  if (n == 0 || log_binomial_lower_tail(0, n, alpha) > log_delta) return false;
  std::uint64_t low = 0, high = n;  // passes at low, fails at high
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (log_binomial_lower_tail(middle, n, alpha) <= log_delta ? low : high) = middle;
  }
  k = low;
  return true;
}

}  // namespace smidgen
