#include "smidgen/text/byte_window.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "smidgen/base/open_error.h"

namespace smidgen {

namespace {

constexpr int kTickMs = 100;  // a signal may come just before a wait, or to another thread: no wait is longer

class FileSource : public ByteSource {
 public:
  FileSource(int descriptor, bool owned, std::string path, std::function<bool()> cancelled)
      : descriptor_(descriptor), owned_(owned), path_(std::move(path)), cancelled_(std::move(cancelled)) {}
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  ~FileSource() override {
    if (owned_) ::close(descriptor_);
  }

  Result<std::size_t> read(char* out, std::size_t size) override {
    for (;;) {
      if (cancelled_) {
        pollfd wait{descriptor_, POLLIN, 0};
        const int ready = ::poll(&wait, 1, kTickMs);
        if (cancelled_()) return Error::cancelled();
        if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
      }
      const ssize_t got = ::read(descriptor_, out, size);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return Error::io(std::string("cannot read: ") + std::strerror(errno)).in(path_);
    }
  }

 private:
  int descriptor_;
  bool owned_;
  std::string path_;
  std::function<bool()> cancelled_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}

  Result<std::size_t> read(char* out, std::size_t size) override {
    const std::size_t count = std::min(size, bytes_.size());
    if (count > 0) std::memcpy(out, bytes_.data(), count);
    bytes_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view bytes_;
};

}  // namespace

Result<OpenedSource> open_byte_source(const std::string& path, std::function<bool()> cancelled) {
  if (path == "-")
    return OpenedSource{std::make_unique<FileSource>(STDIN_FILENO, false, "<stdin>", std::move(cancelled))};
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == EINTR && cancelled && cancelled()) return Error::cancelled();  // a pipe by name
  if (descriptor < 0) return open_error(path, errno);
  auto source = std::make_unique<FileSource>(descriptor, true, path, std::move(cancelled));
  struct stat info {};
  const bool known = ::fstat(descriptor, &info) == 0;
  if (known && S_ISDIR(info.st_mode)) return Error::no_input("is a folder, a file is wanted").in(path);
  return OpenedSource{std::move(source), known && S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_size) : 0};
}

std::unique_ptr<ByteSource> memory_byte_source(std::string_view bytes) {
  return std::make_unique<MemorySource>(bytes);
}

ByteWindow::ByteWindow(std::unique_ptr<ByteSource> source, std::size_t buffer_bytes, std::size_t unread_bytes_max)
    : source_(std::move(source)),
      capacity_(std::min(buffer_bytes, unread_bytes_max)),
      unread_bytes_max_(unread_bytes_max) {
  SMIDGEN_CHECK(buffer_bytes >= 1 && unread_bytes_max >= 1);
  buffer_ = std::make_unique_for_overwrite<char[]>(capacity_);
}

Status ByteWindow::more() {
  const std::size_t unread_bytes = end_ - begin_;
  SMIDGEN_CHECK(unread_bytes < unread_bytes_max_);
  if (unread_bytes == capacity_) {
    const std::size_t wider = std::min(capacity_ * 2, unread_bytes_max_);
    auto buffer = std::make_unique_for_overwrite<char[]>(wider);
    std::memcpy(buffer.get(), buffer_.get() + begin_, unread_bytes);
    buffer_ = std::move(buffer);
    capacity_ = wider;
    begin_ = 0;
    end_ = unread_bytes;
  } else if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, unread_bytes);
    begin_ = 0;
    end_ = unread_bytes;
  }
  SMIDGEN_ASSIGN(const std::size_t got, source_->read(buffer_.get() + end_, capacity_ - end_));
  end_ += got;
  at_end_ = got == 0;
  return Ok{};
}

}  // namespace smidgen
