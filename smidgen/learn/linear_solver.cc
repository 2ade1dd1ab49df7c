#include "smidgen/learn/linear_solver.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "smidgen/base/random.h"
#include "smidgen/tensor/linear_kernels.h"

namespace smidgen {
namespace {

// The constant column's share of |x|^2: small, since it adds to the curvature of every step (measured: epochs double
// from 0.1 to 1), and the proximal centre follows each epoch anyway.
constexpr float kBiasSquare = 0.1F;

struct Epoch {
  double gap = 0, loss = 0;  // sums over rows, times their weights
};

// With two labels a target is one number.
double share_of_second(std::span<const SoftLabel> target) {
  double share = 0;
  for (const SoftLabel& entry : target)
    if (entry.label == 1) share += static_cast<double>(entry.share);
  return share;
}

// (lanes), the rest of `out` zero.
void spread(std::span<const SoftLabel> target, std::span<float> out) {
  std::fill(out.begin(), out.end(), 0.0F);
  if (out.size() == 1) {
    out[0] = static_cast<float>(share_of_second(target));
    return;
  }
  for (const SoftLabel& entry : target) out[entry.label] += entry.share;
}

class Descent {
 public:
  Descent(const LinearDesign& design, const SoftLabels& y, std::span<const float> row_weights, float c, LinearFit& fit)
      : design_(design),
        y_(y),
        row_weights_(row_weights),
        c_(c),
        fit_(fit),
        scores_(fit.lanes),
        change_(fit.lanes),
        work_(fit.lanes) {}

  Epoch run(std::span<const std::uint32_t> order) {
    Epoch epoch;
    for (const std::uint32_t row : order) fit_.lanes == 1 ? step_two_labels(row, epoch) : step(row, epoch);
    return epoch;
  }

 private:
  float cost(std::size_t row) const { return c_ * (row_weights_.empty() ? 1.0F : row_weights_[row]); }

  void gather(std::size_t row) {
    const std::uint64_t begin = design_.offsets[row], n = design_.offsets[row + 1] - begin;
    std::copy(fit_.bias.begin(), fit_.bias.end(), scores_.begin());
    kernels_.sparse_scores(design_.indices.data() + begin, design_.values.data() + begin, n, fit_.weights.data(),
                           fit_.lanes, scores_.data());
  }
  // change_ holds cost * (old p - new p).
  void scatter(std::size_t row) {
    const std::uint64_t begin = design_.offsets[row], n = design_.offsets[row + 1] - begin;
    kernels_.sparse_update(design_.indices.data() + begin, design_.values.data() + begin, n, fit_.weights.data(),
                           fit_.lanes, change_.data());
    for (std::size_t k = 0; k < fit_.lanes; ++k) fit_.bias[k] += kBiasSquare * change_[k];
  }

  void step(std::size_t row, Epoch& epoch) {
    const float cost_of_row = cost(row);
    if (!(cost_of_row > 0)) return;
    float* p = fit_.p.data() + row * fit_.lanes;
    gather(row);
    // The row's own columns: their weights are cost * (y - p) * value.
    const float own = cost_of_row * design_.own_square[row];
    for (std::size_t k = 0; k < fit_.labels; ++k) scores_[k] -= own * p[k];
    for (const SoftLabel& entry : y_.of(row)) scores_[entry.label] += own * entry.share;
    SimplexStep call;
    call.scores = scores_.data();
    call.p = p;
    call.change = change_.data();
    call.work = work_.data();
    call.lanes = fit_.lanes;
    call.curvature = cost_of_row * (design_.square[row] + kBiasSquare);
    call.p_log_p = fit_.p_log_p[row];
    kernels_.simplex_step(call);
    fit_.p_log_p[row] = call.p_log_p;
    epoch.gap += std::max(0.0, static_cast<double>(cost_of_row) * call.gap);
    double score_of_target = 0;
    for (const SoftLabel& entry : y_.of(row))
      score_of_target += static_cast<double>(entry.share) * static_cast<double>(scores_[entry.label]);
    epoch.loss += static_cast<double>(cost_of_row) * (call.log_sum - score_of_target);
    for (std::size_t k = 0; k < fit_.lanes; ++k) change_[k] *= cost_of_row;
    scatter(row);
  }

  // Two labels: p is a number, z the logit of label 1; solve s + a sigmoid(s) = z + a p for s = logit(p').
  void step_two_labels(std::size_t row, Epoch& epoch) {
    const double cost_of_row = cost(row);
    if (!(cost_of_row > 0)) return;
    gather(row);
    const double y = share_of_second(y_.of(row)), p = fit_.p[row];
    const double z = scores_[0] + cost_of_row * design_.own_square[row] * (y - p);
    const double a = cost_of_row * (design_.square[row] + kBiasSquare), v = z + a * p;
    const double log_sum = std::max(z, 0.0) + std::log1p(std::exp(-std::fabs(z)));
    epoch.gap += std::max(0.0, cost_of_row * (log_sum - z * p + fit_.p_log_p[row]));
    epoch.loss += cost_of_row * (log_sum - z * y);
    // The root lies in [v - a, v]; Newton, and bisection where Newton leaves the bracket.
    double low = v - a, high = v, s = std::clamp(std::log((p + 1e-12) / (1 - p + 1e-12)), low, high);
    double q = 0;
    for (int i = 0; i < 50; ++i) {
      q = 1 / (1 + std::exp(-s));
      const double excess = s + a * q - v;
      if (std::fabs(excess) < 1e-5 * (1 + a * q * (1 - q))) break;
      (excess > 0 ? high : low) = s;
      s -= excess / (1 + a * q * (1 - q));
      if (!(s > low && s < high)) s = 0.5 * (low + high);
    }
    fit_.p[row] = static_cast<float>(q);
    const double new_p = fit_.p[row];
    fit_.p_log_p[row] = static_cast<float>((new_p > 0 ? new_p * std::log(new_p) : 0) +
                                           (new_p < 1 ? (1 - new_p) * std::log1p(-new_p) : 0));
    change_[0] = static_cast<float>(cost_of_row * (p - new_p));
    scatter(row);
  }

  const LinearKernels& kernels_ = linear_kernels();
  const LinearDesign& design_;
  const SoftLabels& y_;
  std::span<const float> row_weights_;
  float c_;
  LinearFit& fit_;
  std::vector<float> scores_, change_, work_;
};

// Starts at p = y for every row: W = 0, feasible.
void start(const LinearDesign& design, const SoftLabels& y, std::size_t labels, LinearFit& fit) {
  fit.labels = labels;
  fit.lanes = linear_lanes(labels);
  fit.weights.assign(design.shared_columns * fit.lanes, 0.0F);
  fit.bias.assign(fit.lanes, 0.0F);
  if (fit.lanes > 1)
    std::fill(fit.bias.begin() + static_cast<std::ptrdiff_t>(labels), fit.bias.end(), kLinearPaddingBias);
  fit.p.assign(design.rows * fit.lanes, 0.0F);
  fit.p_log_p.assign(design.rows, 0.0F);
  for (std::size_t row = 0; row < design.rows; ++row) {
    spread(y.of(row), std::span(fit.p).subspan(row * fit.lanes, fit.lanes));
    double p_log_p = 0;
    for (const SoftLabel& entry : y.of(row)) {
      const double p = static_cast<double>(entry.share);
      if (p > 0 && p < 1) p_log_p += p * std::log(p);
    }
    fit.p_log_p[row] = static_cast<float>(p_log_p);
  }
}

// sum over rows of cost * (y - p), the intercept's constraint violation: moves the proximal centre.
void recentre(const SoftLabels& y, std::span<const float> row_weights, LinearFit& fit) {
  std::vector<double> sum(fit.lanes);
  for (std::size_t row = 0; row < y.rows(); ++row) {
    const double cost = fit.c * (row_weights.empty() ? 1.0 : row_weights[row]);
    for (std::size_t k = 0; k < fit.lanes; ++k) sum[k] -= cost * fit.p[row * fit.lanes + k];
    if (fit.lanes == 1) {
      sum[0] += cost * share_of_second(y.of(row));
    } else {
      for (const SoftLabel& entry : y.of(row)) sum[entry.label] += cost * static_cast<double>(entry.share);
    }
  }
  for (std::size_t k = 0; k < fit.lanes; ++k) fit.bias[k] += kBiasSquare * static_cast<float>(sum[k]);
}

// |W|^2 over the columns that stand in one row, whose weights are cost * (y - p) * value.
double own_square_of(const LinearDesign& design, const SoftLabels& y, std::span<const float> row_weights,
                     const LinearFit& fit) {
  double sum = 0;
  std::vector<float> target(fit.lanes);
  for (std::size_t row = 0; row < design.rows; ++row) {
    const double cost = fit.c * (row_weights.empty() ? 1.0 : row_weights[row]);
    const float* p = fit.p.data() + row * fit.lanes;
    double square = 0;
    spread(y.of(row), target);
    for (std::size_t k = 0; k < fit.lanes; ++k) {
      const double residual = static_cast<double>(target[k]) - static_cast<double>(p[k]);
      square += residual * residual;
    }
    sum += cost * cost * square * design.own_square[row];
  }
  return sum;
}

double square_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum;
}

}  // namespace

Status fit_linear(const LinearDesign& design, const SoftLabels& y, std::size_t labels,
                  std::span<const float> row_weights, const LinearSolverOptions& options, const Watcher& watcher,
                  LinearFit& fit) {
  SMIDGEN_CHECK(y.rows() == design.rows && labels >= 2 && options.c > 0);
  if (fit.labels == 0) {
    start(design, y, labels, fit);
  } else {
    const float ratio = static_cast<float>(options.c / fit.c);
    for (float& weight : fit.weights) weight *= ratio;
  }
  fit.c = options.c;
  fit.converged = false;
  std::vector<std::uint32_t> order(design.rows);
  std::iota(order.begin(), order.end(), 0U);
  Random random(options.seed);
  Descent descent(design, y, row_weights, static_cast<float>(options.c), fit);
  for (std::size_t e = 0; e < options.epochs_max && !fit.converged; ++e) {
    if (watcher.stop_requested()) return Error::cancelled();
    random.shuffle(std::span<std::uint32_t>(order));
    const Epoch epoch = descent.run(order);
    recentre(y, row_weights, fit);
    ++fit.epochs;
    fit.gap = epoch.gap;
    fit.objective = epoch.loss + 0.5 * (square_of(fit.weights) + own_square_of(design, y, row_weights, fit));
    fit.converged = e > 0 && fit.gap <= options.gap_max * fit.objective;
    watcher.report("linear: fitting", std::min(1.0, options.gap_max * fit.objective / std::max(fit.gap, 1e-30)));
  }
  return Ok{};
}

std::vector<float> all_weights(const LinearDesign& design, const SoftLabels& y, std::span<const float> row_weights,
                               const LinearFit& fit) {
  std::vector<float> weights(design.columns * fit.lanes);
  std::copy(fit.weights.begin(), fit.weights.end(), weights.begin());
  for (std::size_t row = 0; row < design.rows; ++row) {
    const float cost = static_cast<float>(fit.c) * (row_weights.empty() ? 1.0F : row_weights[row]);
    const float* p = fit.p.data() + row * fit.lanes;
    for (std::uint64_t e = design.own_offsets[row]; e < design.own_offsets[row + 1]; ++e) {
      float* out = weights.data() + std::size_t{design.own_indices[e]} * fit.lanes;
      const float value = cost * design.own_values[e];
      for (std::size_t k = 0; k < fit.lanes; ++k) out[k] = -value * p[k];
      if (fit.lanes == 1) {
        out[0] += value * static_cast<float>(share_of_second(y.of(row)));
      } else {
        for (const SoftLabel& entry : y.of(row)) out[entry.label] += value * entry.share;
      }
    }
  }
  return weights;
}

}  // namespace smidgen
