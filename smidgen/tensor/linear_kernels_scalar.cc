// The plain reference of the linear rung's kernels: one loop per formula, correct on any processor.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/linear_kernel_table.h"

namespace smidgen {

namespace {

void sparse_scores(const std::uint32_t* columns, const float* values, std::size_t n, const float* weights,
                   std::size_t lanes, float* scores) {
  for (std::size_t j = 0; j < n; ++j) {
    const float* row = weights + std::size_t{columns[j]} * lanes;
    for (std::size_t k = 0; k < lanes; ++k) scores[k] += values[j] * row[k];
  }
}

void sparse_update(const std::uint32_t* columns, const float* values, std::size_t n, float* weights, std::size_t lanes,
                   const float* change) {
  for (std::size_t j = 0; j < n; ++j) {
    float* row = weights + std::size_t{columns[j]} * lanes;
    for (std::size_t k = 0; k < lanes; ++k) row[k] += values[j] * change[k];
  }
}

void int8_scores(const std::uint32_t* indices, const float* values, std::size_t n, const std::int8_t* rows,
                 std::size_t lanes, float* scores) {
  for (std::size_t j = 0; j < n; ++j) {
    const std::int8_t* row = rows + std::size_t{indices[j]} * lanes;
    for (std::size_t k = 0; k < lanes; ++k) scores[k] += values[j] * static_cast<float>(row[k]);
  }
}

// The root u of u + log u = t (Wright's omega function).
double wright_omega(double t) {
  if (t < -30) return std::exp(t);
  double u = t > 1 ? t - std::log(t) : std::exp(t) / (1 + std::exp(t));
  for (int i = 0; i < 20; ++i) {
    const double next = u * (1 + t - std::log(u)) / (1 + u);
    const double moved = std::fabs(next - u);
    u = next;
    if (moved <= 1e-12 * u) break;
  }
  return u;
}

void simplex_step(SimplexStep& step) {
  const double a = step.curvature;
  double score_max = -1e30, v_max = -1e30, dot = 0;
  for (std::size_t k = 0; k < step.lanes; ++k) {
    const double z = step.scores[k], v = z + a * step.p[k];
    score_max = z > score_max ? z : score_max;
    v_max = v > v_max ? v : v_max;
    dot += z * step.p[k];
  }
  double sum = 0;
  for (std::size_t k = 0; k < step.lanes; ++k) sum += std::exp(step.scores[k] - score_max);
  step.log_sum = static_cast<float>(score_max + std::log(sum));
  step.gap = static_cast<float>(score_max + std::log(sum) - dot + step.p_log_p);
  // sum over k of omega(v_k + log a - tau) falls with tau and is convex: Newton from the left never overshoots.
  double tau = v_max - a;
  for (int i = 0; i < 100; ++i) {
    double total = 0, slope = 0;
    for (std::size_t k = 0; k < step.lanes; ++k) {
      const double u = wright_omega(step.scores[k] + a * step.p[k] + std::log(a) - tau);
      total += u;
      slope += u / (1 + u);
    }
    if (std::fabs(total - a) <= 1e-7 * a) break;
    tau += (total - a) / slope;
  }
  double log_total = 0;
  for (std::size_t k = 0; k < step.lanes; ++k) {
    const double old_p = step.p[k];
    const double p = wright_omega(step.scores[k] + a * old_p + std::log(a) - tau) / a;
    step.p[k] = static_cast<float>(p);
    step.change[k] = static_cast<float>(old_p - p);
    if (p > 0) log_total += p * std::log(p);
  }
  step.p_log_p = static_cast<float>(log_total);
}

}  // namespace

const LinearKernels kScalarLinearKernels = {"scalar", sparse_scores, sparse_update, simplex_step, int8_scores};

}  // namespace smidgen
