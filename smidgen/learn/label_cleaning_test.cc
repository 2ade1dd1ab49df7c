#include "smidgen/learn/label_cleaning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "smidgen/base/random.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/learn/ladder.h"

namespace smidgen {
namespace {

TEST(DoubtLabels, CountsByTheMeanOfEachLabel) {
  // p(1) of rows labelled 0, 0, 0, 1, 1, 1. Thresholds: t_0 = mean of .9 .8 .2 = .633, t_1 = mean of .9 .6 .3 = .6.
  const std::vector<float> p1 = {0.1F, 0.2F, 0.8F, 0.9F, 0.6F, 0.3F};
  const std::vector<std::uint32_t> labels = {0, 0, 0, 1, 1, 1};
  std::vector<float> scores;
  for (const float p : p1) {
    scores.push_back(std::log(1 - p));
    scores.push_back(std::log(p));
  }
  const auto doubts = doubt_labels(scores, labels, 2, {});
  ASSERT_EQ(doubts.size(), 2U);  // row 2: .8 >= .6 speaks for 1; row 5: .7 >= .633 for 0
  EXPECT_EQ(doubts[0].row, 2U);
  EXPECT_EQ(doubts[0].likelier, 1U);
  EXPECT_NEAR(doubts[0].p_label, 0.2, 1e-6);
  EXPECT_EQ(doubts[1].row, 5U);
  const std::vector<std::uint8_t> only_first = {1, 1, 1, 0, 0, 0};
  EXPECT_EQ(doubt_labels(scores, labels, 2, only_first).size(), 1U);
}

TEST(DoubtLabels, LeavesEveryLabelHalfOfItsRows) {
  // Everything says 0; the four rows labelled 1 all look wrong, for the rows labelled 0 are less sure.
  std::vector<float> scores;
  for (int row = 0; row < 8; ++row) {
    const float p = (row < 4 ? 0.9F : 0.8F) + 0.01F * static_cast<float>(row % 4);
    scores.push_back(std::log(p));
    scores.push_back(std::log(1 - p));
  }
  const std::vector<std::uint32_t> labels = {1, 1, 1, 1, 0, 0, 0, 0};
  const auto doubts = doubt_labels(scores, labels, 2, {});
  ASSERT_EQ(doubts.size(), 2U);  // those least likely to have their label
  EXPECT_EQ(doubts[0].row, 2U);
  EXPECT_EQ(doubts[1].row, 3U);
  for (const LabelDoubt& doubt : doubts) EXPECT_EQ(doubt.label, 1U);
}

TEST(NoisyLabelLosses, DoNotPunishWhoIsSureAmongNoisyLabels) {
  // Labels of which 30 % are drawn blindly; one judge knows the truth for sure, the other is unsure of everything.
  Random random(3);
  std::vector<std::uint32_t> truth;
  std::vector<float> sure, unsure;
  for (int row = 0; row < 2000; ++row) {
    const std::uint32_t right = static_cast<std::uint32_t>(random.below(4));
    truth.push_back(random.uniform() < 0.3 ? static_cast<std::uint32_t>(random.below(4)) : right);
    for (std::uint32_t label = 0; label < 4; ++label) {
      sure.push_back(label == right ? 0.0F : -20.0F);
      unsure.push_back(label == right ? -1.0F : -1.5F);
    }
  }
  double of_sure = 0, of_unsure = 0;
  for (const double loss : noisy_label_losses(sure, truth, 4)) of_sure += loss / 2000;
  for (const double loss : noisy_label_losses(unsure, truth, 4)) of_unsure += loss / 2000;
  // The least possible: right with 0.775, each other label with 0.075.
  const double least = -0.775 * std::log(0.775) - 3 * 0.075 * std::log(0.075);
  EXPECT_NEAR(of_sure, least, 0.04);
  EXPECT_GE(of_unsure, least - 0.04);
}

struct Task {
  TrainingRows rows;
  std::vector<float> x;  // (rows, kDimensions)
  std::vector<std::uint32_t> right;
};
constexpr std::size_t kDimensions = 60, kLabels = 4;

// The right label is a linear rule of the features, so that no row is odd by nature; `noise` of the labels of the
// model's rows are wrong.
Task make_task(std::size_t count, double noise, double human_share, std::uint64_t seed) {
  Random random(seed);
  Task task;
  std::vector<double> centres(kLabels * kDimensions);
  for (double& value : centres) value = random.normal();
  for (std::uint32_t row = 0; row < count; ++row) {
    std::vector<double> votes(kLabels);
    for (std::size_t j = 0; j < kDimensions; ++j) {
      const double x = random.normal();
      task.x.push_back(static_cast<float>(x));
      for (std::size_t label = 0; label < kLabels; ++label) votes[label] += x * centres[label * kDimensions + j];
    }
    const auto label = static_cast<std::uint32_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
    const bool human = random.uniform() < human_share;
    task.right.push_back(label);
    task.rows.from_model.push_back(human ? 0 : 1);
    task.rows.labels.push_back(!human && random.uniform() < noise
                                   ? static_cast<std::uint32_t>((label + 1 + random.below(kLabels - 1)) % kLabels)
                                   : label);
    task.rows.texts.emplace_back();
    task.rows.units.push_back(row);
    task.rows.fold_of.push_back(row % 5);
  }
  task.rows.folds = 5;
  task.rows.label_count = kLabels;
  task.rows.models = "gpt-4o";
  return task;
}

LabelTreatment treat(const Task& task, const HeadTrainer& trainer) {
  const CrossFit fit = [&](std::span<const std::uint32_t> on, std::span<const std::uint32_t> held,
                           const FitTargets& targets) -> Result<std::vector<float>> {
    HeadOptions options;
    options.targets = &targets;
    SMIDGEN_ASSIGN(const HeadFit fitted, trainer.fit(on, 4, {}, nullptr, options));
    std::vector<float> scores(held.size() * kLabels);
    trainer.score(fitted, held, scores);
    return scores;
  };
  auto treatment = treat_labels(task.rows, fit, {});
  EXPECT_TRUE(treatment.ok());
  return std::move(*treatment);
}

HeadTrainer trainer_of(const Task& task, ThreadPool& pool) {
  auto trainer = HeadTrainer::create(task.x, kDimensions, task.rows.labels, kLabels, pool);
  EXPECT_TRUE(trainer.ok());
  return std::move(*trainer);
}

// Of fresh rows, how many the head fitted in this form gets right.
double accuracy_of(const Task& task, const HeadTrainer& trainer, const FitTargets& targets, std::size_t on) {
  HeadOptions options;
  options.targets = &targets;
  std::vector<std::uint32_t> fitted, held;
  for (std::uint32_t row = 0; row < task.rows.size(); ++row) (row < on ? fitted : held).push_back(row);
  const auto fit = trainer.fit(fitted, 4, {}, nullptr, options);
  std::vector<float> scores(held.size() * kLabels);
  trainer.score(*fit, held, scores);
  std::size_t right = 0;
  for (std::size_t i = 0; i < held.size(); ++i) {
    const auto row = scores.begin() + static_cast<std::ptrdiff_t>(i * kLabels);
    right += static_cast<std::size_t>(std::max_element(row, row + kLabels) - row) == task.right[held[i]];
  }
  return static_cast<double>(right) / static_cast<double>(held.size());
}

TEST(TreatLabels, CleansWhatANoisyTeacherSaid) {
  ThreadPool pool(2);
  double given = 0, cleaned = 0;
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Task task = make_task(2000, 0.35, 0, seed);
    const HeadTrainer trainer = trainer_of(task, pool);
    const LabelTreatment treatment = treat(task, trainer);
    EXPECT_TRUE(treatment.cleaned) << treatment.in_words();
    EXPECT_FALSE(treatment.judged_by_people);
    std::size_t wrong = 0;  // most of the doubts are right
    for (const LabelDoubt& doubt : treatment.doubts) wrong += task.rows.labels[doubt.row] != task.right[doubt.row];
    EXPECT_GT(2 * wrong, treatment.doubts.size());
    EXPECT_GT(treatment.doubts.size(), 100U);
    EXPECT_NE(treatment.in_words().find("from gpt-4o"), std::string::npos);
    // Fresh rows with true labels: rows that were never in the task.
    Task more = make_task(5000, 0.35, 0, seed);  // the first 2,000 are the same rows
    const HeadTrainer larger = trainer_of(more, pool);
    FitTargets targets = treatment.targets;
    targets.weights.resize(5000, 1.0F);
    given += accuracy_of(more, larger, {}, 2000) / 3;
    cleaned += accuracy_of(more, larger, targets, 2000) / 3;
  }
  EXPECT_GT(cleaned, given + 0.01);
}

TEST(TreatLabels, LeavesRightLabelsAlone) {
  ThreadPool pool(2);
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    const Task task = make_task(900, 0, 0, seed);
    const LabelTreatment treatment = treat(task, trainer_of(task, pool));
    EXPECT_FALSE(treatment.cleaned) << treatment.in_words();
    EXPECT_TRUE(treatment.targets.weights.empty());
    EXPECT_EQ(treatment.trials[treatment.base].form, "as given");
    EXPECT_TRUE(treatment.trials[treatment.base].used);
  }
}

TEST(TreatLabels, PeoplesLabelsJudgeWhereThereAreEnough) {
  ThreadPool pool(2);
  const Task task = make_task(1500, 0.3, 0.4, 5);
  const LabelTreatment treatment = treat(task, trainer_of(task, pool));
  EXPECT_TRUE(treatment.judged_by_people);
  EXPECT_EQ(treatment.judged_rows, treatment.human_rows);
  EXPECT_EQ(treatment.human_rows + treatment.model_rows, 1500U);
  for (const LabelDoubt& doubt : treatment.doubts) EXPECT_EQ(task.rows.from_model[doubt.row], 1);
}

// Of many rows few folds are judged; the labels of people are looked for in all of them.
TEST(TreatLabels, PeoplesLabelsJudgeAmongManyRows) {
  TrainingRows rows;
  rows.folds = 5;
  rows.label_count = 2;
  for (std::uint32_t row = 0; row < 12000; ++row) {
    rows.texts.emplace_back();
    rows.labels.push_back(row % 2);
    rows.units.push_back(row);
    rows.fold_of.push_back(row % 5);
    rows.from_model.push_back(row < 300 ? 0 : 1);
  }
  const CrossFit knows_nothing = [](std::span<const std::uint32_t>, std::span<const std::uint32_t> held,
                                    const FitTargets&) -> Result<std::vector<float>> {
    return std::vector<float>(2 * held.size(), std::log(0.5F));
  };
  const auto treatment = treat_labels(rows, knows_nothing, {});
  ASSERT_TRUE(treatment.ok());
  EXPECT_TRUE(treatment->judged_by_people);
  EXPECT_GE(treatment->judged_rows, 200U);
  EXPECT_LE(treatment->judged_rows, 300U);
}

TEST(TreatLabels, TheGainIsWhatTheLossFalls) {
  ThreadPool pool(2);
  Task task = make_task(900, 0.35, 0, 1);
  for (std::uint32_t row = 0; row < 900; ++row) task.rows.units[row] = row / 3;
  const LabelTreatment treatment = treat(task, trainer_of(task, pool));
  ASSERT_EQ(treatment.trials.size(), 3U);  // as given, cleaned, doubted
  for (const LabelTrial& trial : treatment.trials) {
    EXPECT_NEAR(trial.gain, treatment.trials[0].loss - trial.loss, 1e-9) << trial.form;
    EXPECT_EQ(trial.gain_error == 0, &trial == &treatment.trials[0]);
  }
}

TEST(TreatLabels, SoftLabelsAreFittedWhereTheTeacherKnowsItsDoubts) {
  ThreadPool pool(2);
  // The teacher errs as in the first test, but says so: its probabilities are those of its errors.
  Task task = make_task(900, 0.35, 0, 1);
  Random random(9);
  for (std::uint32_t row = 0; row < 900; ++row) {
    const bool wrong = task.rows.labels[row] != task.right[row];
    const float top = wrong ? 0.5F : 0.9F;
    std::vector<SoftLabel> entries = {{task.rows.labels[row], top}};
    for (std::uint32_t label = 0; label < kLabels; ++label) {
      if (label == task.rows.labels[row]) continue;
      const bool likely = wrong ? label == task.right[row] : label == (task.right[row] + 1) % kLabels;
      entries.push_back({label, (1 - top) * (likely ? 0.8F : 0.1F)});
    }
    task.rows.targets.soft.add_row(entries);
  }
  const LabelTreatment treatment = treat(task, trainer_of(task, pool));
  EXPECT_EQ(treatment.trials[0].form, "soft");
  EXPECT_EQ(treatment.targets.soft.rows(), 900U);
  const auto given = std::find_if(treatment.trials.begin(), treatment.trials.end(),
                                  [](const LabelTrial& trial) { return trial.form == "as given"; });
  ASSERT_NE(given, treatment.trials.end());
  EXPECT_FALSE(given->used);
  EXPECT_LT(given->gain, 0);  // than soft
}

}  // namespace
}  // namespace smidgen
