#include "smidgen/base/file.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace smidgen {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "smidgen_file_test." + std::to_string(::getpid());
    fs::remove_all(folder_);
    fs::create_directory(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string folder_;
};

TEST_F(FileTest, WritesWholeAndReadsBounded) {
  const std::string path = folder_ + "/a";
  ASSERT_TRUE(write_file_atomic(path, "hello").ok());
  EXPECT_EQ(*read_file(path, 5), "hello");
  EXPECT_EQ(read_file(path, 4).error().kind(), ErrorKind::kBadData);
  EXPECT_EQ(MappedFile::open(path)->bytes(), "hello");
  EXPECT_EQ(read_file(folder_ + "/b", 5).error().kind(), ErrorKind::kNoInput);
  EXPECT_EQ(read_file(folder_, 5).error().kind(), ErrorKind::kNoInput);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1) << "no temporary file stays";
}

TEST_F(FileTest, StagedFolderAppearsOnlyOnCommit) {
  const std::string path = folder_ + "/bundle";
  {
    auto staged = StagedFolder::create(path, false);
    ASSERT_TRUE(staged.ok());
    ASSERT_TRUE(write_file_atomic(staged->path() + "/x", "1").ok());
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::is_empty(folder_));
  {
    auto staged = StagedFolder::create(path + "/", false);
    ASSERT_TRUE(staged.ok());
    ASSERT_TRUE(write_file_atomic(staged->path() + "/x", "1").ok());
    ASSERT_TRUE(staged->commit().ok());
  }
  EXPECT_EQ(*folder_bytes(path), 1U);
  EXPECT_EQ(StagedFolder::create(path, false).error().kind(), ErrorKind::kCannotCreate);
  auto staged = StagedFolder::create(path, true);
  ASSERT_TRUE(staged.ok());
  ASSERT_TRUE(write_file_atomic(staged->path() + "/y", "22").ok());
  ASSERT_TRUE(staged->commit().ok());
  EXPECT_EQ(*folder_bytes(path), 2U);
}

TEST_F(FileTest, AStagedFolderMayBeFilledElsewhere) {
  const std::string path = folder_ + "/bundle", elsewhere = folder_ + "/filling/part";
  std::filesystem::create_directories(elsewhere);
  ASSERT_TRUE(write_file_atomic(elsewhere + "/old", "1").ok());
  auto staged = StagedFolder::create(path, false, elsewhere);
  ASSERT_TRUE(staged.ok()) << staged.error().message();
  EXPECT_EQ(staged->path(), elsewhere);
  ASSERT_TRUE(write_file_atomic(elsewhere + "/x", "22").ok());
  ASSERT_TRUE(staged->commit().ok());
  EXPECT_EQ(*folder_bytes(path), 2U);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/filling"));
}

TEST_F(FileTest, ADeviceIsWrittenToAndNotReplaced) {
  ASSERT_TRUE(write_file_atomic("/dev/null", "gone").ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(ErrorMessage, NamesFileLineCauseAndCure) {
  const Error error = Error::bad_data("unterminated quote").in("a.csv").at_line(7).at_byte(99).hint("close it");
  EXPECT_EQ(error.message(), "a.csv:7: unterminated quote (byte 99); close it");
  EXPECT_EQ(error.exit_code(), 65);
}

}  // namespace
}  // namespace smidgen
