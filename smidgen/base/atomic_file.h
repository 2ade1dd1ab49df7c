// A file written piece by piece that is either whole or absent: under a temporary name beside it, then fsync, then
// renamed. For what is too large to be held in memory once more; write_file_atomic (file.h) takes all bytes at once.
//
// What is written is what the name leads to: the file behind a link is replaced, not the link, and keeps its
// permissions. A pipe, a device, and whatever stands in /dev or /proc (/dev/stdout leads to a file at times) takes the
// bytes as they come.
#pragma once

#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

// The file that `path` leads to, links followed as far as the first name in /dev or /proc; it need not exist.
std::string write_target(const std::string& path);
// Whether bytes written to `path` go to a pipe, a device or a stream: there is no file to keep or to replace.
bool is_stream(const std::string& path);

class AtomicFile {
 public:
  // kOne: a second process that writes the same file is told so (kLocked).
  enum class Writers { kAny, kOne };
  static Result<AtomicFile> create(const std::string& path, Writers writers = Writers::kAny);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // without commit() nothing remains

  Status write(std::string_view bytes);  // kIo when the disk is full; what stood at `path` stays
  Status commit();                       // fsync, rename, fsync of the folder

 private:
  AtomicFile(std::string path, std::string target, std::string temporary, int descriptor);
  static Result<AtomicFile> claim(const std::string& path, const std::string& target);
  void keep_permissions() const;

  std::string path_;       // as it was given, for messages
  std::string target_;     // what is replaced
  std::string temporary_;  // empty: a stream
  int descriptor_;
};

// What killed processes left beside `path`: its temporary files.
void remove_leftovers(const std::string& path);

}  // namespace smidgen
