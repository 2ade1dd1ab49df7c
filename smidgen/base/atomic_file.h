// A file written piece by piece that is either whole or absent: under a temporary name beside it, then fsync, then
// renamed. For what is too large to be held in memory once more; write_file_atomic (file.h) takes all bytes at once.
#pragma once

#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // without commit() nothing remains

  Status write(std::string_view bytes);  // kIo when the disk is full; what stood at `path` stays
  Status commit();                       // fsync, rename, fsync of the folder

 private:
  AtomicFile(std::string path, std::string temporary, int descriptor);
  std::string path_, temporary_;
  int descriptor_;
};

// What killed processes left beside `path`: its temporary files.
void remove_leftovers(const std::string& path);

}  // namespace smidgen
