#include "smidgen/base/work_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "smidgen/base/file.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

class WorkFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "smidgen_work_folder." + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    out_ = folder_ + "/a.smidgen";
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string folder_, out_;
};

TEST_F(WorkFolderTest, IsOneProcessesAndGoesWithIt) {
  {
    auto ours = WorkFolder::create(out_ + "/");
    ASSERT_TRUE(ours.ok()) << ours.error().message();
    ASSERT_TRUE(write_file_atomic(ours->file("x"), "1").ok());
    EXPECT_TRUE(fs::exists(out_ + ".work/x"));
    const auto second = WorkFolder::create(out_);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().exit_code(), 75);
    EXPECT_EQ(second.error().message(), out_ + ": another run (process " + std::to_string(::getpid()) +
                                            ") is writing it; wait for it to end, or choose another name");
    EXPECT_TRUE(fs::exists(out_ + ".work/x")) << "the refused one touches nothing";
    EXPECT_TRUE(WorkFolder::create(folder_ + "/b").ok());
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(WorkFolderTest, ClearsWhatAKilledProcessLeft) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto theirs = WorkFolder::create(out_);
    if (theirs.ok() && write_file_atomic(theirs->file("left"), "1").ok()) ::raise(SIGKILL);
    ::_exit(1);
  }
  int state = 0;
  ASSERT_EQ(::waitpid(child, &state, 0), child);
  ASSERT_TRUE(WIFSIGNALED(state) && fs::exists(out_ + ".work/left"));
  const auto ours = WorkFolder::create(out_);
  ASSERT_TRUE(ours.ok()) << ours.error().message();
  EXPECT_FALSE(fs::exists(out_ + ".work/left"));
}

TEST_F(WorkFolderTest, TouchesNoFolderThatIsNotItsOwn) {
  fs::create_directories(out_ + ".work/years of notes");
  const auto refused = WorkFolder::create(out_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().exit_code(), 73);
  EXPECT_TRUE(fs::exists(out_ + ".work/years of notes"));
  const auto nowhere = WorkFolder::create("/proc/x");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.error().message(),
            "/proc/x: cannot create: No such file or directory; choose a place where folders can be made");
}

}  // namespace
}  // namespace smidgen
