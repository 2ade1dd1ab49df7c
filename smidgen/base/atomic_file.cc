#include "smidgen/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kWriteAtOnce = 8U << 20;

Error write_error(const std::string& path, int code) {
  return Error::io(std::string("cannot write: ") + std::strerror(code))
      .in(path)
      .hint("check free space and permissions");
}

fs::path folder_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string temporary, int descriptor)
    : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  std::string temporary = path + ".tmp." + std::to_string(::getpid());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    const int code = errno;
    if (code == ENOSPC || code == EDQUOT) return write_error(path, code);
    return Error(ErrorKind::kCannotCreate, std::string("cannot create: ") + std::strerror(code)).in(path);
  }
  return AtomicFile(path, std::move(temporary), descriptor);
}

Status AtomicFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kWriteAtOnce));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return write_error(path_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return Ok{};
}

Status AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) return write_error(path_, errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) return write_error(path_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return write_error(path_, errno);
  temporary_.clear();
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && ::fsync(folder) == 0;
  const int code = errno;
  if (folder >= 0) ::close(folder);
  if (!synced) return write_error(path_, code);
  return Ok{};
}

void remove_leftovers(const std::string& path) {
  const std::string begin = fs::path(path).filename().string() + ".tmp.";
  std::error_code code, ignored;
  for (fs::directory_iterator it(folder_of(path), code), end; !code && it != end; it.increment(code))
    if (it->path().filename().string().starts_with(begin)) fs::remove(it->path(), ignored);
}

}  // namespace smidgen
