// Calibration and blending: fits one Stage of a Policy (model/policy.h) from scores of rungs that never saw the rows.
//
//   p = softmax( sum_i w_i logp_i + b ),  minimised:  -sum_rows ln p(truth) + prior_w/2 |w - w0|^2 + prior_b/2 |b|^2
//
// Four methods, simplest first: temperature (the own rung's weight alone; Guo et al. 2017), blend (all rungs' weights,
// w_i >= 0; the logarithmic opinion pool, stacking as Wolpert 1992), and either with a bias per label (vector scaling,
// L2-regularised). All are convex. Cross-validation over units chooses: the simplest whose log loss is within one
// standard error (of the paired difference, by unit) of the best, so a blend or bias is kept only where it helps.
//
//   Calibration c = calibrate({.scores = scores, .labels = labels, .units = units, .rungs = 3, .label_count = 77},
//                             columns, options);
//   policy.stages.push_back(c.stage);       // fitted on all rows
//   use(c.probabilities);                   // each row's from parameters fitted without its fold: honest thresholds
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/evaluate.h"
#include "smidgen/model/policy.h"

namespace smidgen {

// Out-of-fold scores: log-probabilities from rungs not fitted on these rows.
struct ScoredRows {
  std::span<const float> scores;          // (n, rungs, label_count), finite natural logarithms
  std::span<const std::uint32_t> labels;  // (n), below label_count
  std::span<const std::uint32_t> units;   // (n) dense or not; rows of one unit never part. Empty: every row its own.
  std::size_t rungs = 0, label_count = 0;
  std::size_t size() const { return labels.size(); }
};

struct CalibrationOptions {
  std::size_t folds = 5;
  std::uint64_t seed = 0;           // deals units to folds
  bool blend = true;                // may stack earlier rungs
  bool bias = true;                 // may add a bias per label
  std::size_t bias_rows_min = 100;  // a label, on average: with fewer a bias is never tried (77 labels: it never paid)
  double weight_prior = 1;          // prior_w: what keeps weights finite on separable rows
  double bias_prior = 10;           // prior_b
  std::size_t rows_max = 5000;      // a fit uses at most so many rows, drawn evenly: few parameters need no more
};

struct Calibration {
  Stage stage;                       // threshold 0; weights one per column
  std::string method;                // "temperature", "blend", "temperature+bias", "blend+bias"
  std::vector<float> probabilities;  // (n, label_count), cross-fitted
  Evaluation before, after;          // of the own (last) rung's scores as they came; of `probabilities`
  struct Tried {
    std::string method;
    double log_loss = 0, accuracy = 0;  // cross-validated
  };
  std::vector<Tried> tried;
};

// row_loss of what `calibration` gives each row's truth, its label; labels (n), of the rows that were calibrated.
std::vector<double> losses_of(const Calibration& calibration, std::span<const std::uint32_t> labels);

// columns: rungs of `rows` the stage may stack, in ladder order; the last is the stage's own. n >= 1. The pool may be
// null; results do not depend on it.
Calibration calibrate(const ScoredRows& rows, std::span<const std::size_t> columns, const CalibrationOptions& options,
                      ThreadPool* pool = nullptr);

}  // namespace smidgen
