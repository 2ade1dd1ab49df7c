#include "smidgen/base/atomic_file.h"

#include <fcntl.h>
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

TEST_F(AtomicFileTest, FollowsLinksAndKeepsPermissions) {
  const std::string link = (folder_ / "link").string();
  fs::create_directory(folder_ / "real");
  const std::string real = (folder_ / "real/file").string();
  fs::create_symlink("real/file", link);
  ASSERT_TRUE(write_file_atomic(link, "first").ok());  // where a dangling link leads
  EXPECT_EQ(*read_file(real, 100), "first");
  fs::permissions(real, fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_TRUE(write_file_atomic(link, "second").ok());
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(*read_file(real, 100), "second");
  EXPECT_EQ(fs::status(real).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

// /dev/fd/N may lead to a file, which is neither replaced nor written from its beginning.
TEST_F(AtomicFileTest, AStreamIsWrittenOnFromWhereItIs) {
  const int stream = ::open(path_.c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::write(stream, "one ", 4), 4);
  for (const std::string& name : {"/dev/fd/" + std::to_string(stream), (folder_ / "link").string()}) {
    if (name.ends_with("link")) fs::create_symlink("/proc/self/fd/" + std::to_string(stream), name);
    EXPECT_TRUE(is_stream(name));
    auto file = AtomicFile::create(name, AtomicFile::Writers::kOne);
    ASSERT_TRUE(file.ok()) << file.error().message();
    ASSERT_TRUE(file->write("two ").ok());
    ASSERT_TRUE(file->commit().ok());
  }
  ::close(stream);
  EXPECT_EQ(*read_file(path_, 100), "one two two ");
  EXPECT_FALSE(is_stream(path_));
  EXPECT_EQ(files(), 2U);
}

TEST_F(AtomicFileTest, OneWriterAtATime) {
  int ready[2], go[2];
  ASSERT_EQ(::pipe(ready) + ::pipe(go), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto file = AtomicFile::create(path_, AtomicFile::Writers::kOne);
    char byte = file.ok() && file->write("of the first").ok() ? 1 : 0;
    if (::write(ready[1], &byte, 1) != 1 || ::read(go[0], &byte, 1) != 1) _exit(1);
    _exit(file->commit().ok() ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 1);
  const auto second = AtomicFile::create(path_, AtomicFile::Writers::kOne);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().exit_code(), 75);
  EXPECT_NE(second.error().what().find("process " + std::to_string(child)), std::string::npos) << second.error().what();
  ASSERT_EQ(::write(go[1], &byte, 1), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(*read_file(path_, 100), "of the first");
  for (const int end : {ready[0], ready[1], go[0], go[1]}) ::close(end);
}

TEST_F(AtomicFileTest, GoesOnFromWhatAKilledWriterLeft) {
  const pid_t child = fork();
  if (child == 0) {
    auto file = AtomicFile::create(path_, AtomicFile::Writers::kOne);
    const Status written = file->write("half of a long answer");
    _exit(written.ok() ? 0 : 1);  // as if killed: no destructor runs
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(files(), 1U);
  {
    auto file = AtomicFile::create(path_, AtomicFile::Writers::kOne);
    ASSERT_TRUE(file.ok()) << file.error().message();
    EXPECT_EQ(file->left(), 21U);
    ASSERT_TRUE(file->truncate_to(8).ok());
    ASSERT_TRUE(file->write("short ").ok());
    file->keep(true);
  }
  {
    auto file = AtomicFile::create(path_, AtomicFile::Writers::kOne);
    ASSERT_TRUE(file.ok()) << file.error().message();
    EXPECT_EQ(file->left(), 14U);
    ASSERT_TRUE(file->truncate_to(14).ok());
    ASSERT_TRUE(file->write("answer").ok());
    ASSERT_TRUE(file->commit().ok());
  }
  EXPECT_EQ(*read_file(path_, 100), "half of short answer");
  EXPECT_EQ(files(), 1U);
  { const auto unused = AtomicFile::create(path_, AtomicFile::Writers::kOne); }
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
