// What is removed from the folder where trainings keep how far they are, and what is not.
#include "smidgen/learn/state_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "smidgen/learn/tuning_state.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

class StateFolder : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void file(const std::string& name, int days) const {
    std::ofstream(folder_ + "/" + name) << "bytes";
    age(name, days);
  }
  void folder(const std::string& name, int days) const {
    fs::create_directories(folder_ + "/" + name);
    std::ofstream(folder_ + "/" + name + "/plan") << "bytes";
    age(name, days);
  }
  void age(const std::string& name, int days) const {
    fs::last_write_time(folder_ + "/" + name, fs::file_time_type::clock::now() - std::chrono::hours(24 * days));
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.insert(entry.path().filename().string());
    return found;
  }

  const std::string folder_ = testing::TempDir() + "/smidgen_state_folder_" + std::to_string(::getpid());
  const std::string tuning_ = std::string(63, 'a');  // and a digit
  const std::string tags_ = "tags-0123456789abcdef.checkpoint", questions_ = "questions-fedcba9876543210.checkpoint";
};

TEST_F(StateFolder, OldOnesAreRemovedAndNothingElse) {
  folder(tuning_ + "1", 31);
  file(tags_, 31);
  file(questions_, 31);
  file(tags_ + ".tmp.4711", 31);
  const std::set<std::string> young = {"tags-1111111111111111.checkpoint", "tags-1111111111111111.checkpoint.tmp.5"};
  const std::set<std::string> foreign = {"notes.txt",
                                         "my.checkpoint",
                                         "tags-0123456789abcde.checkpoint",
                                         "tags-0123456789abcdeX.checkpoint",
                                         "-0123456789abcdef.checkpoint",
                                         tags_ + ".old",
                                         tags_ + ".tmp.",
                                         tags_ + ".tmp.mine",
                                         "0123456789abcdef.checkpoint",
                                         std::string(64, 'x')};
  std::set<std::string> left = foreign;
  for (const std::string& name : foreign) file(name, 1000);
  for (const std::string& name : young) file(name, 29);
  folder(tuning_ + "2", 29);
  left.insert(young.begin(), young.end());
  left.insert(tuning_ + "2");
  remove_abandoned(folder_, "");
  EXPECT_EQ(names(), left);
}

// Each kind of training removes what any of them left, but not what it was called again to go on with.
TEST_F(StateFolder, WhoeverOpensItRemovesWhatOthersLeft) {
  std::vector<std::string> notes;
  const std::string own = fs::path(training_checkpoint(folder_, "tags", "/a/model", notes)).filename();
  ASSERT_TRUE(notes.empty());
  file(own, 31);
  file(questions_, 31);
  folder(tuning_ + "1", 31);
  EXPECT_EQ(fs::path(training_checkpoint(folder_, "tags", "/a/model/", notes)).filename(), own);
  EXPECT_EQ(names(), std::set<std::string>{own});
  folder(tuning_ + "1", 31);
  folder(tuning_ + "2", 31);
  ASSERT_TRUE(TuningState::open(folder_, tuning_ + "1").ok());
  EXPECT_EQ(names(), std::set<std::string>{tuning_ + "1"});
  EXPECT_TRUE(fs::exists(folder_ + "/" + tuning_ + "1/plan"));
}

TEST_F(StateFolder, OneThatCannotBeWrittenToIsNoReasonNotToTrain) {
  std::vector<std::string> notes;
  EXPECT_EQ(training_checkpoint("", "tags", "/a/model", notes), "");
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(training_checkpoint("/dev/null/state", "tags", "/a/model", notes), "");
  EXPECT_EQ(notes, std::vector<std::string>{"How far training is was not kept: Not a directory."});
  if (::geteuid() == 0) return;  // may write everywhere
  notes.clear();
  fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(training_checkpoint(folder_, "tags", "/a/model", notes), "");
  fs::permissions(folder_, fs::perms::owner_all);
  EXPECT_EQ(notes,
            std::vector<std::string>{"How far training is was not kept: cannot write there: Permission denied."});
}

}  // namespace
}  // namespace smidgen
