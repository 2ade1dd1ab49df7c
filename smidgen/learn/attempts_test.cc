#include "smidgen/learn/attempts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "smidgen/base/file.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

class AttemptLogTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "smidgen_attempts_test." + std::to_string(::getpid()) + "/a/b";
    fs::remove_all(fs::path(folder_).parent_path().parent_path());
  }
  void TearDown() override { fs::remove_all(fs::path(folder_).parent_path().parent_path()); }
  std::string folder_;
};

TEST_F(AttemptLogTest, CountsEachSplitAcrossRuns) {
  EXPECT_EQ(*AttemptLog(folder_).record("s1"), 1U);
  EXPECT_EQ(*AttemptLog(folder_).record("s\"2"), 1U);
  AttemptLog log(folder_);
  EXPECT_EQ(*log.record("s1"), 2U);
  EXPECT_EQ(*log.record("s1"), 3U);
  EXPECT_EQ(*log.record("s\"2"), 2U);
  EXPECT_EQ(log.warning(), "");
}

TEST_F(AttemptLogTest, LosesNoCountToThreadsAndProcesses) {
  constexpr int kProcesses = 3, kThreads = 3, kRounds = 5;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int round = 0; round < kRounds; ++round)
        if (!AttemptLog(folder_).record("s").ok()) ::_exit(1);
      ::_exit(0);
    }
    children.push_back(child);
  }
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) EXPECT_TRUE(AttemptLog(folder_).record("s").ok());
    });
  for (std::thread& thread : threads) thread.join();
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(*AttemptLog(folder_).record("s"), 1U + kRounds * (kProcesses + kThreads));
}

TEST_F(AttemptLogTest, ADamagedLogStartsAgainAndSaysSo) {
  for (const char* damaged :
       {"", "{", "[]", "{\"format\":2,\"attempts\":{}}", "{\"format\":1}", "{\"format\":1,\"attempts\":{\"s\":-1}}",
        "{\"format\":1,\"attempts\":{\"s\":1.5}}", "{\"format\":1,\"attempts\":{\"s\":1,\"s\":2}}"}) {
    fs::create_directories(folder_);
    ASSERT_TRUE(write_file_atomic(folder_ + "/attempts.json", damaged).ok());
    AttemptLog log(folder_);
    const auto attempts = log.record("s");
    ASSERT_TRUE(attempts.ok()) << damaged;
    EXPECT_EQ(*attempts, 1U);
    EXPECT_TRUE(log.warning().starts_with("The log of certification attempts was damaged and starts again"))
        << log.warning();
    EXPECT_EQ(*read_file(folder_ + "/attempts.json.damaged", 1000), damaged);
    EXPECT_EQ(*log.record("s"), 2U);
    EXPECT_EQ(log.warning(), "");
  }
}

TEST_F(AttemptLogTest, FailsClearlyWhenItCannotWriteOrLock) {
  EXPECT_EQ(AttemptLog("/proc/smidgen").record("s").error().kind(), ErrorKind::kCannotCreate);
  fs::create_directories(folder_);
  const int holder = ::open((folder_ + "/attempts.lock").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::flock(holder, LOCK_EX), 0);
  const auto locked = AttemptLog(folder_, 0.02).record("s");
  ASSERT_FALSE(locked.ok());
  EXPECT_EQ(locked.error().kind(), ErrorKind::kLocked);
  ::close(holder);
  EXPECT_TRUE(AttemptLog(folder_, 0.02).record("s").ok());
}

}  // namespace
}  // namespace smidgen
