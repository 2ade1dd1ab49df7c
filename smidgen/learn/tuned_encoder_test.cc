// Fine-tuning as the ladder uses it: what fits a budget, out-of-fold scores of what was never fitted on, and an encoder
// on disk that gives the scores of the one in memory.
#include "smidgen/learn/tuned_encoder.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <thread>

#include "smidgen/base/atomic_file.h"
#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/base/sha256.h"
#include "smidgen/learn/moved_encoder.h"
#include "smidgen/learn/score_quality.h"
#include "smidgen/learn/tuning_state.h"
#include "smidgen/model/encoder_rung.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPairs = 10;  // of kTuneFoldsMax folds
const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

TEST(TuningRate, IsTwiceTheRecipesForTheMeanOfManyFitsOnFewRows) {
  EXPECT_EQ(tuning_rate(1e-4, 4000, {8, 5, 0}), 2e-4);
  EXPECT_EQ(tuning_rate(1e-4, 4001, {8, 5, 0}), 1e-4);
  EXPECT_EQ(tuning_rate(1e-4, 1000, {8, 3, 0}), 1e-4);
  EXPECT_EQ(tuning_rate(1e-4, 1000, {2, 2, 0}), 1e-4);
}

TEST(PlanTuning, FitsItsBudget) {
  // 10,000 rows at 500 a second: 20 s an epoch.
  const TunePlan ample = plan_tuning(10000, 2, 500, 600);
  EXPECT_EQ(ample.folds, kTuneFoldsMax);
  EXPECT_EQ(ample.left_out, 1U);
  EXPECT_GE(ample.epochs, 3U);
  EXPECT_LE(ample.seconds, 0.9 * 600);
  const TunePlan middling = plan_tuning(10000, 2, 500, ample.seconds);  // to spare, or three folds
  EXPECT_EQ(middling.folds, 3U);
  EXPECT_EQ(middling.epochs, ample.epochs);
  EXPECT_LE(middling.seconds, ample.seconds);
  const TunePlan tight = plan_tuning(10000, 2, 500, 100);
  EXPECT_EQ(tight.folds, 2U);
  EXPECT_EQ(tight.epochs, 2U);
  EXPECT_NEAR(tight.seconds, 80, 1e-9);
  const TunePlan none = plan_tuning(10000, 2, 500, 79);
  EXPECT_EQ(none.epochs, 0U);
  EXPECT_NEAR(none.seconds, 80, 1e-9);
  const TunePlan of_few = plan_tuning(200, 2, 500, 600);  // few rows: more passes, and pairs of folds left out
  EXPECT_EQ(of_few.epochs, kTuneEpochsMax);
  EXPECT_EQ(of_few.folds, kTuneFoldsMax);
  EXPECT_EQ(of_few.left_out, 2U);
  EXPECT_NEAR(of_few.seconds, 8 * (10 * 0.6 + 1) * 0.4, 1e-9);  // ten fits on three folds of five, and the last
  const TunePlan of_few_and_middling = plan_tuning(200, 2, 500, of_few.seconds);
  EXPECT_EQ(of_few_and_middling.folds, kTuneFoldsMax);
  EXPECT_EQ(of_few_and_middling.left_out, 1U);
  EXPECT_EQ(plan_tuning(4000, 2, 500, 1e9).left_out, 2U);
  EXPECT_EQ(plan_tuning(4001, 2, 500, 1e9).left_out, 1U);
  EXPECT_EQ(plan_tuning(1280, 20, 500, 1e9).left_out, 2U);  // 64 rows a label
  EXPECT_EQ(plan_tuning(1279, 20, 500, 1e9).left_out, 1U);
}

TEST(PlanTuning, PartsLeaveEachFoldOutEquallyOften) {
  using Parts = std::vector<std::vector<std::size_t>>;
  EXPECT_EQ(parts_of({1, 3, 0, 1}), (Parts{{0}, {1}, {2}}));
  EXPECT_EQ(parts_of({1, 5, 0, 2}),
            (Parts{{0, 1}, {0, 2}, {0, 3}, {0, 4}, {1, 2}, {1, 3}, {1, 4}, {2, 3}, {2, 4}, {3, 4}}));
}

TEST(PlanTuning, EstimateLeavesTimeForExits) {
  const double without = estimated_tuning_minutes(10000, 2, 30, kernels(), false);
  ASSERT_GT(without, 0);
  EXPECT_NEAR(estimated_tuning_minutes(10000, 2, 30, kernels(), true), without / (1 - 0.15), 1e-9);
}

TEST(PlanTuning, EstimateBuysMostFolds) {
  const double minutes = estimated_tuning_minutes(10000, 2, 30, kernels(), false);
  // The speed that the estimate goes by: one epoch is 10,000 rows.
  const double passes = TrainableEncoder::fast_precision(kernels()) == Precision::kBf16 ? 2 : 3.5;
  const double rows_per_second = 10000 / (passes * 30);
  EXPECT_EQ(plan_tuning(10000, 2, rows_per_second, 60 * minutes * 1.001).folds, kTuneFoldsMax);
  EXPECT_EQ(plan_tuning(10000, 2, rows_per_second, 60 * minutes * 0.999).folds, 3U);
  const double of_few = estimated_tuning_minutes(1000, 2, 3, kernels(), false);
  EXPECT_EQ(plan_tuning(1000, 2, rows_per_second, 60 * of_few * 1.001).left_out, 2U);
  EXPECT_EQ(plan_tuning(1000, 2, rows_per_second, 60 * of_few * 0.999).left_out, 1U);
}

// Which of two words comes first: nothing the mean of word vectors tells.
TrainingRows order_rows(std::size_t count) {
  TrainingRows rows;
  rows.folds = 5;
  rows.label_count = 2;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string filler(1, static_cast<char>('a' + i % 26));
    const bool swapped = i * 7919 % 101 % 2 == 1;
    rows.texts.push_back(swapped ? "bad " + filler + " good" : "good " + filler + " bad");
    rows.labels.push_back(swapped ? 1 : 0);
    rows.units.push_back(i);
    rows.fold_of.push_back(i % 5);
    (i % 7 == 0 ? rows.tune : rows.fit).push_back(i);
  }
  return rows;
}

class TunedEncoderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (fs::path(testing::TempDir()) / ("smidgen_tuned_" + std::to_string(getpid()))).string();
    fs::remove_all(folder_);
    auto loaded = Encoder::load(kTiny);
    ASSERT_TRUE(loaded.ok());
    encoder_ = std::make_unique<Encoder>(std::move(loaded).value());
    const std::vector<std::string_view> texts(rows_.texts.begin(), rows_.texts.end());
    embeddings_ = *embed_all(*encoder_, texts, pool_, {});
  }
  void TearDown() override { fs::remove_all(folder_); }

  TuneOptions options_with_state() const {
    TuneOptions options;
    options.seconds_max = 1000;
    options.folder = folder_ + "/tuned";
    options.state_folder = folder_ + "/state";
    return options;
  }
  // Cancelled when it asks for the stop_at-th time whether it is; 0: never. Leaves in asked_ how often it asked.
  Result<std::optional<TunedEncoder>> tune(const TuneOptions& options, std::size_t stop_at) {
    Watcher watcher;
    asked_ = 0;
    watcher.cancelled = [&] { return ++asked_ == stop_at; };
    return tune_encoder(rows_, *encoder_, embeddings_, options, pool_, watcher, why_not_);
  }

  // The rows that say when to stop are those of the first fold, and contradict the others.
  void contradict_first_fold() {
    rows_.tune.clear();
    rows_.fit.clear();
    for (std::uint32_t i = 0; i < rows_.size(); ++i) {
      const bool of_first_fold = rows_.fold_of[i] == 0;
      (of_first_fold ? rows_.tune : rows_.fit).push_back(i);
      if (of_first_fold) rows_.labels[i] = 1 - rows_.labels[i];
    }
  }
  // What was said of the rows of a fold, and what the mean of the weights of `parts` says as it would run.
  std::pair<std::vector<float>, std::vector<float>> scores_of_fold(const TunedEncoder& tuned, std::size_t fold,
                                                                   const std::vector<std::size_t>& parts) {
    const TuningState state = *TuningState::open(folder_ + "/state", fs::path(tuned.leftover).filename());
    std::vector<float> mean;
    for (const std::size_t part : parts) {
      const std::vector<float> weights = state.part(part)->weights;
      mean.resize(weights.size());
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += weights[i];
    }
    for (float& weight : mean) weight /= static_cast<float>(parts.size());
    const Precision precision = TrainableEncoder::fast_precision(kernels());
    TrainableEncoder encoder = *TrainableEncoder::load(kTiny, precision, kernels(), pool_);
    SoftmaxHead head{2, 24, std::vector<float>(mean.end() - 50, mean.end() - 2), {mean.end() - 2, mean.end()}};
    encoder.take_weights(std::span(mean).first(mean.size() - 50));
    std::vector<std::vector<std::int32_t>> ids;
    std::vector<float> said;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      if (rows_.fold_of[row] * tuned.plan.folds / rows_.folds != fold) continue;
      encoder_->tokenizer().encode(rows_.texts[row], encoder_->tokens_max(), ids.emplace_back());
      said.insert(said.end(), {tuned.out_of_fold[2 * row], tuned.out_of_fold[2 * row + 1]});
    }
    const TemporaryFolder copy(folder_ + "/copy");
    EXPECT_TRUE(write_moved(*encoder_, encoder, copy.path()).ok());
    const auto written = *load_moved(*encoder_, copy.path(), tuned.encoder->precision());
    return {said, *score_as_run(*written, head, ids, pool_, {})};
  }

  std::size_t asked_ = 0;
  std::vector<std::vector<float>> said_;
  std::string why_not_;
  ThreadPool pool_{2};
  TrainingRows rows_ = order_rows(300);
  std::unique_ptr<Encoder> encoder_;
  EmbeddingMatrix embeddings_;
  std::string folder_;
};

TEST_F(TunedEncoderTest, IsWrittenAndScoresTheSameWhenLoaded) {
  TuneOptions options;
  options.seconds_max = 1000;
  options.folder = folder_;
  std::string why_not;
  auto tuned = tune_encoder(rows_, *encoder_, embeddings_, options, pool_, {}, why_not);
  ASSERT_TRUE(tuned.ok()) << tuned.error().message();
  ASSERT_TRUE(tuned->has_value()) << why_not;
  TunedEncoder& got = **tuned;
  EXPECT_EQ(got.plan.folds, kTuneFoldsMax);
  ASSERT_EQ(got.out_of_fold.size(), 600U);
  for (std::size_t row = 0; row < 300; ++row)
    ASSERT_NEAR(std::exp(got.out_of_fold[2 * row]) + std::exp(got.out_of_fold[2 * row + 1]), 1, 1e-5);
  EXPECT_NE(got.encoder->folder(), kTiny);
  EXPECT_EQ(got.encoder->folder(), folder_);
  std::vector<float> frozen(24), moved(24);
  Encoder::Scratch scratch;
  encoder_->embed_text("good a bad", scratch, frozen.data());
  got.encoder->embed_text("good a bad", scratch, moved.data());
  EXPECT_NE(frozen, moved);
  const auto rung = EncoderRung::create(got.encoder, std::move(got.head));
  ASSERT_TRUE(rung.ok()) << rung.error().message();
}

// Labels drawn at random and a fit that learns them by heart: only rows it never saw are answered by chance. Where one
// fold's rows reached its fit, this would be near 1 as well.
TEST_F(TunedEncoderTest, OutOfFoldKnowsNothingOfRandomLabels) {
  Random random(11);
  TrainingRows rows;
  rows.folds = 5;
  rows.label_count = 2;
  for (std::uint32_t i = 0; i < 100; ++i) {
    std::string text;
    for (int letter = 0; letter < 6; ++letter) (text += static_cast<char>('a' + random.below(26))) += ' ';
    rows.texts.push_back(text);
    rows.labels.push_back(static_cast<std::uint32_t>(random.below(2)));
    rows.units.push_back(i);
    rows.fold_of.push_back(i % 5);
    (i % 7 == 0 ? rows.tune : rows.fit).push_back(i);
  }
  const std::vector<std::string_view> texts(rows.texts.begin(), rows.texts.end());
  const EmbeddingMatrix embeddings = *embed_all(*encoder_, texts, pool_, {});
  TuneOptions options = options_with_state();
  options.c = 1000;
  options.recipe.batch_rows = 2;
  options.recipe.rate = 3e-3;
  options.recipe.head_rate = 0.1;
  options.recipe.dropout = 0;
  options.exits = {1};
  const auto accuracy = [&](const auto& scores_of_row) {
    double right = 0;
    for (std::size_t row = 0; row < 100; ++row) {
      const std::span<const float> scores = scores_of_row(row);
      right += (scores[1] > scores[0]) == (rows.labels[row] == 1) ? 1 : 0;
    }
    return right / 100;
  };
  const auto unseen = [&](const std::vector<float>& out_of_fold) {
    return accuracy([&](std::size_t row) { return std::span(&out_of_fold[2 * row], 2); });
  };
  std::string leftover;
  const auto expect_by_heart = [&](std::size_t folds, double least) {
    std::string why_not;
    const auto tuned = tune_encoder(rows, *encoder_, embeddings, options, pool_, {}, why_not);
    ASSERT_TRUE(tuned.ok()) << tuned.error().message();
    ASSERT_TRUE(tuned->has_value()) << why_not;
    ASSERT_EQ((*tuned)->plan.folds, folds);
    Encoder::Scratch scratch;
    std::vector<float> x(24), scores(2);
    const double seen = accuracy([&](std::size_t row) {
      (*tuned)->encoder->embed_text(rows.texts[row], scratch, x.data());
      (*tuned)->head.log_probabilities(x, scores);
      return std::span<const float>(scores);
    });
    EXPECT_GE(seen, least);
    ASSERT_EQ((*tuned)->exits.size(), 1U);
    for (const std::vector<float>& said : {(*tuned)->out_of_fold, (*tuned)->exits[0].out_of_fold}) {
      EXPECT_LE(unseen(said), 0.65);  // three standard deviations of a coin
      EXPECT_GE(unseen(said), 0.35);
    }
    leftover = (*tuned)->leftover;
  };
  // The mean of fits is kept where it is at least half of the way from chance to by heart.
  expect_by_heart(kTuneFoldsMax, 0.75);
  ASSERT_FALSE(HasFatalFailure());
  TunePlan plan;
  plan.epochs = kTuneEpochsMax;
  plan.folds = 3;
  ASSERT_TRUE(TuningState::open(options.state_folder, fs::path(leftover).filename())->keep(plan).ok());
  expect_by_heart(3, 0.95);  // fits that each learnt other rows by heart have no mean that knows them
}

// An exit of the encoder that is kept: its out-of-fold scores, from encoders of folds, are about as good as its head is
// on new rows.
TEST_F(TunedEncoderTest, ExitsAreScoredByTheEncodersOfTheFolds) {
  TuneOptions options;
  options.seconds_max = 1000;
  options.folder = folder_ + "/tuned";
  options.recipe.rate = 3e-3;
  options.recipe.dropout = 0;
  options.exits = {1};
  std::string why_not;
  auto tuned = tune_encoder(rows_, *encoder_, embeddings_, options, pool_, {}, why_not);
  ASSERT_TRUE(tuned.ok()) << tuned.error().message();
  ASSERT_EQ((*tuned)->exits.size(), 1U);
  TrainedExit& exit = (*tuned)->exits[0];
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);  // no fold's encoder stays
  const TrainingRows fresh = order_rows(900);
  const std::vector<std::string_view> texts(fresh.texts.begin() + 300, fresh.texts.end());
  const EmbeddingMatrix after_1 = embed_exits(*(*tuned)->encoder, texts, options.exits, pool_, {})->front();
  std::vector<float> scores(texts.size() * 2);
  for (std::size_t i = 0; i < texts.size(); ++i)
    exit.head.log_probabilities(after_1.row(i), std::span(scores).subspan(2 * i, 2));
  const double expected = score_quality(exit.out_of_fold, rows_.labels, 2).accuracy;
  const double got = score_quality(scores, std::span(fresh.labels).subspan(300), 2).accuracy;
  EXPECT_GE(expected, 0.9);
  EXPECT_NEAR(expected, got, 0.05);
}

// What is kept is the mean of all fits; or the last one alone, when a part's weights lie somewhere else altogether.
TEST_F(TunedEncoderTest, TheMeanOfAllFitsIsKeptUnlessItIsWorse) {
  TuneOptions options = options_with_state();
  struct Kept {
    TunedEncoder tuned;
    std::vector<float> weights;  // of the encoder on disk
  };
  const auto run = [&]() -> Kept {
    auto tuned = tune(options, 0);
    if (!tuned.ok() || !tuned->has_value()) return {};
    auto written = TrainableEncoder::load(options.folder, Precision::kF32, kernels(), pool_);
    return {std::move(**tuned), written.ok() ? written->weights() : std::vector<float>()};
  };
  const Kept mean = run();
  ASSERT_EQ(mean.tuned.fits, kPairs + 1);
  std::vector<double> parts(mean.weights.size());
  TuningState state = *TuningState::open(options.state_folder, fs::path(mean.tuned.leftover).filename());
  for (std::size_t part = 0; part < kPairs; ++part) {
    const std::optional<FinishedPart> finished = state.part(part);
    ASSERT_TRUE(finished.has_value()) << part;
    EXPECT_TRUE(finished->to_its_end);
    ASSERT_EQ(finished->weights.size(), parts.size() + std::size_t{2} * 24 + 2);
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i] += double{finished->weights[i]};
  }
  Random random(3);
  const FinishedPart second = *state.part(1);
  FinishedPart elsewhere = second;
  for (float& weight : elsewhere.weights) weight += 3 * static_cast<float>(random.normal());
  ASSERT_TRUE(state.keep(1, elsewhere).ok());
  for (std::size_t fold = 0; fold < kTuneFoldsMax; ++fold)
    fs::remove(state.folder() + "/fold-" + std::to_string(fold) + "-f32");
  const Kept last = run();
  ASSERT_EQ(last.tuned.fits, 1U);
  for (std::size_t fold = 0; fold < kTuneFoldsMax; ++fold) {  // one fit is kept, and expected
    const auto [said, wanted] = scores_of_fold(last.tuned, fold, {fold == 0 ? 0 : fold - 1});
    EXPECT_EQ(said, wanted) << fold;
  }
  ASSERT_EQ(last.weights.size(), parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i)
    ASSERT_NEAR(double{mean.weights[i]}, (parts[i] + double{last.weights[i]}) / (kPairs + 1), 1e-5) << i;
  elsewhere.weights.pop_back();  // not this encoder's: fitted anew
  ASSERT_TRUE(state.keep(1, elsewhere).ok());
  EXPECT_EQ(run().weights, mean.weights);
  EXPECT_EQ(state.part(1)->weights, second.weights);
  FinishedPart ended = second;
  ended.to_its_end = false;  // by patience: not averaged
  ASSERT_TRUE(state.keep(1, ended).ok());
  EXPECT_EQ(run().tuned.fits, kPairs);
}

// A fold's scores are those of the mean of the parts that left it out.
TEST_F(TunedEncoderTest, AFoldIsScoredByTheMeanOfTheFitsThatLeftItOut) {
  const auto tuned = tune(options_with_state(), 0);
  ASSERT_TRUE(tuned.ok()) << tuned.error().message();
  const std::vector<std::vector<std::size_t>> parts = parts_of((*tuned)->plan);
  for (std::size_t fold = 0; fold < kTuneFoldsMax; ++fold) {
    std::vector<std::size_t> without;
    for (std::size_t part = 0; part < parts.size(); ++part)
      if (std::find(parts[part].begin(), parts[part].end(), fold) != parts[part].end()) without.push_back(part);
    ASSERT_EQ(without.size(), 4U);
    const auto [said, wanted] = scores_of_fold(**tuned, fold, without);
    EXPECT_EQ(said, wanted) << fold;
  }
}

// In int8 when that was asked for; in the precision of training when int8 costs more than it may, here less than
// nothing.
TEST_F(TunedEncoderTest, IsScoredInThePrecisionItWillRunIn) {
  EncoderOptions int8;
  int8.precision = Precision::kInt8;
  encoder_ = std::make_unique<Encoder>(*Encoder::load(kTiny, int8));
  TuneOptions options = options_with_state();
  options.exits = {1};
  const auto expect_scores_in = [&](Precision precision, std::size_t stop_at) {
    fs::remove_all(options.folder);
    if (stop_at > 0) {
      ASSERT_FALSE(tune(options, stop_at).ok());
    }
    const auto tuned = tune(options, 0);
    ASSERT_TRUE(tuned.ok()) << tuned.error().message();
    EXPECT_EQ((*tuned)->encoder->precision(), precision);
    EXPECT_FALSE(fs::exists(options.folder + "_of_fold"));
    const std::vector<std::vector<std::size_t>> parts = parts_of((*tuned)->plan);
    for (std::size_t fold = 0; fold < kTuneFoldsMax; ++fold) {
      std::vector<std::size_t> without;
      for (std::size_t part = 0; part < parts.size(); ++part)
        if (std::find(parts[part].begin(), parts[part].end(), fold) != parts[part].end()) without.push_back(part);
      const auto [said, wanted] = scores_of_fold(**tuned, fold, without);
      EXPECT_EQ(said, wanted) << fold;
    }
    said_.push_back((*tuned)->out_of_fold);
    said_.push_back((*tuned)->exits[0].out_of_fold);
  };
  options.precision_cost_max = std::numeric_limits<double>::infinity();
  expect_scores_in(Precision::kInt8, 0);
  const std::size_t all = asked_;
  options.precision_cost_max = -1;
  const Precision training = TrainableEncoder::fast_precision(kernels());
  expect_scores_in(training, 0);
  fs::remove_all(options.state_folder);
  expect_scores_in(training, all - 10);
  ASSERT_EQ(said_.size(), 6U);
  for (const std::size_t of : {0U, 1U}) {  // the last layer, the exit
    EXPECT_NE(said_[of], said_[2 + of]);
    EXPECT_EQ(said_[2 + of], said_[4 + of]) << "goes on where it was stopped";
  }
}

TEST_F(TunedEncoderTest, AFullDiskIsAnErrorThatSaysWhere) {
  TuneOptions options = options_with_state();
  options.state_folder = "";
  rlimit before = {}, small = {};
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 8192;  // bytes a file may have: less than the weights
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const auto tuned = tune(options, 0);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(tuned.ok());
  EXPECT_EQ(tuned.error().kind(), ErrorKind::kIo);
  EXPECT_NE(tuned.error().message().find(options.folder + "_of_fold"), std::string::npos) << tuned.error().message();
  EXPECT_FALSE(fs::exists(options.folder + "_of_fold"));
}

// Rows of folds 1 and 3 with other labels leave the part that left both out as it was, to the bit, and no other.
TEST_F(TunedEncoderTest, APartKnowsNothingOfTheFoldsItLeftOut) {
  TuneOptions options = options_with_state();
  const auto parts = [&] {
    const auto tuned = tune(options, 0);
    std::vector<std::vector<float>> weights;
    if (!tuned.ok()) return weights;
    const TuningState state = *TuningState::open(options.state_folder, fs::path((*tuned)->leftover).filename());
    for (std::size_t part = 0; part < kPairs; ++part) weights.push_back(state.part(part)->weights);
    return weights;
  };
  rows_.tune.clear();  // they would say when to stop
  const auto before = parts();
  for (std::uint32_t row = 0; row < rows_.size(); ++row)
    if (rows_.fold_of[row] == 1 || rows_.fold_of[row] == 3) rows_.labels[row] = 1 - rows_.labels[row];
  const auto after = parts();
  ASSERT_EQ(before.size(), kPairs);
  ASSERT_EQ(after.size(), kPairs);
  const std::vector<std::vector<std::size_t>> left_out = parts_of({1, kTuneFoldsMax, 0, 2});
  for (std::size_t part = 0; part < kPairs; ++part)
    EXPECT_EQ(before[part] == after[part], left_out[part] == std::vector<std::size_t>({1, 3})) << part;
}

// Also by a part that patience ended, when it is the only one.
TEST_F(TunedEncoderTest, AFoldIsScoredByAFitThatPatienceEndedWhenThereIsNoOther) {
  contradict_first_fold();
  TuneOptions options = options_with_state();
  options.recipe.rate = 1.6e-3;
  ASSERT_FALSE(tune(options, 5).ok());
  const std::string state = fs::directory_iterator(options.state_folder)->path().filename();
  ASSERT_TRUE(TuningState::open(options.state_folder, state)->keep(TunePlan{kTuneEpochsMax, 3, 1}).ok());
  const auto tuned = tune(options, 0);
  ASSERT_TRUE(tuned.ok()) << tuned.error().message();
  ASSERT_LT((*tuned)->plan.epochs, kTuneEpochsMax) << "patience was not lost";
  EXPECT_EQ((*tuned)->fits, 3U);
  const auto [said, wanted] = scores_of_fold(**tuned, 0, {0});
  EXPECT_EQ(said, wanted);
}

// A fit that time ended while its rate was up is left out of the mean, as one that patience ended; the others take as
// many epochs and come to their end.
TEST_F(TunedEncoderTest, AFitThatTimeEndedIsNotAveraged) {
  TuneOptions options = options_with_state();
  for (const std::string slow : {"part 1 of 4", "part 4 of 4"}) {
    fs::remove_all(folder_);
    ASSERT_FALSE(tune(options, 5).ok());
    const std::string key = fs::directory_iterator(options.state_folder)->path().filename();
    const TuningState state = *TuningState::open(options.state_folder, key);
    ASSERT_TRUE(state.keep(TunePlan{2, 3, 1}).ok());
    options.seconds_max = 4;
    bool slept = false;
    Watcher watcher;
    watcher.progress = [&](const ProgressEvent& event) {
      if (slept || event.stage.find(slow) == std::string_view::npos) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // more than half of what is left
      slept = true;
    };
    const auto tuned = tune_encoder(rows_, *encoder_, embeddings_, options, pool_, watcher, why_not_);
    ASSERT_TRUE(tuned.ok()) << tuned.error().message();
    EXPECT_EQ((*tuned)->plan.epochs, 1U) << slow;
    EXPECT_EQ((*tuned)->fits, 3U) << slow;
    for (std::size_t part = 0; part < 3; ++part) {
      const std::optional<FinishedPart> finished = state.part(part);
      ASSERT_TRUE(finished.has_value()) << slow;
      EXPECT_EQ(finished->to_its_end, part > 0 || slow != "part 1 of 4") << part;
    }
  }
}

TEST_F(TunedEncoderTest, GoesOnWhereItWasStopped) {
  TuneOptions options = options_with_state();
  const auto run = [&](std::size_t stop_at) { return tune(options, stop_at); };
  const auto weights = [&] { return *read_file(options.folder + "/model.safetensors", 1 << 20); };
  auto whole = run(0);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  EXPECT_FALSE((*whole)->resumed);
  const std::string wanted = weights();
  fs::remove_all(folder_);
  const std::size_t all = asked_;
  std::size_t before = 0;                             // asked by the runs that were stopped, of what they kept
  for (const std::size_t twelfths : {3U, 7U, 11U}) {  // in parts of the beginning, the middle and the end
    const auto part = run(all * twelfths / 12 - before);
    before += asked_;
    ASSERT_FALSE(part.ok());
    EXPECT_EQ(part.error().kind(), ErrorKind::kCancelled);
  }
  auto rest = run(0);
  ASSERT_TRUE(rest.ok()) << rest.error().message();
  EXPECT_TRUE((*rest)->resumed);
  EXPECT_EQ((*rest)->out_of_fold, (*whole)->out_of_fold);
  EXPECT_EQ(weights(), wanted);
  EXPECT_EQ((*rest)->note, "");
  EXPECT_TRUE(fs::exists((*rest)->leftover));  // its owner removes it, when the result stands
  options.state_key = "another budget";
  options.state_folder = "/dev/null/state";  // cannot be
  fs::remove_all(options.folder);
  const auto other = run(0);
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE((*other)->resumed);
  EXPECT_EQ((*other)->out_of_fold, (*whole)->out_of_fold);
  EXPECT_EQ(weights(), wanted);
  EXPECT_NE((*other)->note.find("/dev/null/state"), std::string::npos) << (*other)->note;
  EXPECT_EQ((*other)->leftover, "");
}

// Also while the heads of exits are fitted; and what was trained before them is not trained again.
TEST_F(TunedEncoderTest, ExitsGoOnWhereverTheyWereStopped) {
  TuneOptions options = options_with_state();
  options.exits = {1};
  const auto run = [&](std::size_t stop_at) { return tune(options, stop_at); };
  const auto whole = run(0);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  const std::size_t all = asked_;
  const auto expect_whole = [&](const char* when) {
    const auto rest = run(0);
    ASSERT_TRUE(rest.ok()) << rest.error().message();
    EXPECT_EQ((*rest)->out_of_fold, (*whole)->out_of_fold) << when;
    ASSERT_EQ((*rest)->exits.size(), 1U);
    EXPECT_EQ((*rest)->exits[0].out_of_fold, (*whole)->exits[0].out_of_fold) << when;
    EXPECT_EQ((*rest)->exits[0].head.weights, (*whole)->exits[0].head.weights) << when;
  };
  for (std::size_t stop = 10; stop < all; stop += all / 12) {
    fs::remove_all(folder_);
    ASSERT_FALSE(run(stop).ok()) << stop;
    EXPECT_FALSE(fs::exists(options.folder + "_of_fold")) << stop;
    expect_whole("stopped");
  }
  fs::remove_all(folder_);
  ASSERT_FALSE(run(all).ok());  // the very last question is of the last exit
  expect_whole("stopped at the end");
  EXPECT_LT(asked_, all / 4);
  const TuningState state = *TuningState::open(options.state_folder, fs::path((*whole)->leftover).filename());
  FinishedFold fold = *state.fold(1, Precision::kF32, 120, 1);
  EXPECT_FALSE(state.fold(1, Precision::kF32, 120, 2).has_value());
  fold.exits[0].c = -1;
  ASSERT_TRUE(state.keep(1, Precision::kF32, fold).ok());
  EXPECT_FALSE(state.fold(1, Precision::kF32, 120, 1).has_value());
  expect_whole("another C");
  fold.exits.clear();
  ASSERT_TRUE(state.keep(1, Precision::kF32, fold).ok());
  expect_whole("no exits");
}

// The first fold finds out how many epochs the others take; wherever the run is stopped, they take as many.
TEST_F(TunedEncoderTest, StoppedWhereverItTakesTheEpochsThatWereBest) {
  contradict_first_fold();
  TuneOptions options = options_with_state();
  options.recipe.rate = 8e-4;  // doubled, for there are five folds
  const auto run = [&](std::size_t stop_at) { return tune(options, stop_at); };
  const auto whole = run(0);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  const std::size_t all = asked_;
  ASSERT_LT((*whole)->plan.epochs, kTuneEpochsMax) << "patience was not lost";
  for (std::size_t stop = all / 10; stop < all; stop += all / 10 + 3) {
    fs::remove_all(folder_);
    ASSERT_FALSE(run(stop).ok()) << stop;
    for (std::size_t killed = 0; killed < 2; ++killed) {  // a kill that lost the plan's file, and one that did not
      const auto rest = run(0);
      ASSERT_TRUE(rest.ok()) << rest.error().message();
      EXPECT_EQ((*rest)->plan.epochs, (*whole)->plan.epochs) << stop;
      EXPECT_EQ((*rest)->out_of_fold, (*whole)->out_of_fold) << stop;
      fs::remove((*rest)->leftover + "/plan");
    }
  }
}

TEST_F(TunedEncoderTest, DoesNotGoOnWithAnotherSplitPrecisionOrTokenizer) {
  const std::string body = folder_ + "/body";
  fs::create_directories(folder_);
  fs::copy(kTiny, body, fs::copy_options::recursive);
  TuneOptions options = options_with_state();
  std::string why_not;
  const auto states = [&] {
    return std::distance(fs::directory_iterator(options.state_folder), fs::directory_iterator());
  };
  const auto stop = [&](const Encoder& encoder) {
    Watcher watcher;
    std::size_t asked = 0;
    watcher.cancelled = [&] { return ++asked == 60; };
    EXPECT_FALSE(tune_encoder(rows_, encoder, embeddings_, options, pool_, watcher, why_not).ok());
    return states();
  };
  EXPECT_EQ(stop(*Encoder::load(body)), 1);
  EXPECT_EQ(stop(*Encoder::load(body)), 1);
  const TrainingRows before = rows_;
  rows_.tune.push_back(rows_.fit.back());
  rows_.fit.pop_back();
  EXPECT_EQ(stop(*Encoder::load(body)), 2);
  rows_ = before;
  EncoderOptions in_bf16;
  in_bf16.precision = Precision::kBf16;
  EXPECT_EQ(stop(*Encoder::load(body, in_bf16)), 3);
  // Words get each other's number.
  std::string tokenizer = *read_file(body + "/tokenizer.json", 1 << 20);
  const std::size_t good = tokenizer.find("\"good\""), bad = tokenizer.find("\"bad\"");
  ASSERT_LT(good, bad);
  tokenizer.replace(bad, 5, "\"good\"").replace(good, 6, "\"bad\"");
  ASSERT_TRUE(write_file_atomic(body + "/tokenizer.json", tokenizer).ok());
  EXPECT_EQ(stop(*Encoder::load(body)), 4);
}

TEST_F(TunedEncoderTest, ADamagedStateIsNoReasonToFail) {
  TuneOptions options = options_with_state();
  const auto run = [&](std::size_t stop_at) { return tune(options, stop_at); };
  const auto whole = run(0);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  const std::string state = (*whole)->leftover;
  const auto expect_whole = [&](const std::string& file, const std::string& content) {
    ASSERT_TRUE(write_file_atomic(state + "/" + file, content).ok());
    const auto again = run(0);
    ASSERT_TRUE(again.ok()) << file << ' ' << content << again.error().message();
    ASSERT_TRUE(again->has_value()) << why_not_;
    EXPECT_EQ((*again)->plan.folds, kTuneFoldsMax);
    EXPECT_EQ((*again)->plan.epochs, (*whole)->plan.epochs);
    EXPECT_EQ((*again)->fits, kPairs + 1) << file;
    EXPECT_EQ((*again)->head.weights, (*whole)->head.weights) << file;
    EXPECT_EQ((*again)->out_of_fold, (*whole)->out_of_fold) << file << ' ' << content;
    const std::string said = file.starts_with("checkpoint") ? "could not be read" : state + "/" + file + " is damaged";
    EXPECT_NE((*again)->note.find(said), std::string::npos) << file << ": " << (*again)->note;
  };
  for (const std::string plan :
       {"8 0 1 5", "8 1 1 5", "8 4 1 5", "8 6 1 5", "8 5 0 5", "8 5 3 5", "8 3 2 5", "1000000 3 1 5", "8 3 1 nan"})
    expect_whole("plan", plan + " " + sha256_hex(plan) + "\n");  // with the digest that it should have
  expect_whole("plan", "nonsense");
  expect_whole("plan", "8 2 1 5\n");
  for (const std::string file : {"fold-1-f32", "part-1"}) {
    std::string content = *read_file(state + "/" + file, 1 << 20);
    content[content.size() - 3] = static_cast<char>(content[content.size() - 3] ^ 1);
    expect_whole(file, content);
  }
  expect_whole("fold-0-f32", "");
  expect_whole("part-0", "");
  EXPECT_EQ(run(0)->value().note, "");
  expect_whole("checkpoint-" + std::to_string(kPairs), "no checkpoint");
}

// Of the speed trial's seven batches only those are taken that something can still come of.
TEST_F(TunedEncoderTest, SaysWhyNotWhenTimeIsShort) {
  TuneOptions options = options_with_state();
  std::size_t batches = 0;
  double seconds_a_batch = 0;
  Watcher watcher;
  watcher.cancelled = [&] {
    ++batches;
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_a_batch));
    return false;
  };
  const auto expect_none = [&](double seconds_max, const std::string& why, std::size_t batches_max) {
    options.seconds_max = seconds_max;
    batches = 0;
    const auto tuned = tune_encoder(rows_, *encoder_, embeddings_, options, pool_, watcher, why_not_);
    ASSERT_TRUE(tuned.ok());
    EXPECT_FALSE(tuned->has_value());
    EXPECT_NE(why_not_.find(why), std::string::npos) << why_not_;
    EXPECT_LE(batches, batches_max);
    EXPECT_FALSE(fs::exists(options.folder));
    EXPECT_TRUE(fs::is_empty(options.state_folder));
  };
  expect_none(0, "no minutes were left", 0);
  expect_none(-5, "no minutes were left", 0);
  // The least, two epochs on two folds, is 1,200 rows, or 37 batches.
  seconds_a_batch = 0.2;
  expect_none(3, "the least that makes sense takes", 1);
  expect_none(5, "the least that makes sense takes", 2);
}

}  // namespace
}  // namespace smidgen
