#include "smidgen/base/new_path.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace smidgen {
namespace {

TEST(NewPath, ASlashAtTheEndIsNoneOfTheName) {
  EXPECT_EQ(without_end_slashes("a/b//"), "a/b");
  EXPECT_EQ(without_end_slashes("a"), "a");
  EXPECT_EQ(without_end_slashes("//"), "/");
  EXPECT_EQ(without_end_slashes(""), "");
}

TEST(NewPath, ItsFolderMustBeThere) {
  const std::string folder = testing::TempDir() + "/smidgen_new_path_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  EXPECT_TRUE(check_parent("new").ok());
  EXPECT_TRUE(check_parent("new/").ok());
  EXPECT_TRUE(check_parent(folder + "/new/").ok());
  const Status missing = check_parent(folder + "/no/new/");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind(), ErrorKind::kCannotCreate);
  EXPECT_EQ(missing.error().message(), folder + "/no: the folder to write to does not exist; create it first");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace smidgen
