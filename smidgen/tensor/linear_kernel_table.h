// Kernels of the rung `linear`: sparse rows against a dense matrix of class weights. Raw pointers only; one table per
// instruction set, as in kernel_table.h and under the same rules for includes (linear_kernels_{scalar,avx2,avx512}.cc).
//
// A weight row holds `lanes` numbers, one per label, padded with zeros to linear_lanes(labels), so that every row is a
// whole number of vectors. Each output element is one chain of multiply-adds in the order of the list.
#pragma once

#include <cstddef>
#include <cstdint>

namespace smidgen {

// Weights a row: 1 for a binary task (one vector is enough), then 4, 8, and multiples of 16.
constexpr std::size_t linear_lanes(std::size_t labels) {
  if (labels <= 2) return 1;
  if (labels <= 4) return 4;
  if (labels <= 8) return 8;
  return (labels + 15) / 16 * 16;
}

// A padding lane's bias: its probability is 0 in every float.
inline constexpr float kLinearPaddingBias = -1e30F;

// One step of dual coordinate descent: the sub-problem of one example (learn/linear_solver.h has the formulas).
struct SimplexStep {
  const float* scores = nullptr;  // (lanes), of the present weights; kLinearPaddingBias in the padding
  float* p = nullptr;             // (lanes), in: the example's dual variables, sum 1; out: their new values
  float* change = nullptr;        // (lanes), out: old p - new p
  float* work = nullptr;          // (lanes) of scratch
  std::size_t lanes = 0;          // a multiple of 4
  float curvature = 0;            // C |x|^2 > 0
  float p_log_p = 0;              // in: sum p log p of the old p; out: of the new
  float log_sum = 0;              // out: log sum exp(scores)
  float gap = 0;                  // out: KL(old p || softmax(scores)) >= 0 up to rounding
};

struct LinearKernels {
  const char* name;
  // scores (lanes) += sum over j < n of values[j] * weights[columns[j] * lanes ...]
  void (*sparse_scores)(const std::uint32_t* columns, const float* values, std::size_t n, const float* weights,
                        std::size_t lanes, float* scores);
  // weights[columns[j] * lanes ...] += values[j] * change (lanes), for j < n
  void (*sparse_update)(const std::uint32_t* columns, const float* values, std::size_t n, float* weights,
                        std::size_t lanes, const float* change);
  void (*simplex_step)(SimplexStep& step);
  // scores (lanes) += sum over j < n of values[j] * rows[indices[j] * lanes ...], int8 weights
  void (*int8_scores)(const std::uint32_t* indices, const float* values, std::size_t n, const std::int8_t* rows,
                      std::size_t lanes, float* scores);
};

extern const LinearKernels kScalarLinearKernels;
extern const LinearKernels kAvx2LinearKernels;
extern const LinearKernels kAvx512LinearKernels;

}  // namespace smidgen
