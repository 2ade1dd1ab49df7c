// Multinomial logistic regression with L2 on sparse rows, to convergence, by dual coordinate descent.
//
// Problem (scikit-learn's LogisticRegression): minimise over weights W (columns, labels) and intercepts b
//   P = 1/2 |W|^2 + C sum_i c_i loss_i,   loss_i = log sum_k exp(z_ik) - y_i' z_i,   z_i = W' x_i + b,
// where y_i is the row's target: a unit vector, or a teacher's distribution over labels. With two labels it is one
// vector w and the logistic loss.
//
// Method (Yu, Huang, Lin, "Dual coordinate descent methods for logistic regression and maximum entropy models", 2011):
// every row has dual variables p_i on the probability simplex, W = C sum_i c_i (y_i - p_i) x_i, and the duality gap
// is
//   C sum_i c_i KL(p_i || softmax(z_i)),
// zero exactly at the optimum. A step solves one row's sub-problem: with a = C c_i |x_i|^2, find p' with
//   log p'_k + a p'_k = z_k + a p_k - tau,  sum_k p'_k = 1,
// by Newton on tau (each p'_k is Wright's omega function), and adds the change to W. Rows go by in a new random order
// each epoch. One step costs two passes over the row's weights: what a gradient costs, but it converges in tens of
// epochs and needs no step size.
//
// The intercept is not penalised. It enters as a constant column 1 with a penalty 1/2 |b - b_0|^2 around the last
// epoch's value b_0 (a proximal point: at convergence b = b_0 and the penalty is gone).
//
// Converged: gap <= gap_max * P, where both are summed over an epoch as its rows are visited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/learn/linear_features.h"
#include "smidgen/text/soft_labels.h"

namespace smidgen {

struct LinearSolverOptions {
  double c = 20;
  double gap_max = 0.003;
  std::size_t epochs_max = 100;
  std::uint64_t seed = 0;
};

// The state of a fit. Fitting again with another C starts from here (W is rescaled, the dual variables stay feasible).
struct LinearFit {
  std::size_t labels = 0, lanes = 0;
  std::vector<float> weights;  // (shared_columns, lanes) while fitting; (columns, lanes) after finish()
  std::vector<float> bias;     // (lanes); kLinearPaddingBias in the padding
  std::vector<float> p;        // (rows, lanes) dual variables; with two labels the probability of label 1
  std::vector<float> p_log_p;  // (rows)
  double c = 0;
  double gap = 0, objective = 0;  // of the last epoch, as visited
  std::size_t epochs = 0;         // in all
  bool converged = false;
};

// y: target of each training row of the design, over [0, labels). row_weights: c_i >= 0, or empty for 1.
// `fit` is empty (labels == 0) or the outcome of a fit of the same design.
Status fit_linear(const LinearDesign& design, const SoftLabels& y, std::size_t labels,
                  std::span<const float> row_weights, const LinearSolverOptions& options, const Watcher& watcher,
                  LinearFit& fit);

// Weights of all columns, those of single rows included: (columns, lanes).
std::vector<float> all_weights(const LinearDesign& design, const SoftLabels& y, std::span<const float> row_weights,
                               const LinearFit& fit);

}  // namespace smidgen
