// Files and folders: bounded reads, memory maps, and writes that are either whole or absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

// The whole file; more than bytes_max is kBadData, a missing file kNoInput.
Result<std::string> read_file(const std::string& path, std::uint64_t bytes_max);

// Whole or absent, as atomic_file.h says.
Status write_file_atomic(const std::string& path, std::string_view bytes);

// A read-only map of a file's bytes; an empty file gives an empty view.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::string_view bytes() const { return {data_, size_}; }

 private:
  MappedFile(const char* data, std::size_t size) : data_(data), size_(size) {}
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

// A folder that appears under its final name all at once: filled under a temporary name, then renamed.
// Destroyed before commit(), it removes what it wrote.
class StagedFolder {
 public:
  // Fails with kCannotCreate when `path` exists and !replace, or the parent is missing. Of a link, what it leads to.
  // temporary: where it is filled, on the same file system; empty: beside `path`.
  static Result<StagedFolder> create(const std::string& path, bool replace, std::string temporary = "");
  StagedFolder(StagedFolder&&) noexcept;
  StagedFolder& operator=(StagedFolder&&) = delete;
  ~StagedFolder();
  const std::string& path() const { return temporary_; }  // write here
  Status commit();                                        // fsync, rename to the final name

 private:
  StagedFolder(std::string temporary, std::string final_path, bool replace);
  std::string temporary_, final_;
  bool replace_ = false;
};

// Total bytes of all regular files below `path`.
Result<std::uint64_t> folder_bytes(const std::string& path);

// $XDG_CACHE_HOME/smidgen or ~/.cache/smidgen; $XDG_STATE_HOME/smidgen or ~/.local/state/smidgen.
std::string cache_directory();
std::string state_directory();

}  // namespace smidgen
