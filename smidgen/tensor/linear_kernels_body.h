// The vector form of the linear rung's kernels, written once over the compiler's vector types (vectors_body.h) and
// included by the instruction-set files, which say how wide a vector is (kWide floats) and load int8 (widen_int8).
// Everything is in an unnamed namespace: no symbol of these files may be shared with others.
#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/linear_kernel_table.h"
#include "smidgen/tensor/vectors_body.h"

namespace smidgen {

namespace {

// One Newton step for u + log u = t, exact to e^2 / 2 for a relative error e.
template <int kWidth>
inline F<kWidth> omega_refine(F<kWidth> u, F<kWidth> t) {
  const F<kWidth> root = u * (1.0F + t - log_of<kWidth>(u)) / (1.0F + u);
  return u < 1e-30F ? u : root;
}
// Wright's omega: first guess W(x) ~ l (1 - log(1 + l) / (2 + l)), l = log(1 + x), within 1 % (Iacono and Boyd, "New
// approximations to the principal real-valued branch of the Lambert W-function", 2017), then one Newton step; below
// t = -8 the series x (1 - x).
template <int kWidth>
inline F<kWidth> omega_of(F<kWidth> t) {
  const F<kWidth> positive = t > 0.0F ? t : F<kWidth>{};
  const F<kWidth> e = exp_of<kWidth>(t - 2.0F * positive);  // exp(-|t|)
  const F<kWidth> l = positive + log_of<kWidth>(1.0F + e);
  const F<kWidth> guess = l * (1.0F - log_of<kWidth>(1.0F + l) / (2.0F + l));
  const F<kWidth> refined = omega_refine<kWidth>(guess, t);
  return t < -8.0F ? e * (1.0F - e) : refined;
}

template <int kWidth, int kCount>
inline void scores_block(const std::uint32_t* columns, const float* values, std::size_t n, const float* weights,
                         std::size_t lanes, float* scores) {
  F<kWidth> sum[kCount];
  for (int i = 0; i < kCount; ++i) sum[i] = load<kWidth>(scores + i * kWidth);
  for (std::size_t j = 0; j < n; ++j) {
    const float* row = weights + std::size_t{columns[j]} * lanes;
    for (int i = 0; i < kCount; ++i) sum[i] += values[j] * load<kWidth>(row + i * kWidth);
  }
  for (int i = 0; i < kCount; ++i) store<kWidth>(scores + i * kWidth, sum[i]);
}

template <int kWidth, int kCount>
inline void int8_block(const std::uint32_t* indices, const float* values, std::size_t n, const std::int8_t* rows,
                       std::size_t lanes, float* scores) {
  F<kWidth> sum[kCount];
  for (int i = 0; i < kCount; ++i) sum[i] = load<kWidth>(scores + i * kWidth);
  for (std::size_t j = 0; j < n; ++j) {
    const std::int8_t* row = rows + std::size_t{indices[j]} * lanes;
    for (int i = 0; i < kCount; ++i) sum[i] += values[j] * widen_int8(row + i * kWidth, F<kWidth>{});
  }
  for (int i = 0; i < kCount; ++i) store<kWidth>(scores + i * kWidth, sum[i]);
}

void sparse_scores(const std::uint32_t* columns, const float* values, std::size_t n, const float* weights,
                   std::size_t lanes, float* scores) {
  if (lanes == 1) {
    float sum = scores[0];
    for (std::size_t j = 0; j < n; ++j) sum += values[j] * weights[columns[j]];
    scores[0] = sum;
    return;
  }
  if (lanes == 4) return scores_block<4, 1>(columns, values, n, weights, lanes, scores);
  if (lanes == 8) return scores_block<8, 1>(columns, values, n, weights, lanes, scores);
  constexpr std::size_t kStep = 16 / kWide;
  for (std::size_t first = 0; first < lanes;) {
    const std::size_t vectors = (lanes - first) / kWide;
    const float* block = weights + first;
    float* out = scores + first;
    if (vectors >= 8) {
      scores_block<kWide, 8>(columns, values, n, block, lanes, out);
      first += 8 * kWide;
    } else if (vectors >= 5 && kStep == 1) {
      scores_block<kWide, 5>(columns, values, n, block, lanes, out);
      first += 5 * kWide;
    } else if (vectors >= 4) {
      scores_block<kWide, 4>(columns, values, n, block, lanes, out);
      first += 4 * kWide;
    } else if (vectors >= 2) {
      scores_block<kWide, 2>(columns, values, n, block, lanes, out);
      first += 2 * kWide;
    } else {
      scores_block<kWide, 1>(columns, values, n, block, lanes, out);
      first += kWide;
    }
  }
}

void int8_scores(const std::uint32_t* indices, const float* values, std::size_t n, const std::int8_t* rows,
                 std::size_t lanes, float* scores) {
  if (lanes == 1) {
    float sum = scores[0];
    for (std::size_t j = 0; j < n; ++j) sum += values[j] * static_cast<float>(rows[indices[j]]);
    scores[0] = sum;
    return;
  }
  if (lanes == 4) return int8_block<4, 1>(indices, values, n, rows, lanes, scores);
  if (lanes == 8) return int8_block<8, 1>(indices, values, n, rows, lanes, scores);
  constexpr std::size_t kStep = 16 / kWide;
  for (std::size_t first = 0; first < lanes;) {
    const std::size_t vectors = (lanes - first) / kWide;
    const std::int8_t* block = rows + first;
    float* out = scores + first;
    if (vectors >= 8) {
      int8_block<kWide, 8>(indices, values, n, block, lanes, out);
      first += 8 * kWide;
    } else if (vectors >= 5 && kStep == 1) {
      int8_block<kWide, 5>(indices, values, n, block, lanes, out);
      first += 5 * kWide;
    } else if (vectors >= 4) {
      int8_block<kWide, 4>(indices, values, n, block, lanes, out);
      first += 4 * kWide;
    } else if (vectors >= 2) {
      int8_block<kWide, 2>(indices, values, n, block, lanes, out);
      first += 2 * kWide;
    } else {
      int8_block<kWide, 1>(indices, values, n, block, lanes, out);
      first += kWide;
    }
  }
}

template <int kWidth>
inline void update_rows(const std::uint32_t* columns, const float* values, std::size_t n, float* weights,
                        std::size_t lanes, const float* change) {
  for (std::size_t j = 0; j < n; ++j) {
    float* row = weights + std::size_t{columns[j]} * lanes;
    for (std::size_t k = 0; k < lanes; k += kWidth) {
      store<kWidth>(row + k, load<kWidth>(row + k) + values[j] * load<kWidth>(change + k));
    }
  }
}

void sparse_update(const std::uint32_t* columns, const float* values, std::size_t n, float* weights, std::size_t lanes,
                   const float* change) {
  if (lanes == 1) {
    const float moved = change[0];
    for (std::size_t j = 0; j < n; ++j) weights[columns[j]] += values[j] * moved;
  } else if (lanes == 4) {
    update_rows<4>(columns, values, n, weights, lanes, change);
  } else if (lanes == 8) {
    update_rows<8>(columns, values, n, weights, lanes, change);
  } else {
    update_rows<kWide>(columns, values, n, weights, lanes, change);
  }
}

// As the scalar twin, but the roots of the inner equation follow tau by one Newton step where tau moved little.
template <int kWidth>
inline void simplex_step_of(SimplexStep& step) {
  using Float = F<kWidth>;
  const std::size_t lanes = step.lanes;
  const float a = step.curvature;
  float log_a = log_of<4>(splat<4>(a))[0];
  Float score_max = splat<kWidth>(-1e30F), v_max = splat<kWidth>(-1e30F), dot = {};
  for (std::size_t k = 0; k < lanes; k += kWidth) {
    const Float z = load<kWidth>(step.scores + k), p = load<kWidth>(step.p + k), v = z + a * p;
    score_max = z > score_max ? z : score_max;
    v_max = v > v_max ? v : v_max;
    dot += z * p;
    store<kWidth>(step.change + k, v + log_a);  // t + tau, until the end
  }
  const float z_max = max_of<kWidth>(score_max);
  Float sum = {};
  for (std::size_t k = 0; k < lanes; k += kWidth) sum += exp_of<kWidth>(load<kWidth>(step.scores + k) - z_max);
  step.log_sum = z_max + log_of<4>(splat<4>(sum_of<kWidth>(sum)))[0];
  step.gap = step.log_sum - sum_of<kWidth>(dot) + step.p_log_p;

  const float tau_min = max_of<kWidth>(v_max) - a;
  float tau = tau_min, moved = 1e30F;
  float* u = step.work;
  for (int round = 0; round < 30; ++round) {
    Float total = {}, slope = {};
    const bool near = moved < 0.05F && moved > -0.05F;
    for (std::size_t k = 0; k < lanes; k += kWidth) {
      const Float t = load<kWidth>(step.change + k) - tau;
      const Float root = near ? omega_refine<kWidth>(load<kWidth>(u + k), t) : omega_of<kWidth>(t);
      store<kWidth>(u + k, root);
      total += root;
      slope += root / (1.0F + root);
    }
    const float excess = sum_of<kWidth>(total) - a;
    if (excess <= 2e-5F * a && excess >= -2e-5F * a) break;
    moved = excess / sum_of<kWidth>(slope);
    if (tau + moved < tau_min) moved = tau_min - tau;
    tau += moved;
  }
  Float total = {};
  for (std::size_t k = 0; k < lanes; k += kWidth) total += load<kWidth>(u + k);
  const float scale = 1.0F / sum_of<kWidth>(total);
  Float log_total = {};
  for (std::size_t k = 0; k < lanes; k += kWidth) {
    const Float p = load<kWidth>(u + k) * scale;
    log_total += p * log_of<kWidth>(p);
    store<kWidth>(step.change + k, load<kWidth>(step.p + k) - p);
    store<kWidth>(step.p + k, p);
  }
  step.p_log_p = sum_of<kWidth>(log_total);
}

void simplex_step(SimplexStep& step) {
  if (step.lanes == 4) return simplex_step_of<4>(step);
  if (step.lanes == 8) return simplex_step_of<8>(step);
  simplex_step_of<kWide>(step);
}

}  // namespace

}  // namespace smidgen
