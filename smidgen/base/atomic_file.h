// A file written piece by piece that is either whole or absent: under a temporary name beside it, then fsync, then
// renamed. What was written before a stop can be kept there, for the next to go on from (Writers::kOne). For what is
// too large to be held in memory once more; write_file_atomic (file.h) takes all bytes at once.
//
// What is written is what the name leads to: the file behind a link is replaced, not the link, and keeps its
// permissions. A pipe, a device, and whatever stands in /dev or /proc (/dev/stdout leads to a file at times) takes the
// bytes as they come.
#pragma once

#include <cstdint>
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
  // kOne: a second process that writes the same file is told so (kLocked), and what an earlier one left under the
  // temporary name is still there, left() bytes: begin with truncate_to().
  enum class Writers { kAny, kOne };
  static Result<AtomicFile> create(const std::string& path, Writers writers = Writers::kAny);
  static std::string temporary_of(const std::string& path);  // the temporary name of kOne
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // without commit() or keep(true) nothing remains

  Status write(std::string_view bytes);  // kIo when the disk is full; what stood at `path` stays
  // What was written is on the disk. Once this fails it always does, and so does write(): the system may have dropped
  // what it could not write.
  Status sync();
  Status commit();                              // fsync, rename, fsync of the folder
  std::uint64_t left() const { return left_; }  // of kOne; 0 for a stream
  Status truncate_to(std::uint64_t bytes);      // the first so many bytes stay; the next are written behind them
  void keep(bool kept) { kept_ = kept; }        // whether what is written stays under the temporary name
  const std::string& temporary() const { return temporary_; }  // empty: a stream, or committed
  bool is_there() const;  // what is written is still under that name; nobody removed it

 private:
  AtomicFile(std::string path, std::string target, std::string temporary, int descriptor);
  static Result<AtomicFile> claim(const std::string& path, const std::string& target);
  static Result<AtomicFile> open_new(const std::string& path, const std::string& target);
  void keep_permissions(unsigned more) const;

  std::string path_;       // as it was given, for messages
  std::string target_;     // what is replaced
  std::string temporary_;  // empty: a stream
  int descriptor_;
  std::uint64_t left_ = 0;
  bool kept_ = false;
  int lost_ = 0;  // errno of a failed fsync
};

// What killed processes left beside `path`: its temporary files.
void remove_leftovers(const std::string& path);

}  // namespace smidgen
