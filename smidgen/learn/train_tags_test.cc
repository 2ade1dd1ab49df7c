// From tagged words to a model: the loss and its gradient, what is written and how it is judged.
#include "smidgen/learn/train_tags.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/fine_tune_tokens.h"
#include "smidgen/model/encoder_heads.h"
#include "smidgen/tensor/safetensors.h"
#include "smidgen/text/dataset.h"
#include "tests/golden_gradients.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden";
const std::string kTiny = kGolden + "/tiny_bert";
constexpr std::size_t kWidth = 24;

class TagLossIsa : public testing::TestWithParam<const Kernels*> {};
INSTANTIATE_TEST_SUITE_P(Isa, TagLossIsa, testing::ValuesIn(available_kernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

TEST_P(TagLossIsa, GradientsEqualTheReference) {
  const auto file = Safetensors::open(kGolden + "/tiny_bert_tag_gradients.safetensors");
  ASSERT_TRUE(file.ok());
  const auto integers = [&](const char* name) { return golden_integers(*file, name); };
  const auto ids = integers("ids"), counts = integers("lengths"), known = integers("tags");
  const std::vector<std::size_t> lengths(counts.begin(), counts.end());
  std::vector<std::uint32_t> tags;
  for (const std::int32_t tag : known) tags.push_back(tag < 0 ? kNoTag : static_cast<std::uint32_t>(tag));
  const SoftmaxHead head{3, kWidth, *file->floats("head weight", {3, kWidth}), *file->floats("head bias", {3})};
  ThreadPool pool(2);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, *GetParam(), pool, true);
  ASSERT_TRUE(encoder.ok());
  TagLoss loss(head, lengths, tags);
  EXPECT_NEAR(encoder->token_gradients({ids, {}, lengths}, loss, 0, 0), file->floats("loss", {1})->front(), 1e-5);
  std::vector<float> d_weights(3 * kWidth), d_bias(3);
  loss.head_gradients(d_weights, d_bias);
  expect_gradient("head weight", d_weights, *file->floats("gradient classifier.weight", {3, kWidth}));
  expect_gradient("head bias", d_bias, *file->floats("gradient classifier.bias", {3}));
  expect_golden_gradients(*encoder, *file);
}

// "good" is a thing, and "zebra", which is several tokens, an animal.
TaggedRows some_rows(std::size_t count) {
  TaggedRows data;
  data.tag_names = {"B-ANIMAL", "B-THING", "O"};
  Random random(8);
  for (std::size_t i = 0; i < count; ++i) {
    TaggedRow row;
    for (std::size_t word = 0; word < 8; ++word) {
      const std::size_t kind = random.below(6);
      row.words.push_back(kind == 0   ? "good"
                          : kind == 1 ? "zebra"
                                      : std::string(1, static_cast<char>('a' + random.below(26))));
      row.tags.push_back(kind == 0 ? 1 : kind == 1 ? 0 : 2);
    }
    data.rows.push_back(std::move(row));
  }
  return data;
}

class TrainTags : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/smidgen_train_tags_" + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    options_.encoder = kTiny;
    options_.out = folder_ + "/model";
  }
  void TearDown() override { fs::remove_all(folder_); }
  Result<TagTrainingSummary> train(const TaggedRows& data, std::size_t threads = 2) const {
    ThreadPool pool(threads);
    return train_tags(data, options_, pool, {});
  }
  // Stopped after the second step, which for fewer than 64 rows is the end of the first epoch.
  Result<TagTrainingSummary> train_stopped(const TaggedRows& data) const {
    ThreadPool pool(2);
    Watcher watcher;
    bool tuning = false;
    watcher.progress = [&](const ProgressEvent& event) { tuning = event.stage == "fine-tuning"; };
    watcher.cancelled = [&] { return tuning; };
    return train_tags(data, options_, pool, watcher);
  }

  std::string folder_;
  TagTrainingOptions options_;
};

TEST_F(TrainTags, LearnsWritesAndJudges) {
  options_.epochs = 150;
  options_.held_out = 0.2;
  const auto summary = train(some_rows(300));
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_EQ(summary->rows, 240U);
  EXPECT_EQ(summary->held_rows, 60U);
  EXPECT_EQ(summary->held.words, 480U);
  EXPECT_GT(summary->held.f1(), 0.9);
  EXPECT_GT(summary->held.accuracy(), 0.95);
  const auto model = HeadedEncoder::load(options_.out);
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->head_config().kind, HeadKind::kTokens);
  EXPECT_EQ(model->head_config().labels, (std::vector<std::string>{"B-ANIMAL", "B-THING", "O"}));
  EXPECT_NE(read_file(options_.out + "/config.json", 1 << 20)->find("BertForTokenClassification"), std::string::npos);
}

TEST_F(TrainTags, ThreadsChangeNoByte) {
  options_.epochs = 2;
  ASSERT_TRUE(train(some_rows(80), 1).ok());
  const std::string first = *read_file(options_.out + "/model.safetensors", 1 << 24);
  options_.force = true;
  ASSERT_TRUE(train(some_rows(80), 3).ok());
  EXPECT_TRUE(first == *read_file(options_.out + "/model.safetensors", 1 << 24));
}

std::vector<bool> held_rows(const TaggedRows& data, double share) {
  std::vector<std::string> keys;
  for (const TaggedRow& row : data.rows) {
    std::string text;
    for (const std::string& word : row.words) text += word + " ";
    keys.push_back(unit_key(text));
  }
  return held_out_keys(keys, share);
}

// Whatever tags the rows held out have, new ones among them, the model is the same to the byte.
TEST_F(TrainTags, NothingIsFittedOnWhatIsHeldOut) {
  TaggedRows data = some_rows(80);
  options_.epochs = 2;
  options_.held_out = 0.25;
  const auto first = train(data);
  ASSERT_TRUE(first.ok()) << first.error().message();
  ASSERT_EQ(first->held_rows, 20U);
  const std::string weights = *read_file(options_.out + "/model.safetensors", 1 << 24),
                    config = *read_file(options_.out + "/config.json", 1 << 20);
  const std::vector<bool> held = held_rows(data, 0.25);
  data.tag_names = {"A-NEW", "B-ANIMAL", "B-NEW", "B-THING", "O"};
  constexpr std::uint32_t kNow[] = {1, 3, 4};
  for (std::size_t row = 0; row < data.rows.size(); ++row)
    for (std::uint32_t& tag : data.rows[row].tags) tag = held[row] ? 2 * (tag % 2) : kNow[tag];
  options_.force = true;
  const auto second = train(data);
  ASSERT_TRUE(second.ok()) << second.error().message();
  EXPECT_TRUE(weights == *read_file(options_.out + "/model.safetensors", 1 << 24));
  EXPECT_EQ(config, *read_file(options_.out + "/config.json", 1 << 20));
  EXPECT_EQ(second->tags, 3U);
  EXPECT_EQ(second->held.words_right, 0U);  // no tag of theirs is known
}

TEST_F(TrainTags, RowsWithTheSameWordsAreHeldOutTogether) {
  // Twice each, the second time in capitals: what is held out is an even number, with both of a pair.
  TaggedRows data = some_rows(40);
  for (std::size_t i = 0; i < 40; ++i) {
    data.rows.push_back(data.rows[i]);
    for (std::string& word : data.rows.back().words)
      for (char& letter : word) letter = static_cast<char>(letter - 'a' + 'A');
  }
  options_.epochs = 1;
  options_.held_out = 0.175;  // 7 of 40
  std::size_t words = 0;
  for (const TaggedRow& row : data.rows) words += row.words.size();
  const auto summary = train(data);
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_EQ(summary->held_rows, 14U);
  EXPECT_EQ(summary->words + summary->held.words, words);
  const std::vector<bool> held = held_rows(data, 0.175);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(held[i], held[i + 40]) << i;
}

TEST_F(TrainTags, WordsWithoutATokenAreOutsideOfEntities) {
  TaggedRows data = some_rows(40);
  for (TaggedRow& row : data.rows) {
    row.words.resize(28, "\u200b");
    row.tags.resize(28, 2);
  }
  options_.epochs = 1;
  options_.held_out = 0.5;
  const auto summary = train(data);
  ASSERT_TRUE(summary.ok()) << summary.error().message();
  EXPECT_EQ(summary->held_rows, 20U);
  EXPECT_EQ(summary->held.words, 20U * 28U);
  EXPECT_GE(summary->held.words_right, 20U * 20U);  // "O" is right for each of the words without a token
}

TEST_F(TrainTags, RefusesWordsOfNoTokens) {
  TaggedRows data = some_rows(20);
  for (std::size_t i = 0; i < data.rows.size(); ++i)
    data.rows[i].words.assign(8, i % 2 == 0 ? "\u200b" : "\u200b\u200b");
  const auto refused = train(data);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kBadData);
  EXPECT_EQ(refused.error().what(), "no word has a token: nothing is to be learnt");
  EXPECT_FALSE(fs::exists(options_.out));
}

// The budget was enough for one epoch; stopped when the schedule had been cut to it.
TEST_F(TrainTags, AnotherBudgetIsAnotherRun) {
  options_.epochs = 4;
  ASSERT_TRUE(train(some_rows(40)).ok());
  const std::string whole = *read_file(options_.out + "/model.safetensors", 1 << 24);
  fs::remove_all(options_.out);
  options_.state_folder = folder_ + "/state";
  options_.seconds_max = 1e-9;
  ASSERT_FALSE(train_stopped(some_rows(40)).ok());
  const auto same = train(some_rows(40));
  ASSERT_TRUE(same.ok()) << same.error().message();
  EXPECT_TRUE(same->resumed);
  EXPECT_EQ(same->epochs, 1U);
  EXPECT_EQ(same->notes, std::vector<std::string>{"The time was enough for 1 of 4 epochs."});
  fs::remove_all(options_.out);
  ASSERT_FALSE(train_stopped(some_rows(40)).ok());
  options_.seconds_max = 1e9;
  const auto other = train(some_rows(40));
  ASSERT_TRUE(other.ok()) << other.error().message();
  EXPECT_FALSE(other->resumed);
  EXPECT_EQ(other->epochs, 4U);
  EXPECT_TRUE(other->notes.empty());
  EXPECT_TRUE(whole == *read_file(options_.out + "/model.safetensors", 1 << 24));
}

TEST_F(TrainTags, DoesNotGoOnWithAnotherShapeOfTheEncoder) {
  const std::string body = folder_ + "/body";
  fs::copy(kTiny, body, fs::copy_options::recursive);
  options_.encoder = body;
  options_.epochs = 2;
  options_.state_folder = folder_ + "/state";
  ASSERT_FALSE(train_stopped(some_rows(40)).ok());
  std::string config = *read_file(body + "/config.json", 1 << 20);
  const std::string epsilon = "\"layer_norm_eps\": 1e-12";
  ASSERT_NE(config.find(epsilon), std::string::npos);
  config.replace(config.find(epsilon), epsilon.size(), "\"layer_norm_eps\": 1e-3");
  ASSERT_TRUE(write_file_atomic(body + "/config.json", config).ok());
  const auto other = train(some_rows(40));
  ASSERT_TRUE(other.ok()) << other.error().message();
  EXPECT_FALSE(other->resumed);
}

TEST_F(TrainTags, StopsWhileItJudges) {
  options_.epochs = 1;
  options_.held_out = 0.5;
  Watcher watcher;
  double fraction = 0;
  watcher.progress = [&](const ProgressEvent& event) {
    if (event.stage == "judging") fraction = event.fraction;
  };
  watcher.cancelled = [&] { return fraction > 0; };
  ThreadPool pool(1);
  const auto stopped = train_tags(some_rows(40), options_, pool, watcher);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled);
  EXPECT_LT(fraction, 0.2);
}

// A child is killed in the middle of judging. The same call judges what was trained, and leaves nothing of the child's.
TEST_F(TrainTags, KilledWhileItJudgesItGoesOnWithJudging) {
  const TaggedRows data = some_rows(40);
  options_.epochs = 3;
  options_.held_out = 0.5;
  const auto whole = train(data);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  const std::string weights = *read_file(options_.out + "/model.safetensors", 1 << 24);
  fs::remove_all(options_.out);
  options_.state_folder = folder_ + "/state";
  Watcher watcher;
  const pid_t child = fork();
  if (child == 0) {
    watcher.progress = [&](const ProgressEvent& event) {
      if (event.stage == "judging" && event.fraction > 0.3) raise(SIGKILL);
    };
    ThreadPool pool(1);
    _exit(train_tags(data, options_, pool, watcher).ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(fs::exists(options_.out));
  bool tuned = false;
  watcher.progress = [&](const ProgressEvent& event) { tuned = tuned || event.stage == "fine-tuning"; };
  ThreadPool pool(2);
  const auto rest = train_tags(data, options_, pool, watcher);
  ASSERT_TRUE(rest.ok()) << rest.error().message();
  EXPECT_TRUE(rest->resumed);
  EXPECT_FALSE(tuned);
  EXPECT_EQ(rest->epochs, 3U);
  EXPECT_EQ(rest->loss, whole->loss);
  EXPECT_EQ(rest->held_rows, whole->held_rows);
  EXPECT_EQ(rest->held.words_right, whole->held.words_right);
  EXPECT_TRUE(weights == *read_file(options_.out + "/model.safetensors", 1 << 24));
  EXPECT_TRUE(fs::is_empty(options_.state_folder));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);  // the model and the state
}

TEST_F(TrainTags, RefusesWhatCannotBeLearnt) {
  TaggedRows data = some_rows(20);
  data.tag_names = {"O"};
  for (TaggedRow& row : data.rows) std::fill(row.tags.begin(), row.tags.end(), 0U);
  EXPECT_EQ(train(data).error().what(), "there is only one tag; nothing is to be learnt");
  options_.window = 64;
  EXPECT_EQ(train(some_rows(20)).error().what(), "a window of 64 tokens; this model reads 40");
  options_.window = 2;
  EXPECT_EQ(train(some_rows(20)).error().what(), "a window of 2 tokens; 2 special tokens leave no room for a word");
}

}  // namespace
}  // namespace smidgen
