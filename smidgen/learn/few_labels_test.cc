// Few labels as the ladder uses them: when it is tried, what fits a budget, out-of-fold scores of what was never moved
// by, and an encoder on disk that gives the embeddings of the one in memory.
#include "smidgen/learn/few_labels.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <thread>

#include "smidgen/learn/head_trainer.h"
#include "smidgen/model/encoder_rung.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

TrainingRows rows_of(std::uint32_t count, std::uint32_t labels) {
  TrainingRows rows;
  rows.folds = 5;
  rows.label_count = labels;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t label = i % labels;
    rows.texts.push_back(std::string(label == 0 ? "good" : "bad") + " text " + std::to_string(i));
    rows.labels.push_back(label);
    rows.units.push_back(i);
    rows.fold_of.push_back(i / labels % 5);
    (i % 7 == 0 ? rows.tune : rows.fit).push_back(i);
  }
  return rows;
}

TEST(FewLabels, AreTriedWhereTheyPay) {
  EXPECT_TRUE(contrast_pays(rows_of(16, 2)));
  EXPECT_FALSE(tuning_pays(rows_of(16, 2)));
  EXPECT_TRUE(contrast_pays(rows_of(80, 2)) && tuning_pays(rows_of(80, 2)));
  EXPECT_FALSE(contrast_pays(rows_of(200, 2)));
  EXPECT_GE(contrast_options(16, 1).steps, 20U);
  EXPECT_GT(contrast_options(616, 1).steps, contrast_options(48, 1).steps);
  EXPECT_LE(contrast_options(1000000, 1).steps, 1000U);
}

TEST(IsNotWorse, AsksForMoreThanOneStandardError) {
  const std::vector<double> losses = {1, 2, 1, 2}, same = {1, 2, 1, 2}, better = {0.5, 1.6, 0.5, 1.4},
                            noisy = {0.2, 2.7, 0.2, 2.5};
  EXPECT_TRUE(is_not_worse(losses, same, {}));
  EXPECT_FALSE(is_not_worse(losses, better, {}));
  EXPECT_TRUE(is_not_worse(better, losses, {}));
  EXPECT_TRUE(is_not_worse(losses, noisy, {})) << "a difference within the noise";
}

class FewLabelsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (fs::path(testing::TempDir()) / ("smidgen_few_" + std::to_string(getpid()))).string();
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  EmbeddingMatrix embed(const TrainingRows& rows) {
    const std::vector<std::string_view> texts(rows.texts.begin(), rows.texts.end());
    return *embed_all(encoder_, texts, pool_, {});
  }

  ThreadPool pool_{2};
  Encoder encoder_ = *Encoder::load(kTiny);
  std::string folder_;
};

TEST_F(FewLabelsTest, IsWrittenAndLoadsAgain) {
  const TrainingRows rows = rows_of(40, 2);
  TuneOptions options;
  options.seconds_max = 1000;
  options.folder = folder_;
  std::string why_not;
  double last = 0;
  Watcher watcher;
  watcher.progress = [&](const ProgressEvent& event) {
    if (event.stage != "contrasting") return;
    EXPECT_GE(event.fraction, last);
    last = event.fraction;
  };
  auto moved = contrast_encoder(rows, encoder_, embed(rows), options, pool_, watcher, why_not);
  ASSERT_TRUE(moved.ok()) << moved.error().message();
  ASSERT_TRUE(moved->has_value()) << why_not;
  TunedEncoder& got = (*moved)->moved;
  EXPECT_NEAR(last, 1, 1e-9);
  ASSERT_EQ(got.out_of_fold.size(), 80U);
  std::size_t right = 0;
  for (std::size_t row = 0; row < 40; ++row) {
    ASSERT_NEAR(std::exp(got.out_of_fold[2 * row]) + std::exp(got.out_of_fold[2 * row + 1]), 1, 1e-5);
    right += (got.out_of_fold[2 * row + 1] > got.out_of_fold[2 * row]) == (rows.labels[row] == 1) ? 1 : 0;
  }
  EXPECT_GE(right, 36U);
  // Of the frozen encoder: each row from a head that did not see its half, so not what a head on all rows says.
  const std::vector<float>& frozen_scores = (*moved)->frozen_out_of_fold;
  ASSERT_EQ(frozen_scores.size(), 80U);
  const EmbeddingMatrix x = embed(rows);
  const HeadTrainer heads = *HeadTrainer::create(x.values, x.dimensions, rows.labels, 2, pool_);
  std::vector<std::uint32_t> second_half;
  for (std::uint32_t row = 0; row < 40; ++row)
    if (rows.fold_of[row] * 2 / 5 == 1) second_half.push_back(row);
  const HeadFit fit = *heads.fit(second_half, options.c, {});
  std::vector<float> wanted(2);
  fit.head.log_probabilities(x.row(0), wanted);  // row 0 is of the first half
  EXPECT_EQ(frozen_scores[0], wanted[0]);
  EXPECT_EQ(frozen_scores[1], wanted[1]);
  std::vector<float> frozen(24), after(24);
  Encoder::Scratch scratch;
  encoder_.embed_text("good text", scratch, frozen.data());
  got.encoder->embed_text("good text", scratch, after.data());
  EXPECT_NE(frozen, after);
  EXPECT_EQ(got.encoder->folder(), folder_);
  const auto rung = EncoderRung::create(got.encoder, std::move(got.head));
  ASSERT_TRUE(rung.ok()) << rung.error().message();
  // It stands at its share of the way that contrast on all rows takes.
  const auto load = [&](const std::string& folder) {
    return std::move(TrainableEncoder::load(folder, TrainableEncoder::fast_precision(kernels()), kernels(), pool_))
        .value();
  };
  TrainableEncoder whole = load(kTiny), written = load(folder_);
  const std::vector<float> start = whole.weights();
  TokenRows on;
  on.labels = rows.labels;
  for (const std::string& text : rows.texts)
    encoder_.tokenizer().encode(text, encoder_.tokens_max(), on.ids.emplace_back());
  ASSERT_TRUE(contrast(whole, on, 2, contrast_options(40, options.seed), {}).ok());
  const std::vector<float> end = whole.weights(), stands = written.weights();
  EXPECT_TRUE(got.share == 0.5 || got.share == 1) << got.share;
  for (std::size_t i = 0; i < start.size(); ++i)
    ASSERT_NEAR(stands[i], start[i] + got.share * (end[i] - start[i]), 1e-6) << i;
}

// In int8 when that was asked for; in the precision of training when int8 costs more than it may, here less than
// nothing.
TEST_F(FewLabelsTest, IsScoredInThePrecisionItWillRunIn) {
  const TrainingRows rows = rows_of(40, 2);
  EncoderOptions int8;
  int8.precision = Precision::kInt8;
  encoder_ = *Encoder::load(kTiny, int8);
  TuneOptions options;
  options.seconds_max = 1000;
  options.folder = folder_;
  std::string why_not;
  std::vector<TunedEncoder> moved;
  for (const double most : {std::numeric_limits<double>::infinity(), -1.0}) {
    options.precision_cost_max = most;
    auto found = contrast_encoder(rows, encoder_, embed(rows), options, pool_, {}, why_not);
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_FALSE(fs::exists(folder_ + "_of_half"));
    moved.push_back(std::move((*found)->moved));
  }
  EXPECT_EQ(moved[0].encoder->precision(), Precision::kInt8);
  EXPECT_EQ(moved[1].encoder->precision(), TrainableEncoder::fast_precision(kernels()));
  EXPECT_NE(moved[0].out_of_fold, moved[1].out_of_fold);
  for (std::size_t i = 0; i < moved[0].out_of_fold.size(); ++i)
    EXPECT_NEAR(std::exp(moved[0].out_of_fold[i]), std::exp(moved[1].out_of_fold[i]), 0.2) << i;
}

TEST(NamesSay, NothingUnlessTheyBeatChance) {
  TrainingRows rows = rows_of(16, 2);  // labels 0, 1, 0, 1, ..
  EmbeddingMatrix x, names;
  x.rows = 16;
  names.rows = 2;
  x.dimensions = names.dimensions = 2;
  names.values = {30, 0, 0, 0.1F};  // lengths must not matter
  for (std::uint32_t row = 0; row < 16; ++row) {
    const bool first = row % 2 == 0;
    x.values.insert(x.values.end(), {first ? 1.0F : 0.2F, first ? 0.2F : 1.0F});
  }
  EXPECT_EQ(names_say(rows, x, names), 1.0);
  for (std::uint32_t row = 0; row < 7; ++row) std::swap(x.values[2 * row], x.values[2 * row + 1]);
  EXPECT_FALSE(names_say(rows, x, names)) << "9 of 16 is near chance";
  rows.targets.weights.assign(16, 1.0F);
  for (std::uint32_t row = 0; row < 7; ++row) rows.targets.weights[row] = 0;
  EXPECT_EQ(names_say(rows, x, names), 1.0) << "rows that are not fitted on say nothing";
}

TEST_F(FewLabelsTest, LearnsFromNamesThatMeanSomething) {
  TrainingRows rows = rows_of(40, 2);
  TuneOptions options;
  options.seconds_max = 1000;
  options.folder = folder_;
  std::string why_not;
  const auto without = contrast_encoder(rows, encoder_, embed(rows), options, pool_, {}, why_not);
  ASSERT_TRUE(without.ok() && without->has_value());
  EXPECT_EQ((*without)->moved.note, "");
  rows.label_names = {rows.texts[0], rows.texts[1]};
  const auto with = contrast_encoder(rows, encoder_, embed(rows), options, pool_, {}, why_not);
  ASSERT_TRUE(with.ok() && with->has_value());
  EXPECT_NE((*with)->moved.note.find("names"), std::string::npos);
  EXPECT_NE((*with)->moved.out_of_fold, (*without)->moved.out_of_fold);
  EXPECT_NE((*with)->frozen_out_of_fold, (*without)->frozen_out_of_fold) << "judged with the names, too";
}

// A teacher that is sure of nothing makes heads that are not, and a row without weight moves nothing.
TEST_F(FewLabelsTest, FitsWhatATeacherSays) {
  TrainingRows rows = rows_of(40, 2);
  TuneOptions options;
  options.seconds_max = 1000;
  options.folder = folder_;
  std::string why_not;
  auto hard = contrast_encoder(rows, encoder_, embed(rows), options, pool_, {}, why_not);
  ASSERT_TRUE(hard.ok() && hard->has_value());
  rows.targets.weights.assign(40, 1.0F);
  rows.targets.weights[3] = 0;
  for (std::uint32_t row = 0; row < 40; ++row)
    rows.targets.soft.add_row(std::vector<SoftLabel>{{rows.labels[row], 0.6F}, {1 - rows.labels[row], 0.4F}});
  auto soft = contrast_encoder(rows, encoder_, embed(rows), options, pool_, {}, why_not);
  ASSERT_TRUE(soft.ok() && soft->has_value());
  const auto surest = [](const std::vector<float>& scores) {
    return std::exp(*std::max_element(scores.begin(), scores.end())) - 0.5F;
  };
  EXPECT_LT(surest((*soft)->moved.out_of_fold), surest((*hard)->moved.out_of_fold) / 2);
  EXPECT_LT(surest((*soft)->frozen_out_of_fold), surest((*hard)->frozen_out_of_fold) / 2);
  rows.labels[3] = 0;
  auto other = contrast_encoder(rows, encoder_, embed(rows), options, pool_, {}, why_not);
  ASSERT_TRUE(other.ok() && other->has_value());
  EXPECT_EQ((*other)->moved.out_of_fold, (*soft)->moved.out_of_fold);
}

TEST_F(FewLabelsTest, StopsEarlyWhenTimeIsShort) {
  TuneOptions options;
  options.folder = folder_;
  std::string why_not;
  std::size_t asked = 0;  // once a step; by head fits on the frozen encoder as well
  double seconds_a_step = 0;
  Watcher watcher;
  watcher.cancelled = [&] {
    ++asked;
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_a_step));
    return false;
  };
  const auto expect_none = [&](double seconds_max, const std::string& why, std::size_t steps_max) {
    options.seconds_max = seconds_max;
    asked = 0;
    const auto moved =
        contrast_encoder(rows_of(40, 2), encoder_, embed(rows_of(40, 2)), options, pool_, watcher, why_not);
    ASSERT_TRUE(moved.ok());
    EXPECT_FALSE(moved->has_value());
    EXPECT_NE(why_not.find(why), std::string::npos) << why_not;
    EXPECT_LE(asked, steps_max);
    EXPECT_FALSE(fs::exists(folder_));
  };
  expect_none(0, "no minutes were left", 0);
  expect_none(-5, "no minutes were left", 0);
  expect_none(1e-6, "minutes here, 0.0 were left", 1);
  seconds_a_step = 0.2;  // of 75 and more
  expect_none(12, "minutes here, 0.2 were left", 3);
}

TEST_F(FewLabelsTest, IsCancelledAndSaysWhatIsImpossible) {
  TuneOptions options;
  options.seconds_max = 1000;
  options.folder = folder_;
  std::string why_not;
  Watcher watcher;
  watcher.cancelled = [] { return true; };
  const auto stopped =
      contrast_encoder(rows_of(40, 2), encoder_, embed(rows_of(40, 2)), options, pool_, watcher, why_not);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled);
  TrainingRows parted = rows_of(40, 2);
  for (std::size_t row = 0; row < 40; ++row) parted.fold_of[row] = parted.labels[row] == 0 ? 0 : 4;
  const auto impossible = contrast_encoder(parted, encoder_, embed(parted), options, pool_, {}, why_not);
  ASSERT_TRUE(impossible.ok());
  EXPECT_FALSE(impossible->has_value());
  EXPECT_EQ(why_not, "The encoder was not moved by contrast: half of the rows have one label only.");
}

}  // namespace
}  // namespace smidgen
