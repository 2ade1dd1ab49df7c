// What is kept of a fine-tuning: the folder of a run that is gone on with stays, whatever its age; others go.
#include "smidgen/learn/tuning_state.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

namespace smidgen {
namespace {

namespace fs = std::filesystem;

class TuningStateTest : public testing::Test {
 protected:
  void SetUp() override {
    parent_ = (fs::path(testing::TempDir()) / ("smidgen_state_" + std::to_string(getpid()))).string();
    fs::remove_all(parent_);
  }
  void TearDown() override { fs::remove_all(parent_); }

  static void age(const std::string& folder, int days) {
    fs::last_write_time(folder, fs::file_time_type::clock::now() - std::chrono::hours(24 * days));
  }

  std::string parent_;
};

TEST_F(TuningStateTest, OldFoldersGoButNeverTheOneThatIsOpened) {
  const std::string own(64, 'a'), old(64, 'b'), recent(64, 'c'), other = "notes";
  for (const std::string& name : {own, old, recent, other}) fs::create_directories(parent_ + "/" + name);
  ASSERT_TRUE(TuningState::open(parent_, own)->keep(TunePlan{8, 3, 1}).ok());
  age(parent_ + "/" + own, 31);
  age(parent_ + "/" + old, 31);
  age(parent_ + "/" + recent, 29);
  age(parent_ + "/" + other, 31);
  TuningState state = *TuningState::open(parent_, own);
  ASSERT_TRUE(state.plan().has_value());
  EXPECT_EQ(state.plan()->folds, 3U);
  EXPECT_TRUE(state.keep(0, FinishedPart{{1, 2}, true, {8, 3, 1}}).ok());
  EXPECT_FALSE(fs::exists(parent_ + "/" + old));
  EXPECT_TRUE(fs::exists(parent_ + "/" + recent));
  EXPECT_TRUE(fs::exists(parent_ + "/" + other));
  // Nor is it old for a run beside it, before it has written anything.
  age(parent_ + "/" + own, 31);
  ASSERT_TRUE(TuningState::open(parent_, own).ok());
  ASSERT_TRUE(TuningState::open(parent_, recent).ok());
  EXPECT_TRUE(fs::exists(parent_ + "/" + own));
}

}  // namespace
}  // namespace smidgen
