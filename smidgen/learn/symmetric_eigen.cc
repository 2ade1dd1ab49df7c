#include "smidgen/learn/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace smidgen {

namespace {

// A = Q T Q^T: `diagonal` and `off_diagonal` (off_diagonal[i] couples i and i + 1) of T, and Q transposed, so that the
// rotations of the second step work on contiguous rows.
struct Tridiagonal {
  std::vector<double> diagonal, off_diagonal, q_transposed;
};

// Row r of `reflectors` (columns r + 1..n) holds the Householder vector that cleared column r; scale[r] its 2 / |v|^2
// (0: nothing to do).
Tridiagonal tridiagonalize(std::vector<double> a, std::size_t n) {
  Tridiagonal out{std::vector<double>(n), std::vector<double>(n), std::vector<double>(n * n)};
  std::vector<double> reflectors(n * n), scale(n), p(n);
  for (std::size_t r = 0; r + 2 < n; ++r) {
    double* v = &reflectors[r * n];
    double square_sum = 0;
    for (std::size_t i = r + 1; i < n; ++i) {
      v[i] = a[i * n + r];
      square_sum += v[i] * v[i];
    }
    const double head = v[r + 1], tail = square_sum - head * head;
    if (tail <= 0) {
      out.off_diagonal[r] = head;
      continue;
    }
    const double alpha = head > 0 ? -std::sqrt(square_sum) : std::sqrt(square_sum);
    out.off_diagonal[r] = alpha;
    v[r + 1] = head - alpha;
    scale[r] = 2 / (tail + v[r + 1] * v[r + 1]);
    double dot = 0;
    for (std::size_t i = r + 1; i < n; ++i) {
      double sum = 0;
      const double* row = &a[i * n];
      for (std::size_t j = r + 1; j < n; ++j) sum += row[j] * v[j];
      p[i] = scale[r] * sum;
      dot += p[i] * v[i];
    }
    const double half = 0.5 * scale[r] * dot;
    for (std::size_t i = r + 1; i < n; ++i) p[i] -= half * v[i];
    for (std::size_t i = r + 1; i < n; ++i) {
      double* row = &a[i * n];
      const double vi = v[i], pi = p[i];
      for (std::size_t j = r + 1; j < n; ++j) row[j] -= vi * p[j] + pi * v[j];
    }
  }
  if (n >= 2) out.off_diagonal[n - 2] = a[(n - 1) * n + n - 2];
  for (std::size_t i = 0; i < n; ++i) {
    out.diagonal[i] = a[i * n + i];
    out.q_transposed[i * n + i] = 1;
  }
  // Q = H_0 H_1 .. H_{n-3}. Built from the last reflector on, the trailing block stays the only part that is not the
  // identity; q_transposed is symmetric in role, so rows are updated: Q^T <- Q^T H_r, row by row.
  for (std::size_t r = n; r-- > 0;) {
    if (scale[r] == 0) continue;
    const double* v = &reflectors[r * n];
    for (std::size_t i = r + 1; i < n; ++i) {
      double* row = &out.q_transposed[i * n];
      double sum = 0;
      for (std::size_t j = r + 1; j < n; ++j) sum += row[j] * v[j];
      sum *= scale[r];
      for (std::size_t j = r + 1; j < n; ++j) row[j] -= sum * v[j];
    }
  }
  return out;
}

// Chases one bulge from `last` up to `first` with the shift of the leading 2 x 2 block: one implicit QL step.
void ql_step(Tridiagonal& t, std::size_t n, std::size_t first, std::size_t last) {
  auto& d = t.diagonal;
  auto& e = t.off_diagonal;
  double g = (d[first + 1] - d[first]) / (2 * e[first]);
  double radius = std::hypot(g, 1.0);
  g = d[last] - d[first] + e[first] / (g + std::copysign(radius, g));
  double sine = 1, cosine = 1, p = 0;
  for (std::size_t i = last; i-- > first;) {
    double f = sine * e[i];
    const double b = cosine * e[i];
    radius = std::hypot(f, g);
    e[i + 1] = radius;
    if (radius == 0) {  // an exact split: undo the shift and start over
      d[i + 1] -= p;
      e[last] = 0;
      return;
    }
    sine = f / radius;
    cosine = g / radius;
    g = d[i + 1] - p;
    radius = (d[i] - g) * sine + 2 * cosine * b;
    p = sine * radius;
    d[i + 1] = g + p;
    g = cosine * radius - b;
    double* upper = &t.q_transposed[i * n];
    double* lower = upper + n;
    for (std::size_t k = 0; k < n; ++k) {
      f = lower[k];
      lower[k] = sine * upper[k] + cosine * f;
      upper[k] = cosine * upper[k] - sine * f;
    }
  }
  d[first] -= p;
  e[first] = g;
  e[last] = 0;
}

constexpr int kStepsMax = 64;  // per eigenvalue; QL with Wilkinson's shift needs about two

bool diagonalize(Tridiagonal& t, std::size_t n) {
  for (std::size_t first = 0; first < n; ++first) {
    for (int step = 0;; ++step) {
      std::size_t last = first;
      for (; last + 1 < n; ++last) {
        const double size = std::abs(t.diagonal[last]) + std::abs(t.diagonal[last + 1]);
        if (std::abs(t.off_diagonal[last]) <= std::numeric_limits<double>::epsilon() * size) break;
      }
      if (last == first) break;
      if (step == kStepsMax) return false;
      ql_step(t, n, first, last);
    }
  }
  return true;
}

}  // namespace

Result<SymmetricEigen> symmetric_eigen(std::span<const double> matrix, std::size_t size) {
  SMIDGEN_CHECK(matrix.size() == size * size);
  std::vector<double> full(matrix.begin(), matrix.end());
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      if (!std::isfinite(full[i * size + j])) return Error::bad_data("a matrix entry is not a finite number");
      full[j * size + i] = full[i * size + j];
    }
  }
  Tridiagonal t = tridiagonalize(std::move(full), size);
  if (!diagonalize(t, size)) return Error::internal("the eigenvalues of a matrix did not converge");

  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return t.diagonal[a] > t.diagonal[b]; });
  SymmetricEigen out;
  out.size = size;
  out.vectors.reserve(size * size);
  for (const std::size_t j : order) {
    out.values.push_back(t.diagonal[j]);
    const auto row = t.q_transposed.begin() + static_cast<std::ptrdiff_t>(j * size);
    const auto end = row + static_cast<std::ptrdiff_t>(size);
    const double largest =
        size == 0 ? 0 : *std::max_element(row, end, [](double a, double b) { return std::abs(a) < std::abs(b); });
    const double sign = largest < 0 ? -1 : 1;
    std::transform(row, end, std::back_inserter(out.vectors), [sign](double x) { return sign * x; });
  }
  return out;
}

}  // namespace smidgen
