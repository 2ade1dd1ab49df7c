// Trains the rung `linear`: counts n-grams once, chooses features and C by cross-validation, gives out-of-fold scores,
// fits the model that is kept.
//
//   SMIDGEN_ASSIGN(LinearTrainer trainer, LinearTrainer::create(data.texts, data.labels, label_count, pool, watcher));
//   SMIDGEN_ASSIGN(LinearChoice choice, trainer.choose(rows, fold_of_row, 5, tune_rows, {}, watcher));
//   SMIDGEN_ASSIGN(std::vector<float> scores, trainer.out_of_fold(rows, fold_of_row, 5, choice.settings, watcher));
//   SMIDGEN_ASSIGN(std::unique_ptr<LinearRung> rung, trainer.fit(rows, choice.settings, watcher));
//
// Every fit is sequential and depends on the seed only; the pool runs independent fits (feature sets, folds) side by
// side, so results are equal for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/fit_targets.h"
#include "smidgen/learn/linear_features.h"
#include "smidgen/learn/score_quality.h"
#include "smidgen/model/linear.h"

namespace smidgen {

// All that decides a fit.
struct LinearSettings {
  LinearFeatureSet features;
  double c = 20;                        // as in scikit-learn: the loss' weight against 1/2 |W|^2
  double keep = 1;                      // share of the rows of weights that is kept, the most important first
  double gap_max = 0.003;               // converged: duality gap <= gap_max * objective
  std::uint64_t seed = 0;               // of the order of descent
  const FitTargets* targets = nullptr;  // by row of the trainer's texts; none: their labels
};

// Rows of fit and tune below which more settings are tried (a search of short texts then takes a second) and nothing is
// pruned (the model then weighs a megabyte or two, and a few hundred tuning rows do not see what pruning costs):
// docs/ladder.md.
inline constexpr std::size_t kFewRows = 2000;

struct LinearSearchOptions {
  std::vector<double> c_grid;                  // empty: default_c_grid(rows)
  std::vector<LinearFeatureSet> feature_sets;  // empty: default_feature_sets(rows)
  std::vector<double> keep_grid = {1, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.12};
  std::size_t rows_to_prune_min = kFewRows;  // with fewer, keep_grid is not looked at: all weights are kept
  double accuracy_loss_max = 0.001;          // what quantising and pruning may cost on tuning rows
  double log_loss_ratio_max = 1.0025;        // 1 % more was measured to cost 0.3 to 0.6 points in cross-validation
  double gap_max = 0.01;                     // of the trials; the chosen one is fitted to LinearSettings::gap_max
  std::uint64_t seed = 0;
  const FitTargets* targets = nullptr;  // of every fit; judged by the labels all the same
};
// Tokens and characters; the same with words, which doubles the weight of whole words. By five-fold cross-validation on
// nine sets one of the two was the best or within 0.002 of the least log loss of words, tokens, or both beside
// characters: the first on short messages and product titles, the second on questions and on sentiment of sentences.
// Of few rows, words and characters, and a larger C, as well (docs/ladder.md).
std::vector<LinearFeatureSet> default_feature_sets(std::size_t rows);
std::vector<double> default_c_grid(std::size_t rows);

struct LinearTrial {
  LinearFeatureSet features;
  double c = 0;
  ScoreQuality quality;  // cross-validated, unquantised
};

struct LinearChoice {
  LinearSettings settings;
  std::vector<LinearTrial> trials;
  double accuracy = 0;  // of the chosen trial, cross-validated
};

class LinearTrainer {
 public:
  // texts, labels and pool must outlive the trainer. labels[i] < label_count, 2 <= label_count.
  static Result<LinearTrainer> create(std::span<const std::string> texts, std::span<const std::uint32_t> labels,
                                      std::size_t label_count, ThreadPool& pool, const Watcher& watcher);

  // Tries every feature set and C by cross-validation: fold_of[i] < folds is the fold of rows[i]; the least log loss at
  // the best temperature wins (score_quality.h says why not accuracy, and how many folds are tried). Then, fitted on
  // the rows that are not in `tune` and measured on those that are, the strongest of keep_grid that costs, with
  // quantisation, at most accuracy_loss_max and log_loss_ratio_max (which sees what a few hundred rows right or wrong
  // cannot).
  Result<LinearChoice> choose(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> fold_of,
                              std::size_t folds, std::span<const std::uint32_t> tune,
                              const LinearSearchOptions& options, const Watcher& watcher);

  // Log-probabilities (rows, labels) of each row by the model fitted on the rows of the other folds: vocabulary,
  // document frequencies and weights. A label that is missing there gets a small probability, 1 in 2 (n + labels).
  Result<std::vector<float>> out_of_fold(std::span<const std::uint32_t> rows,
                                         std::span<const std::uint32_t> fold_of_row, std::size_t folds,
                                         const LinearSettings& settings, const Watcher& watcher);

  Result<std::unique_ptr<LinearRung>> fit(std::span<const std::uint32_t> rows, const LinearSettings& settings,
                                          const Watcher& watcher);

 private:
  struct Fold;
  LinearTrainer() = default;
  static std::vector<Fold> cut_folds(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> fold_of,
                                     std::size_t folds);
  Result<std::vector<LinearTrial>> try_settings(std::span<const std::uint32_t> rows,
                                                std::span<const std::uint32_t> fold_of, std::size_t folds,
                                                const LinearSearchOptions& options, const Watcher& watcher) const;
  Status choose_pruning(std::span<const std::uint32_t> fit_rows, std::span<const std::uint32_t> tune_rows,
                        const LinearSearchOptions& options, const Watcher& watcher, LinearChoice& choice) const;
  // Counts the blocks the feature sets need, once.
  Status count_blocks(std::span<const LinearFeatureSet> sets, const Watcher& watcher);
  std::vector<const NgramCounts*> blocks_of(const LinearFeatureSet& set) const;

  std::span<const std::string> texts_;
  std::span<const std::uint32_t> labels_;
  std::size_t label_count_ = 0;
  ThreadPool* pool_ = nullptr;
  std::unique_ptr<NgramCounts> counts_[kNgramBlocks];
};

}  // namespace smidgen
