// How good scores are on rows that were not fitted on: what settings of a rung are chosen by.
//
// Accuracy over a few hundred rows is a coarse judge: two settings that differ in truth by a point swap places with the
// draw of the rows, and the choice then changes with the seed. The log loss of the same rows is paired and smooth, and
// at the best temperature it does not ask how sure the scores are, which calibration sets afterwards. (Measured by
// five-fold cross-validation on seven sets: its optimum over C is within 0.3 points of the best accuracy everywhere.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace smidgen {

// Rows a choice is judged on, at least: the standard error of a log loss is then some 0.01, that of a paired difference
// far below. Of larger data only so many folds as hold them are scored while settings are tried.
inline constexpr std::size_t kRowsJudgedMin = 5000;
// The number of first folds that hold kRowsJudgedMin of the rows together (all of them when there are fewer); at
// least 1.
std::size_t folds_judged(std::span<const std::uint32_t> fold_of, std::size_t folds);

struct ScoreQuality {
  double accuracy = 0;
  // Least mean of -ln softmax(beta scores)[truth] over a fixed grid of beta, the bound on a row's loss being
  // ln(2 (n + labels)): one label that no row was fitted with must not decide everything.
  double log_loss = 0;
};

// scores (n, labels), finite, up to a constant a row; truth (n). Zeros for no rows.
ScoreQuality score_quality(std::span<const float> scores, std::span<const std::uint32_t> truth, std::size_t labels);

// How much larger the losses (n) of one method are than those of another on the same rows.
struct PairedDifference {
  double mean = 0, standard_error = 0;  // a unit; the error is that of the mean, 0 for a single unit
};
// Rows of one unit are one observation: their differences are summed first. units (n): equal for rows of one unit; or
// empty, every row its own.
PairedDifference paired_difference(std::span<const double> losses, std::span<const double> other,
                                   std::span<const std::uint32_t> units);

}  // namespace smidgen
