// What is held out, loops that can be stopped, and the folder that is written: the names of its tensors, and what it
// may replace.
#include "smidgen/learn/headed_training.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include "smidgen/base/file.h"
#include "smidgen/base/version.h"
#include "smidgen/learn/fine_tune_tokens.h"
#include "smidgen/learn/headed_folder.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden";

TEST(HeldOutKeys, EqualKeysStayTogetherWhateverTheOrder) {
  std::vector<std::string> keys;
  for (int i = 0; i < 40; ++i) keys.push_back("key " + std::to_string(i));
  keys.insert(keys.end(), 60, "key 7");
  const auto held_of = [](const std::vector<std::string>& all) {
    std::set<std::string> held, fit;
    const std::vector<bool> out = held_out_keys(all, 0.2);
    for (std::size_t i = 0; i < all.size(); ++i) (out[i] ? held : fit).insert(all[i]);
    for (const std::string& key : held) EXPECT_EQ(fit.count(key), 0U) << key;
    return held;
  };
  const std::set<std::string> held = held_of(keys);
  EXPECT_EQ(held.size(), 8U);  // a fifth of the keys, not of the texts
  std::reverse(keys.begin(), keys.end());
  EXPECT_EQ(held_of(keys), held);
  EXPECT_EQ(held_out_keys(std::vector<std::string>{"a", "a"}, 0.5), (std::vector<bool>{false, false}));
}

TEST(HeldOutKeysDeathTest, AShareIsANumberBelowOne) {
  const std::vector<std::string> keys = {"a", "b"};
  EXPECT_DEATH(held_out_keys(keys, std::numeric_limits<double>::quiet_NaN()), "");
  EXPECT_DEATH(held_out_keys(keys, 1), "");
}

TEST(WatchedFor, ReportsAndStops) {
  ThreadPool pool(2);
  std::atomic<int> ran = 0;
  Watcher watcher;
  double fraction = 0;
  watcher.progress = [&](const ProgressEvent& event) { fraction = event.fraction; };
  const auto count = [&](std::size_t, std::size_t) { ++ran; };
  ASSERT_TRUE(watched_for(pool, 50, "counting", watcher, count).ok());
  EXPECT_EQ(ran, 50);
  EXPECT_EQ(fraction, 1);
  watcher.cancelled = [&] { return ran >= 60; };
  const Status stopped = watched_for(pool, 1000, "counting", watcher, count);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled);
  EXPECT_LT(ran, 70);
}

// What decides how training goes is in the key; rows and recipe are fine_tune's.
TEST(CheckpointKey, NamesVersionBudgetAndFilesOfTheEncoder) {
  const std::string folder = testing::TempDir() + "/smidgen_checkpoint_key_" + std::to_string(::getpid());
  fs::remove_all(folder);
  fs::create_directories(folder);
  fs::copy(kGolden + "/tiny_bert", folder + "/body", fs::copy_options::recursive);
  HeadedTrainingOptions options;
  options.encoder = folder + "/body";
  options.out = folder + "/model";
  const auto key = [&] {
    ThreadPool pool(1);
    auto model = TrainingModel::load(options.encoder, false, pool);
    std::string found;
    HeadedTask task{"tags", HeadKind::kTokens, {"A", "B"}, {}, {}};
    task.fit = [&](TrainableEncoder&, SoftmaxHead&, const FineTuneOptions& recipe) -> Result<FineTuneReport> {
      found = recipe.checkpoint_key;
      return Error::cancelled();
    };
    HeadedTrainingSummary summary;
    const auto work = WorkFolder::create(options.out);
    EXPECT_FALSE(fit_and_stage(task, *model, options, *work, summary).ok());
    return found;
  };
  const std::string first = key();
  EXPECT_TRUE(first.starts_with(std::string(kVersion) + " ")) << first;
  EXPECT_EQ(key(), first);
  options.seconds_max = 60;
  const std::string in_a_minute = key();
  EXPECT_NE(in_a_minute, first);
  for (const std::string name : {"config.json", "model.safetensors"}) {
    EXPECT_NE(first.find("\n" + name + " "), std::string::npos) << first;
    const std::string path = options.encoder + "/" + name, before = *read_file(path, 1 << 24);
    ASSERT_TRUE(
        write_file_atomic(path, name == "config.json" ? before + "\n" : before.substr(0, before.size() - 1) + "?")
            .ok());
    EXPECT_NE(key(), in_a_minute) << name;
    ASSERT_TRUE(write_file_atomic(path, before).ok());
  }
  EXPECT_EQ(key(), in_a_minute);
  fs::remove_all(folder);
}

class HeadedFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/smidgen_headed_folder_" + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Status write(const std::string& from, HeadKind kind, const std::string& to, bool replace = false) {
    ThreadPool pool(1);
    SMIDGEN_ASSIGN(TrainableEncoder encoder, TrainableEncoder::load(from, Precision::kF32, kernels(), pool, true));
    const std::vector<std::string> labels =
        kind == HeadKind::kTokens ? std::vector<std::string>{"A", "B", "C", "D", "O"} : std::vector<std::string>();
    const std::size_t count = kind == HeadKind::kTokens ? labels.size() : 2;
    SMIDGEN_ASSIGN(StagedFolder staged, stage_headed_folder(folder_ + "/staged", to, replace, encoder, kind,
                                                            random_head(count, encoder.dimensions(), 1), labels));
    return commit_headed_folder(staged, to, replace);
  }
  std::string folder_;
};

// The golden models were saved by transformers: it loads the names that it writes.
TEST_F(HeadedFolder, TensorsAreCalledAsTransformersCallsThem) {
  for (const std::string name : {"bert-questions", "bert-tokens", "distilbert-questions", "distilbert-tokens",
                                 "roberta-questions", "roberta-tokens", "xlm-roberta-tokens"}) {
    const std::string from = kGolden + "/architectures/" + name, to = folder_ + "/" + name;
    const HeadKind kind = name.ends_with("tokens") ? HeadKind::kTokens : HeadKind::kQuestions;
    const Status written = write(from, kind, to);
    ASSERT_TRUE(written.ok()) << name << ": " << written.error().message();
    const auto theirs = Safetensors::open(from + "/model.safetensors"),
               ours = Safetensors::open(to + "/model.safetensors");
    ASSERT_TRUE(theirs.ok() && ours.ok());
    for (const std::string& tensor : theirs->names()) {
      ASSERT_TRUE(ours->has(tensor)) << name << ": " << tensor;
      EXPECT_EQ(ours->find(tensor)->shape, theirs->find(tensor)->shape) << name << ": " << tensor;
    }
    EXPECT_EQ(ours->names().size(), theirs->names().size()) << name;
    const auto architectures = [](const std::string& config) {
      const std::size_t at = config.find("For");
      return config.substr(config.rfind('"', at), config.find('"', at) - config.rfind('"', at));
    };
    EXPECT_EQ(architectures(*read_file(to + "/config.json", 1 << 20)),
              architectures(*read_file(from + "/config.json", 1 << 20)));
    const auto loaded = HeadedEncoder::load(to);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  }
}

// Embeddings as wide as the layers are what ELECTRA needs to be trained; its golden models have narrow ones.
TEST_F(HeadedFolder, ElectraIsRefusedForNarrowEmbeddings) {
  const Status written = write(kGolden + "/architectures/electra-questions", HeadKind::kQuestions, folder_ + "/model");
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().what(), "an encoder with embeddings narrower than its layers cannot be fine-tuned yet");
}

TEST_F(HeadedFolder, ReplacesNoModelThatItDidNotWrite) {
  const std::string bert = kGolden + "/architectures/bert-questions", model = folder_ + "/model";
  fs::create_directories(model);
  EXPECT_TRUE(check_headed_target(model, true).ok());  // an empty folder
  for (const char* file : {"config.json", "model.safetensors"}) fs::copy_file(bert + "/" + file, model + "/" + file);
  const std::string before = *read_file(model + "/model.safetensors", 1 << 24);
  const Status refused = write(bert, HeadKind::kQuestions, model, true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kCannotCreate);
  EXPECT_EQ(refused.error().what(), "holds a model that training did not write: it is not replaced");
  EXPECT_EQ(before, *read_file(model + "/model.safetensors", 1 << 24));
  EXPECT_FALSE(fs::exists(folder_ + "/staged"));
  ASSERT_TRUE(write(bert, HeadKind::kQuestions, folder_ + "/ours/").ok());  // a slash at the end is none of the name
  EXPECT_TRUE(fs::exists(folder_ + "/ours/config.json"));
  EXPECT_EQ(check_headed_target(folder_ + "/ours/", false).error().what(), "already exists");
  EXPECT_TRUE(write(bert, HeadKind::kTokens, folder_ + "/ours/", true).ok());
  fs::remove(folder_ + "/ours/model.safetensors");
  EXPECT_FALSE(check_headed_target(folder_ + "/ours", true).ok());
  fs::create_directory_symlink(folder_ + "/ours", folder_ + "/link");
  EXPECT_EQ(check_headed_target(folder_ + "/link/", true).error().what(),
            "exists and is not a folder: it is not replaced");
  EXPECT_TRUE(check_headed_target(folder_ + "/new/", false).ok());
  EXPECT_EQ(check_headed_target(folder_ + "/no/new/", false).error().what(), "the folder to write to does not exist");
}

}  // namespace
}  // namespace smidgen
