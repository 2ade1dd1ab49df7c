// A sliding window over a stream of bytes: the constant memory under every record reader. The reader looks at the
// unread bytes, asks for more when a record breaks off at their end, and consumes what it has understood. Views into
// the window die with the next more().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

// Where bytes come from. One thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Puts at most `size` (>= 1) bytes at `out`; 0 means the end. Blocks only until something is there.
  virtual Result<std::size_t> read(char* out, std::size_t size) = 0;
};

// "-" is standard input. Missing: kNoInput; unreadable: kPermission; a folder: kNoInput. Once `cancelled` (may be
// empty) is true a read ends with kCancelled within 100 ms, also one that waits for a pipe.
struct OpenedSource {
  std::unique_ptr<ByteSource> source;
  std::uint64_t bytes = 0;  // size of a regular file, else 0
};
Result<OpenedSource> open_byte_source(const std::string& path, std::function<bool()> cancelled = {});
// `bytes` must outlive the source.
std::unique_ptr<ByteSource> memory_byte_source(std::string_view bytes);

class ByteWindow {
 public:
  // The buffer starts with buffer_bytes (>= 1) and doubles only while one record needs it, never beyond what fits
  // `unread_bytes_max` unread bytes: more() must not be called with that many.
  ByteWindow(std::unique_ptr<ByteSource> source, std::size_t buffer_bytes, std::size_t unread_bytes_max);

  std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }
  bool at_end() const { return at_end_; }           // nothing comes after unread()
  std::uint64_t offset() const { return offset_; }  // of unread()[0] in the stream

  // One read: unread() grows or at_end() turns true.
  Status more();
  void consume(std::size_t count) {
    begin_ += count;
    offset_ += count;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0, unread_bytes_max_ = 0;
  std::uint64_t offset_ = 0;
  bool at_end_ = false;
};

}  // namespace smidgen
