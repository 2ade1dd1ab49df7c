#include "smidgen/app/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "smidgen/base/file.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ArchiveTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "smidgen_archive_test." + std::to_string(::getpid());
    fs::remove_all(root_);
    fs::create_directories(root_ + "/out");
  }
  void TearDown() override { fs::remove_all(root_); }

  // A tar.gz (or zip) with one entry; `link` makes it a link to that path.
  std::string make(const std::string& path, const std::string& bytes, const std::string& link = "", bool zip = false) {
    std::string file = root_ + (zip ? "/a.zip" : "/a.tar.gz");
    struct archive* writer = ::archive_write_new();
    if (zip) {
      ::archive_write_set_format_zip(writer);
    } else {
      ::archive_write_set_format_pax_restricted(writer);
      ::archive_write_add_filter_gzip(writer);
    }
    ::archive_write_open_filename(writer, file.c_str());
    struct archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, path.c_str());
    ::archive_entry_set_perm(entry, 0644);
    ::archive_entry_set_filetype(entry, link.empty() ? AE_IFREG : AE_IFLNK);
    if (!link.empty()) ::archive_entry_set_symlink(entry, link.c_str());
    ::archive_entry_set_size(entry, static_cast<la_int64_t>(link.empty() ? bytes.size() : 0));
    ::archive_write_header(writer, entry);
    if (link.empty()) ::archive_write_data(writer, bytes.data(), bytes.size());
    ::archive_entry_free(entry);
    ::archive_write_free(writer);
    return file;
  }
  std::string error_of(const std::string& archive, const ArchiveLimits& limits = {}) {
    const auto files = unpack(
        archive, root_ + "/out", [](std::string_view) { return "taken"; }, limits);
    return files.ok() ? "no error" : files.error().message();
  }
  std::string root_;
};

TEST_F(ArchiveTest, UnpacksWhatIsChosen) {
  for (const bool zip : {false, true}) {
    fs::remove_all(root_ + "/out/sub");
    const std::string file = make("pkg/data.txt", "hello", "", zip);
    const auto files = unpack(file, root_ + "/out", [](std::string_view path) {
      return path == "pkg/data.txt" ? std::string("sub/data.txt") : std::string();
    });
    ASSERT_TRUE(files.ok()) << files.error().message();
    EXPECT_EQ(*files, 1U);
    EXPECT_EQ(*read_file(root_ + "/out/sub/data.txt", 10), "hello");
  }
}

TEST_F(ArchiveTest, RefusesWaysOut) {
  for (const std::string path : {"../evil", "a/../../evil", "/etc/evil", "a\\b", "C:evil", "a//b", "./a", "a\nb"})
    EXPECT_THAT(error_of(make(path, "x")), HasSubstr("unsafe path")) << path;
  EXPECT_THAT(error_of(make("link", "", "/etc/passwd")), HasSubstr("link or special file"));
  EXPECT_TRUE(fs::is_empty(root_ + "/out"));
}

TEST_F(ArchiveTest, RefusesBombs) {
  const std::string file = make("a", std::string(1 << 20, 'a'));
  EXPECT_THAT(error_of(file, {.entry_bytes_max = 1000}), HasSubstr("more than is allowed"));
  fs::remove(root_ + "/out/taken");
  EXPECT_THAT(error_of(file, {.bytes_max = 1000}), HasSubstr("more than is allowed"));
  EXPECT_THAT(error_of(file, {.entries_max = 0}), HasSubstr("too many entries"));
}

TEST_F(ArchiveTest, RefusesDamage) {
  const std::string file = make("a", std::string(100000, 'a'));
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_THAT(error_of(file), HasSubstr("cannot be unpacked"));
  ASSERT_TRUE(write_file_atomic(file, "not an archive").ok());
  EXPECT_THAT(error_of(file), HasSubstr("cannot be unpacked"));
  EXPECT_THAT(error_of(root_ + "/none"), HasSubstr("cannot be unpacked"));
}

}  // namespace
}  // namespace smidgen
