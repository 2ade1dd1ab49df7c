// Labels that a model gave, before rungs are fitted on them: a student must not inherit its teacher's errors blindly.
//
// Forms the labels may be fitted in:
//   as given       the label of each row, whole
//   soft           the teacher's probabilities (fit_targets.h), where it gave some
//   weighted       the same, each row of the teacher's weighted by how sure it was: (n p_max - 1) / (n - 1), n labels
//   cleaned        rows whose label looks wrong are left out of the fit
//   doubted        they count by p(own label) / p(the likelier label) instead
//
// Whether a label looks wrong is judged out-of-fold by confident learning (Northcutt, Jiang, Chuang, "Confident
// learning: estimating uncertainty in dataset labels", 2021, section 3.1): label j's threshold t_j is the mean
// probability of j over the rows labelled j; a row counts as j when p(j) >= t_j and j is the likeliest of those labels;
// rows off the diagonal of that joint (labelled i, counted as j) are the doubtful ones. Only rows of models are ever
// doubted, and half of each label's rows at most.
//
// What is fitted is decided by cross-validation: a form's rows are scored by fits on other folds in that form, and the
// doubts of those fits come from models that saw neither the row nor the fold they are judged on (fits without two
// folds). The judge is the given label; of people, where enough rows have one, since a teacher's consistent errors
// cannot be seen by its own labels. Cleaning is kept only when it lowers the loss by more than two standard errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/learn/fit_targets.h"

namespace smidgen {

struct TrainingRows;

// A row whose label looks wrong.
struct LabelDoubt {
  std::uint32_t row = 0, label = 0, likelier = 0;
  float p_label = 0, p_likelier = 0;
};

// log_probabilities (rows, labels); may_doubt (rows): empty for all. Doubts in row order.
std::vector<LabelDoubt> doubt_labels(std::span<const float> log_probabilities, std::span<const std::uint32_t> labels,
                                     std::size_t label_count, std::span<const std::uint8_t> may_doubt);

// The loss of each row: least mean of -ln((1 - e) softmax(b scores) + e / labels)[truth] over a fixed grid of b and e.
// The share e of labels drawn blindly is the judge's own noise, without which a model that learned the noise would win.
std::vector<double> noisy_label_losses(std::span<const float> scores, std::span<const std::uint32_t> truth,
                                       std::size_t labels);

struct LabelTrial {
  std::string form;                 // "as given", "soft", ..
  double accuracy = 0, loss = 0;    // out-of-fold, over the judged rows
  double gain = 0, gain_error = 0;  // loss of the first form (of the best of them, for the last two) less its own, and
                                    // the standard error of that
  bool used = false;
};

struct LabelTreatment {
  std::string models;  // whose labels, "gpt-4o"
  std::size_t model_rows = 0, human_rows = 0;
  std::size_t judged_rows = 0;
  bool judged_by_people = false;
  std::vector<LabelTrial> trials;
  std::size_t base = 0;            // the trial that cleaning is compared with
  std::vector<LabelDoubt> doubts;  // of the rows as a whole, whether used or not; row: of the training rows
  bool cleaned = false;            // the doubts changed what is fitted
  FitTargets targets;              // what to fit
  std::string in_words() const;    // sentences for the user
};

// Log-probabilities (held.size(), labels) of a model fitted on `on` towards `targets` (by training row).
using CrossFit = std::function<Result<std::vector<float>>(
    std::span<const std::uint32_t> on, std::span<const std::uint32_t> held, const FitTargets& targets)>;

// rows.from_model says which labels are a model's. Cost: at most 30 fits on four of five folds and 10 on three; of many
// rows not all folds are judged (score_quality.h).
Result<LabelTreatment> treat_labels(const TrainingRows& rows, const CrossFit& fit, const Watcher& watcher);

}  // namespace smidgen
