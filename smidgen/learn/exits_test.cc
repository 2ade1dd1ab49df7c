#include "smidgen/learn/exits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "smidgen/base/random.h"
#include "smidgen/learn/head_trainer.h"

namespace smidgen {
namespace {

constexpr std::size_t kLabels = 3;
const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

TEST(Exits, StandAtAThirdAndTwoThirds) {
  using Layers = std::vector<std::size_t>;
  EXPECT_EQ(exit_layers(1), Layers{});
  EXPECT_EQ(exit_layers(2), Layers{1});
  EXPECT_EQ(exit_layers(3), (Layers{1, 2}));
  EXPECT_EQ(exit_layers(6), (Layers{2, 4}));
  EXPECT_EQ(exit_layers(12), (Layers{4, 8}));
  EXPECT_EQ(exit_layers(22), (Layers{7, 15}));
}

// Rows of three words, one of them mostly the label's, in five folds.
TrainingRows make_rows(std::size_t count) {
  const std::vector<std::string> words = {"hello", "world", "the", "cat", "sat", "refund", "zebra", "good", "bad"};
  Random random(2);
  TrainingRows rows;
  rows.label_count = kLabels;
  rows.folds = 5;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::uint32_t>(random.below(kLabels));
    const std::size_t shown = random.uniform() < 0.2 ? random.below(kLabels) : label;
    rows.texts.push_back(words[shown] + " " + words[3 + random.below(6)] + " " + words[random.below(9)]);
    rows.labels.push_back(label);
    rows.units.push_back(i);
    rows.fold_of.push_back(i % 5);
    rows.fit.push_back(i);
  }
  return rows;
}

class ExitHeads : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Encoder::load(kTiny);
    ASSERT_TRUE(loaded.ok());
    encoder_ = std::make_unique<const Encoder>(std::move(*loaded));
    rows_ = make_rows(300);
    texts_.assign(rows_.texts.begin(), rows_.texts.end());
    last_ = *embed_all(*encoder_, texts_, pool_, {});
    features_ = *embed_exits(*encoder_, texts_, std::vector<std::size_t>{1}, pool_, {});
  }
  // teacher_c is fixed: only what the exits do themselves is looked at.
  TrainedExit train(const TrainingRows& rows, double teacher_share, const std::vector<double>& c_grid = {}) {
    std::vector<std::uint32_t> all(rows.size());
    std::iota(all.begin(), all.end(), 0U);
    const HeadTrainer trainer = *HeadTrainer::create(last_.values, last_.dimensions, rows.labels, kLabels, pool_);
    const HeadSearch teacher = *trainer.cross_validate(all, rows.fold_of, rows.folds, std::vector<double>{4}, {});
    return std::move(train_exits(rows, features_, {last_, 4, teacher.out_of_fold},
                                 {.teacher_share = teacher_share, .always = true, .c_grid = c_grid}, pool_, {})
                         ->front());
  }
  std::unique_ptr<const Encoder> encoder_;
  TrainingRows rows_;
  std::vector<std::string_view> texts_;
  EmbeddingMatrix last_;
  std::vector<EmbeddingMatrix> features_;
  ThreadPool pool_{2};
};

TEST_F(ExitHeads, ReadWhatTheRungReads) {
  ThreadPool other(3);
  EXPECT_EQ(embed_exits(*encoder_, texts_, std::vector<std::size_t>{1}, other, {})->front().values,
            features_[0].values);
  Encoder::Scratch scratch;
  Encoder::Climb climb;
  std::vector<float> vector(encoder_->dimensions());
  for (const std::size_t row : {0, 31, 32, 299}) {
    std::vector<std::int32_t> ids;
    encoder_->tokenizer().encode(texts_[row], encoder_->tokens_max(), ids);
    const std::span<const std::int32_t> sequence = ids;
    encoder_->start({&sequence, 1}, climb);
    encoder_->climb(1, scratch, climb, vector.data());
    EXPECT_TRUE(std::equal(vector.begin(), vector.end(), features_[0].row(row).begin()));
  }
}

TEST_F(ExitHeads, WithoutATeacherAimAtTheLabels) {
  const TrainedExit exit = train(rows_, 0);
  const HeadTrainer trainer =
      *HeadTrainer::create(features_[0].values, features_[0].dimensions, rows_.labels, kLabels, pool_);
  std::vector<std::uint32_t> all(rows_.size());
  std::iota(all.begin(), all.end(), 0U);
  const HeadSearch search = *trainer.cross_validate(all, rows_.fold_of, rows_.folds, default_head_c_grid(), {});
  EXPECT_EQ(exit.c, search.c);
  EXPECT_EQ(exit.out_of_fold, search.out_of_fold);
}

// Aiming at the teacher alone, an exit is nearer to it than one that aims at the labels.
TEST_F(ExitHeads, LearnFromTheTeacher) {
  const HeadTrainer trainer = *HeadTrainer::create(last_.values, last_.dimensions, rows_.labels, kLabels, pool_);
  std::vector<std::uint32_t> all(rows_.size());
  std::iota(all.begin(), all.end(), 0U);
  const HeadSearch teacher = *trainer.cross_validate(all, rows_.fold_of, rows_.folds, std::vector<double>{4}, {});
  const auto divergence = [&](const TrainedExit& exit) {
    double sum = 0;
    for (std::size_t i = 0; i < teacher.out_of_fold.size(); ++i) {
      const auto p = static_cast<double>(teacher.out_of_fold[i]), q = static_cast<double>(exit.out_of_fold[i]);
      sum += std::exp(p) * (p - q);
    }
    return sum / static_cast<double>(rows_.size());
  };
  const double apart = divergence(train(rows_, 0)), half = divergence(train(rows_, 0.5)),
               taught = divergence(train(rows_, 1));
  EXPECT_LT(taught, half);
  EXPECT_LT(half, apart);
}

// What scores a row has not seen its label, neither in its own fit nor through the teacher: other labels in a fold
// leave the fold's scores as they are, to the bit. (C is fixed: it is chosen on all rows.)
TEST_F(ExitHeads, ScoresAreBlindToTheirFoldsLabels) {
  const TrainedExit before = train(rows_, 0.5, {4});
  for (const std::uint32_t fold : {0U, 3U}) {
    TrainingRows changed = rows_;
    for (std::size_t row = 0; row < rows_.size(); ++row)
      if (rows_.fold_of[row] == fold)
        changed.labels[row] = static_cast<std::uint32_t>((rows_.labels[row] + (row % 10 == fold ? 1 : 0)) % kLabels);
    const TrainedExit after = train(changed, 0.5, {4});
    bool others_differ = false;
    for (std::size_t row = 0; row < rows_.size(); ++row)
      for (std::size_t l = 0; l < kLabels; ++l) {
        const bool same = after.out_of_fold[row * kLabels + l] == before.out_of_fold[row * kLabels + l];
        if (rows_.fold_of[row] == fold) {
          ASSERT_TRUE(same) << "fold " << fold << ", row " << row;
        }
        others_differ = others_differ || !same;
      }
    EXPECT_TRUE(others_differ);
  }
}

// Of a tuned encoder: nothing of the rows that are scored has a part in the head, and all others do.
TEST_F(ExitHeads, OfATunedEncoderAreBlindToTheRowsTheyScore) {
  std::vector<std::uint32_t> on, off;
  for (std::uint32_t row = 0; row < rows_.size(); ++row) (rows_.fold_of[row] < 3 ? on : off).push_back(row);
  const auto fit = [&](const TrainingRows& rows) {
    return *fit_tuned_exit(rows, features_[0], on, off, 4.0, pool_, {});
  };
  const TunedExit before = fit(rows_);
  ASSERT_EQ(before.scores.size(), off.size() * kLabels);
  const auto another = [&](std::uint32_t row) { return static_cast<std::uint32_t>((rows_.labels[row] + 1) % kLabels); };
  TrainingRows changed = rows_;
  for (const std::uint32_t row : off) changed.labels[row] = another(row);
  const TunedExit same = fit(changed);
  EXPECT_EQ(same.scores, before.scores);
  EXPECT_EQ(same.head.weights, before.head.weights);
  changed = rows_;
  changed.labels[on[5]] = another(on[5]);
  EXPECT_NE(fit(changed).scores, before.scores);
}

TEST_F(ExitHeads, OfATunedEncoderTakeTheCThatIsBestOnWhatTheyScore) {
  std::vector<std::uint32_t> on, off;
  for (std::uint32_t row = 0; row < rows_.size(); ++row) (rows_.fold_of[row] < 3 ? on : off).push_back(row);
  std::vector<std::uint32_t> truth;
  for (const std::uint32_t row : off) truth.push_back(rows_.labels[row]);
  const TunedExit chosen = *fit_tuned_exit(rows_, features_[0], on, off, {}, pool_, {});
  const double least = score_quality(chosen.scores, truth, kLabels).log_loss;
  for (const double c : default_head_c_grid())
    EXPECT_LE(
        least - 1e-5,
        score_quality(fit_tuned_exit(rows_, features_[0], on, off, c, pool_, {})->scores, truth, kLabels).log_loss)
        << c;
}

}  // namespace
}  // namespace smidgen
