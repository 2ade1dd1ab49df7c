#include "smidgen/base/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "smidgen/base/file.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / ("smidgen_atomic_file_" + std::to_string(getpid()));
  const std::string path_ = (folder_ / "file").string();
};

TEST_F(AtomicFileTest, AppearsWholeOrNotAtAll) {
  {
    auto file = AtomicFile::create(path_);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write("half").ok());
    EXPECT_FALSE(fs::exists(path_));
  }
  EXPECT_EQ(files(), 0U);
  auto file = AtomicFile::create(path_);
  ASSERT_TRUE(file->write("one ").ok());
  ASSERT_TRUE(file->write("two").ok());
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(*read_file(path_, 100), "one two");
  EXPECT_EQ(files(), 1U);
}

TEST_F(AtomicFileTest, LeftoversOfTheKilledAreRemoved) {
  for (const char* name : {"file.tmp.12", "file.tmp.13", "file", "other.tmp.12"})
    ASSERT_TRUE(write_file_atomic((folder_ / name).string(), "x").ok());
  remove_leftovers(path_);
  EXPECT_EQ(files(), 2U);
  EXPECT_TRUE(fs::exists(path_));
}

// A file that may not grow fails as a full disk does, with another number.
TEST_F(AtomicFileTest, AFullDiskIsAnErrorAndTheOldFileStays) {
  ASSERT_TRUE(write_file_atomic(path_, "old").ok());
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto file = AtomicFile::create(path_);
    const Status status = file->write(std::string(5000, 'x'));
    _exit(status.ok() ? 0 : status.error().exit_code());
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 74);
  EXPECT_EQ(*read_file(path_, 100), "old");
}

}  // namespace
}  // namespace smidgen
