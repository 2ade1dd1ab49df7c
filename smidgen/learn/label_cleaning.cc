#include "smidgen/learn/label_cleaning.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "smidgen/base/exponential.h"
#include "smidgen/learn/ladder.h"
#include "smidgen/learn/score_quality.h"

namespace smidgen {

namespace {

constexpr std::size_t kHumanRowsToJudge = 200;  // fewer cannot tell forms apart that differ by a few points
constexpr double kGainInErrors = 2;             // standard errors of the paired difference
constexpr double kInverseTemperatures[] = {0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.5};
constexpr double kBlindShares[] = {0.001, 0.01, 0.03, 0.07, 0.13, 0.2, 0.3, 0.4, 0.5};

using Rows = std::vector<std::uint32_t>;

// At most half of each label's rows may be doubted: those least likely to have it.
void keep_half(std::span<const std::uint32_t> labels, std::size_t label_count, std::vector<LabelDoubt>& doubts) {
  std::vector<std::size_t> rows_of(label_count), doubted(label_count);
  for (const std::uint32_t label : labels) ++rows_of[label];
  std::stable_sort(doubts.begin(), doubts.end(), [](const LabelDoubt& a, const LabelDoubt& b) {
    return a.p_label * b.p_likelier < b.p_label * a.p_likelier;
  });
  std::vector<LabelDoubt> kept;
  for (const LabelDoubt& doubt : doubts)
    if (++doubted[doubt.label] <= rows_of[doubt.label] / 2) kept.push_back(doubt);
  std::sort(kept.begin(), kept.end(), [](const LabelDoubt& a, const LabelDoubt& b) { return a.row < b.row; });
  doubts = std::move(kept);
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) /
         static_cast<double>(std::max<std::size_t>(1, values.size()));
}

// The comparison of forms on one data set.
class Comparison {
 public:
  Comparison(const TrainingRows& rows, const CrossFit& fit, const Watcher& watcher)
      : rows_(rows), fit_(fit), watcher_(watcher), judged_folds_(folds_judged(rows.fold_of, rows.folds)) {
    for (std::uint32_t row = 0; row < rows.size(); ++row)
      if (rows.from_model[row] == 0) human_rows_.push_back(row);
    by_people_ = human_rows_.size() >= kHumanRowsToJudge;
    if (by_people_) judged_folds_ = folds_with_people();
    for (std::uint32_t row = 0; row < rows.size(); ++row)
      if (rows.fold_of[row] < judged_folds_ && (!by_people_ || rows.from_model[row] == 0)) judged_.push_back(row);
  }

  Result<LabelTreatment> run();

 private:
  // Of many rows few folds are judged, but as many as have the labels of people that it takes.
  std::size_t folds_with_people() const {
    std::vector<std::size_t> of_fold(rows_.folds);
    for (const std::uint32_t row : human_rows_) ++of_fold[rows_.fold_of[row]];
    std::size_t folds = 0, people = 0;
    while (folds < rows_.folds && (folds < judged_folds_ || people < kHumanRowsToJudge)) people += of_fold[folds++];
    return folds;
  }
  struct Judged {
    double accuracy = 0;
    std::vector<double> losses;  // of the judged rows
  };

  Result<std::vector<float>> scores_without(const Rows& folds_out, const Rows& held, const FitTargets& targets) {
    if (watcher_.stop_requested()) return Error::cancelled();
    watcher_.report("labels: judging by cross-validation", std::min(1.0, ++fits_ / fits_expected_));
    Rows on;
    for (std::uint32_t row = 0; row < rows_.size(); ++row)
      if (std::find(folds_out.begin(), folds_out.end(), rows_.fold_of[row]) == folds_out.end()) on.push_back(row);
    return fit_(on, held, targets);
  }
  Rows rows_of_fold(std::size_t fold) const {
    Rows of;
    for (std::uint32_t row = 0; row < rows_.size(); ++row)
      if (rows_.fold_of[row] == fold) of.push_back(row);
    return of;
  }
  // (rows, labels), each fold by a fit without it; targets_of(fold) is what that fit aims at.
  Result<std::vector<float>> out_of_fold(std::size_t folds,
                                         const std::function<const FitTargets&(std::size_t)>& targets_of) {
    std::vector<float> all(rows_.size() * rows_.label_count);
    for (std::uint32_t fold = 0; fold < folds; ++fold) {
      const Rows held = rows_of_fold(fold);
      if (held.empty()) continue;
      SMIDGEN_ASSIGN(const std::vector<float> scores, scores_without({fold}, held, targets_of(fold)));
      place_scores(scores, held, rows_.label_count, all);
    }
    return all;
  }
  Judged judge(const std::vector<float>& scores) const;
  Result<std::vector<std::vector<float>>> scores_without_pairs(const FitTargets& base);
  FitTargets soft(bool weighted) const;
  FitTargets doubting(const FitTargets& base, const std::vector<LabelDoubt>& doubts, bool leave_out) const;
  std::vector<LabelDoubt> doubts_from(const std::vector<float>& scores, std::size_t fold_out) const;
  LabelTrial trial(const std::string& form, const Judged& judged, const Judged& against) const;
  Result<std::pair<FitTargets, Judged>> choose_base(LabelTreatment& treatment);
  Status try_cleaning(const FitTargets& base, const Judged& base_judged, LabelTreatment& treatment);

  const TrainingRows& rows_;
  const CrossFit& fit_;
  const Watcher& watcher_;
  std::size_t judged_folds_;
  Rows human_rows_, judged_;
  bool by_people_ = false;
  double fits_ = 0, fits_expected_ = 40;
};

Comparison::Judged Comparison::judge(const std::vector<float>& scores) const {
  const std::size_t labels = rows_.label_count;
  std::vector<float> of;
  Rows truth;
  for (const std::uint32_t row : judged_) {
    of.insert(of.end(), &scores[row * labels], &scores[row * labels] + labels);
    truth.push_back(rows_.labels[row]);
  }
  return {score_quality(of, truth, labels).accuracy, noisy_label_losses(of, truth, labels)};
}

FitTargets Comparison::soft(bool weighted) const {
  FitTargets targets;
  targets.soft = rows_.targets.soft;
  if (!weighted) return targets;
  const double labels = static_cast<double>(rows_.label_count);
  targets.weights.assign(rows_.size(), 1.0F);
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    if (rows_.from_model[row] == 0) continue;
    float top = 0;
    for (const SoftLabel& entry : targets.soft.of(row)) top = std::max(top, entry.share);
    targets.weights[row] =
        static_cast<float>(std::clamp((labels * static_cast<double>(top) - 1) / (labels - 1), 0.05, 1.0));
  }
  return targets;
}

FitTargets Comparison::doubting(const FitTargets& base, const std::vector<LabelDoubt>& doubts, bool leave_out) const {
  FitTargets targets = base;
  if (targets.weights.empty()) targets.weights.assign(rows_.size(), 1.0F);
  for (const LabelDoubt& doubt : doubts)
    targets.weights[doubt.row] *= leave_out ? 0.0F : doubt.p_label / doubt.p_likelier;
  return targets;
}

// fold_out: its rows are not looked at (rows_.folds: none).
std::vector<LabelDoubt> Comparison::doubts_from(const std::vector<float>& scores, std::size_t fold_out) const {
  const std::size_t labels = rows_.label_count;
  Rows inside, given;
  std::vector<std::uint8_t> may_doubt;
  std::vector<float> of;
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    if (rows_.fold_of[row] == fold_out) continue;
    inside.push_back(row);
    given.push_back(rows_.labels[row]);
    may_doubt.push_back(rows_.from_model[row]);
    of.insert(of.end(), &scores[row * labels], &scores[row * labels] + labels);
  }
  std::vector<LabelDoubt> doubts = doubt_labels(of, given, labels, may_doubt);
  for (LabelDoubt& doubt : doubts) doubt.row = inside[doubt.row];
  return doubts;
}

// For each judged fold k the (rows, labels) scores of every other fold a, by the fit that saw neither a nor k: one fit
// serves both orders of a pair.
Result<std::vector<std::vector<float>>> Comparison::scores_without_pairs(const FitTargets& base) {
  std::vector<std::vector<float>> without(judged_folds_, std::vector<float>(rows_.size() * rows_.label_count));
  for (std::uint32_t k = 0; k < judged_folds_; ++k) {
    for (std::uint32_t a = k + 1; a < rows_.folds; ++a) {
      const Rows of_k = rows_of_fold(k), of_a = rows_of_fold(a);
      Rows held = of_k;
      held.insert(held.end(), of_a.begin(), of_a.end());
      if (held.empty()) continue;
      SMIDGEN_ASSIGN(const std::vector<float> scores, scores_without({k, a}, held, base));
      const auto middle = scores.begin() + static_cast<std::ptrdiff_t>(of_k.size() * rows_.label_count);
      place_scores({middle, scores.end()}, of_a, rows_.label_count, without[k]);
      if (a < judged_folds_) place_scores({scores.begin(), middle}, of_k, rows_.label_count, without[a]);
    }
  }
  return without;
}

LabelTrial Comparison::trial(const std::string& form, const Judged& judged, const Judged& against) const {
  Rows units;
  for (const std::uint32_t row : judged_) units.push_back(rows_.units[row]);
  const PairedDifference gain = paired_difference(against.losses, judged.losses, units);
  std::sort(units.begin(), units.end());
  const auto distinct = std::unique(units.begin(), units.end()) - units.begin();
  const double per_row = static_cast<double>(distinct) / static_cast<double>(std::max<std::size_t>(1, judged_.size()));
  return {form, judged.accuracy, mean_of(judged.losses), per_row * gain.mean, per_row * gain.standard_error, false};
}

// Soft labels, where there are some, unless another form is better by a standard error: they were given to be used.
Result<std::pair<FitTargets, Comparison::Judged>> Comparison::choose_base(LabelTreatment& treatment) {
  struct Form {
    std::string name;
    FitTargets targets;
  };
  std::vector<Form> forms;
  const bool any_soft = rows_.targets.soft.rows() > 0;
  if (any_soft) {
    forms.push_back({"soft", soft(false)});
    forms.push_back({"soft, weighted", soft(true)});
  }
  forms.push_back({"as given", {}});
  std::vector<Judged> judged;
  for (const Form& form : forms) {
    SMIDGEN_ASSIGN(const std::vector<float> scores,
                   out_of_fold(judged_folds_, [&](std::size_t) -> const FitTargets& { return form.targets; }));
    judged.push_back(judge(scores));
  }
  std::size_t best = 0;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    treatment.trials.push_back(trial(forms[i].name, judged[i], judged[0]));
    const LabelTrial against_best = trial({}, judged[i], judged[best]);
    if (i > 0 && against_best.gain > against_best.gain_error) best = i;
  }
  treatment.trials[best].used = true;
  treatment.base = best;
  return std::pair(std::move(forms[best].targets), std::move(judged[best]));
}

Status Comparison::try_cleaning(const FitTargets& base, const Judged& base_judged, LabelTreatment& treatment) {
  SMIDGEN_ASSIGN(const auto without, scores_without_pairs(base));
  std::vector<std::vector<LabelDoubt>> doubts;  // as the fits without each fold have them
  std::size_t any = 0;
  for (std::size_t k = 0; k < judged_folds_; ++k) {
    doubts.push_back(doubts_from(without[k], k));
    any += doubts.back().size();
  }
  if (any == 0) return Ok{};
  double least = mean_of(base_judged.losses);
  std::optional<std::size_t> chosen;
  bool leave_out_chosen = false;
  for (const bool leave_out : {true, false}) {
    std::vector<FitTargets> targets;
    for (const auto& of_fold : doubts) targets.push_back(doubting(base, of_fold, leave_out));
    SMIDGEN_ASSIGN(const std::vector<float> scores,
                   out_of_fold(judged_folds_, [&](std::size_t fold) -> const FitTargets& { return targets[fold]; }));
    treatment.trials.push_back(trial(leave_out ? "cleaned" : "doubted", judge(scores), base_judged));
    const LabelTrial& tried = treatment.trials.back();
    if (!(tried.gain > kGainInErrors * tried.gain_error) || !(tried.loss < least)) continue;
    least = tried.loss;
    chosen = treatment.trials.size() - 1;
    leave_out_chosen = leave_out;
  }
  SMIDGEN_ASSIGN(const std::vector<float> scores,
                 out_of_fold(rows_.folds, [&](std::size_t) -> const FitTargets& { return base; }));
  treatment.doubts = doubts_from(scores, rows_.folds);
  if (!chosen) return Ok{};
  for (LabelTrial& one : treatment.trials) one.used = false;
  treatment.trials[*chosen].used = true;
  treatment.cleaned = true;
  treatment.targets = doubting(base, treatment.doubts, leave_out_chosen);
  return Ok{};
}

Result<LabelTreatment> Comparison::run() {
  LabelTreatment treatment;
  treatment.models = rows_.models;
  treatment.human_rows = human_rows_.size();
  treatment.model_rows = rows_.size() - human_rows_.size();
  treatment.judged_rows = judged_.size();
  treatment.judged_by_people = by_people_;
  SMIDGEN_ASSIGN(const auto base, choose_base(treatment));
  treatment.targets = base.first;
  SMIDGEN_TRY(try_cleaning(base.first, base.second, treatment));
  return treatment;
}

}  // namespace

std::vector<LabelDoubt> doubt_labels(std::span<const float> log_probabilities, std::span<const std::uint32_t> labels,
                                     std::size_t label_count, std::span<const std::uint8_t> may_doubt) {
  SMIDGEN_CHECK(log_probabilities.size() == labels.size() * label_count);
  std::vector<double> threshold(label_count), rows_of(label_count);
  for (std::size_t row = 0; row < labels.size(); ++row) {
    threshold[labels[row]] += std::exp(static_cast<double>(log_probabilities[row * label_count + labels[row]]));
    rows_of[labels[row]] += 1;
  }
  for (std::size_t label = 0; label < label_count; ++label)  // a label of no row is nobody's likelier one
    threshold[label] = rows_of[label] > 0 ? threshold[label] / rows_of[label] : 2;
  std::vector<LabelDoubt> doubts;
  for (std::uint32_t row = 0; row < labels.size(); ++row) {
    if (!may_doubt.empty() && may_doubt[row] == 0) continue;
    const float* scores = &log_probabilities[row * label_count];
    std::uint32_t counted = labels[row];
    double largest = -1;
    for (std::uint32_t label = 0; label < label_count; ++label) {
      const double p = std::exp(static_cast<double>(scores[label]));
      if (p < threshold[label] || !(p > largest)) continue;
      largest = p;
      counted = label;
    }
    // The likeliest label need not be among those over their threshold; then nothing speaks against the given one.
    if (counted == labels[row] || scores[counted] <= scores[labels[row]]) continue;
    doubts.push_back({row, labels[row], counted, std::exp(scores[labels[row]]), std::exp(scores[counted])});
  }
  keep_half(labels, label_count, doubts);
  return doubts;
}

std::vector<double> noisy_label_losses(std::span<const float> scores, std::span<const std::uint32_t> truth,
                                       std::size_t labels) {
  SMIDGEN_CHECK(scores.size() == truth.size() * labels);
  std::vector<double> best;
  double least = std::numeric_limits<double>::infinity();
  std::vector<double> p(truth.size()), losses(truth.size());
  for (const double beta : kInverseTemperatures) {
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const float* row = scores.data() + i * labels;
      const double largest = static_cast<double>(*std::max_element(row, row + labels));
      double sum = 0;
      for (std::size_t k = 0; k < labels; ++k) sum += exp_portable(beta * (static_cast<double>(row[k]) - largest));
      p[i] = exp_portable(beta * (static_cast<double>(row[truth[i]]) - largest)) / sum;
    }
    for (const double blind : kBlindShares) {
      double total = 0;
      for (std::size_t i = 0; i < truth.size(); ++i) {
        losses[i] = -std::log((1 - blind) * p[i] + blind / static_cast<double>(labels));
        total += losses[i];
      }
      if (!(total < least)) continue;
      least = total;
      best = losses;
    }
  }
  return best;
}

Result<LabelTreatment> treat_labels(const TrainingRows& rows, const CrossFit& fit, const Watcher& watcher) {
  SMIDGEN_CHECK(rows.from_model.size() == rows.size() && rows.fold_of.size() == rows.size());
  return Comparison(rows, fit, watcher).run();
}

std::string LabelTreatment::in_words() const {
  std::string text = fmt::format("{} of the rows trained on have labels from {}", model_rows, models);
  text += human_rows > 0 ? fmt::format(", {} from people. ", human_rows) : ". ";
  const std::string judge = judged_by_people ? "by people's labels" : "by the labels as given";
  const LabelTrial *used = nullptr, *cleaning = nullptr;  // the form that is fitted, the better way to clean
  for (const LabelTrial& trial : trials) {
    if (trial.used) used = &trial;
    if (trial.form != "cleaned" && trial.form != "doubted") continue;
    if (cleaning == nullptr || trial.loss < cleaning->loss) cleaning = &trial;
  }
  if (used == nullptr) return text;
  if (cleaned)
    return text +
           fmt::format(
               "{} of them look wrong out-of-fold and {}: {}, {:.3f} instead of {:.3f} of the answers out-of-fold "
               "are then right and the loss is {:.4f} instead of {:.4f}.",
               doubts.size(), used->form == "cleaned" ? "are left out of the fit" : "count less in the fit", judge,
               used->accuracy, trials[base].accuracy, used->loss, trials[base].loss);
  text += fmt::format("They are fitted {}. ", used->form);
  if (cleaning == nullptr) return text + "None looks wrong out-of-fold.";
  return text +
         fmt::format(
             "{} look wrong out-of-fold, but to {} does not help enough ({}, the loss would change by {:+.4f} with a "
             "standard error of {:.4f}): they stay.",
             doubts.size(), cleaning->form == "cleaned" ? "leave them out" : "let them count less", judge,
             -cleaning->gain, cleaning->gain_error);
}

}  // namespace smidgen
