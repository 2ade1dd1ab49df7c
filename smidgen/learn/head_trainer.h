// Multinomial logistic regression on dense features (sentence embeddings), to convergence.
//
// The objective is scikit-learn's (LogisticRegression, lbfgs), so C means the same here:
//   F(W, b) = C * sum_i -log softmax(W x_i + b)[y_i] + |W|^2 / 2,     b is not penalised,
// or, with HeadOptions::targets, against a distribution and weighted (fit_targets.h);
// with two labels the penalty is that of its single weight vector (w = W_1 - W_0), |W|^2.
//
// The idea: the features are centred and rotated onto their principal axes once. Neither changes the optimum (the bias
// takes the mean, |W| does not see a rotation), but the Hessian becomes nearly diagonal, mean(p (1 - p)) * variance_j +
// 1 / C for label k and axis j, and L-BFGS (Nocedal, "Updating quasi-Newton matrices with limited storage", 1980)
// preconditioned with that diagonal needs some 10 to 30 passes where the plain one needs hundreds.
//
// Determinism: rows are cut into slabs by their number alone; every slab adds in row order and slabs are added in
// index order, so the number of threads changes no bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/fit_targets.h"
#include "smidgen/learn/score_quality.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

struct HeadOptions {
  // Stop when the loss above the optimum, estimated from gradient and diagonal Hessian, is below this (nats a row).
  double tolerance = 1e-6;
  std::size_t iterations_max = 300;
  const FitTargets* targets = nullptr;  // by row of the trainer; none: its labels
};

struct HeadFit {
  SoftmaxHead head;      // takes the raw features
  double c = 0;          //
  double objective = 0;  // F / C at the end
  std::size_t iterations = 0, passes = 0;
  bool converged = false;
  std::vector<double> rotated;  // (labels, dimensions + 1): weights on the principal axes, then the bias; a warm start
};

// How good one C is on rows that were not fitted on.
struct HeadPoint {
  double c = 0;
  ScoreQuality quality;
};

struct HeadSearch {
  double c = 0;                    // the chosen one
  std::vector<HeadPoint> tried;    // rising C
  std::vector<float> out_of_fold;  // (rows, labels) log-probabilities at the chosen C, each row's from the other folds
};

// 0.25, 1, 4 .. 256.
std::vector<double> default_head_c_grid();

// Prepared features, for many fits on subsets of their rows. Immutable; fits run one after the other and use all
// threads of the pool, which must outlive the trainer.
class HeadTrainer {
 public:
  // features: (labels.size(), dimensions) row-major, dimensions in 1..4096; labels: below label_count. Non-finite
  // features are kBadData naming the row.
  static Result<HeadTrainer> create(std::span<const float> features, std::size_t dimensions,
                                    std::span<const std::uint32_t> labels, std::size_t label_count, ThreadPool& pool);
  HeadTrainer(HeadTrainer&&) noexcept;
  HeadTrainer& operator=(HeadTrainer&&) noexcept;
  ~HeadTrainer();

  // Fits on `rows` (at least one). A label without a row among them gets the probability 1 / (2 rows) on average.
  Result<HeadFit> fit(std::span<const std::uint32_t> rows, double c, const Watcher& watcher,
                      const HeadFit* start = nullptr, const HeadOptions& options = {}) const;

  // Chooses C by cross-validation: fold_of[i] < folds is the fold of rows[i], every fold is scored by fits on the
  // others along the grid (rising, each C starting where the last ended), and the least log loss at the best
  // temperature wins. Stops early after two worse points in a row. Of many rows not all folds are tried
  // (score_quality.h). The scores of the chosen C are kept: blending and calibration want exactly these, so a choice by
  // cross-validation costs little more than one on a held-out part. `targets` are what is fitted; labels judge.
  Result<HeadSearch> cross_validate(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> fold_of,
                                    std::size_t folds, std::span<const double> c_grid, const Watcher& watcher,
                                    const FitTargets* targets = nullptr) const;

  // (rows.size(), labels) log-probabilities of a fit.
  void score(const HeadFit& fit, std::span<const std::uint32_t> rows, std::span<float> scores) const;

  std::size_t labels() const;
  std::size_t dimensions() const;

  // For tests: F / C and its gradient with respect to HeadFit::rotated, over `rows`.
  double objective(std::span<const std::uint32_t> rows, double c, std::span<const double> rotated,
                   std::vector<double>& gradient) const;

 private:
  struct State;
  explicit HeadTrainer(std::unique_ptr<const State> state);
  Status score_folds(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> fold_of, double c,
                     const FitTargets* targets, const Watcher& watcher, std::size_t first, std::size_t last,
                     std::span<HeadFit> starts, std::span<float> scores) const;
  std::unique_ptr<const State> state_;
};

}  // namespace smidgen
