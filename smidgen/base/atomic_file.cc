#include "smidgen/base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "smidgen/base/open_error.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kWriteAtOnce = 8U << 20;
constexpr int kLinksMax = 40;  // as the kernel has it
constexpr int kTries = 8;
constexpr char kTemporaryOfOne[] = ".smidgen.tmp";
constexpr mode_t kPermissions = 0777;

fs::path folder_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

// The number of the stream that /dev/stdout, /dev/stderr, /dev/fd/N or /proc/self/fd/N names, or -1.
int stream_number(const std::string& path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(folder)) continue;
    int number = -1;
    const char* const end = path.data() + path.size();
    if (std::from_chars(path.data() + folder.size(), end, number).ptr == end) return number;
  }
  return -1;
}

// A descriptor of its own for what takes bytes as they come, or -1.
int open_stream(const std::string& target) {
  const int number = stream_number(target);  // not by its name: that would write from the file's beginning again
  return number >= 0 ? ::fcntl(number, F_DUPFD_CLOEXEC, 0) : ::open(target.c_str(), O_WRONLY | O_CLOEXEC);
}

Error busy(const std::string& path, int descriptor) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  const bool known = ::fcntl(descriptor, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0;
  return locked_error(path, known ? std::to_string(lock.l_pid) : "");
}

}  // namespace

std::string write_target(const std::string& path) {
  fs::path at = path;
  std::error_code code;
  for (int link = 0; link < kLinksMax; ++link) {
    std::string absolute = fs::absolute(at, code).lexically_normal().string();
    if (absolute.starts_with("/dev/") || absolute.starts_with("/proc/")) return absolute;
    if (!fs::is_symlink(at, code)) break;
    const fs::path to = fs::read_symlink(at, code);
    if (code) break;
    at = to.is_absolute() ? to : at.parent_path() / to;
  }
  return at.string();
}

bool is_stream(const std::string& path) {
  const std::string target = write_target(path);
  if (target.starts_with("/proc/") || stream_number(target) >= 0) return true;
  std::error_code code;
  const fs::file_status status = fs::status(target, code);
  return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

AtomicFile::AtomicFile(std::string path, std::string target, std::string temporary, int descriptor)
    : path_(std::move(path)), target_(std::move(target)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      left_(other.left_),
      kept_(other.kept_),
      lost_(other.lost_) {}

AtomicFile::~AtomicFile() {
  if (!kept_ && is_there()) ::unlink(temporary_.c_str());
  if (descriptor_ >= 0) ::close(descriptor_);  // last: it holds the lock
}

Result<AtomicFile> AtomicFile::create(const std::string& path, Writers writers) {
  std::string target = write_target(path);
  if (is_stream(target)) {
    const int descriptor = open_stream(target);
    if (descriptor < 0) return create_error(path, errno);
    return AtomicFile(path, std::move(target), "", descriptor);
  }
  if (writers == Writers::kOne) return claim(path, target);
  return open_new(path, target);
}

Result<AtomicFile> AtomicFile::open_new(const std::string& path, const std::string& target) {
  std::string temporary = target + ".tmp." + std::to_string(::getpid());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return create_error(path, errno);
  AtomicFile file(path, target, std::move(temporary), descriptor);
  file.keep_permissions(0);
  return file;
}

std::string AtomicFile::temporary_of(const std::string& path) {
  return write_target(path) + kTemporaryOfOne;
}

// One temporary name for all who write the file, and a lock on it: what a stopped process left is taken over.
Result<AtomicFile> AtomicFile::claim(const std::string& path, const std::string& target) {
  const std::string temporary = target + kTemporaryOfOne;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const int descriptor = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor < 0) return create_error(path, errno);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    // On a file system without locks each process has a temporary file of its own, and the last one wins.
    if (::fcntl(descriptor, F_SETLK, &lock) != 0) {
      if (errno != EAGAIN && errno != EACCES) {
        struct stat made {};
        if (::fstat(descriptor, &made) == 0 && made.st_size == 0) ::unlink(temporary.c_str());
        ::close(descriptor);
        return open_new(path, target);
      }
      const Error error = busy(path, descriptor);
      ::close(descriptor);
      return error;
    }
    if (!is_open_file(descriptor, temporary)) {  // its owner ended and renamed or removed it just now
      ::close(descriptor);
      continue;
    }
    AtomicFile file(path, target, temporary, descriptor);
    struct stat old {};
    if (::fstat(descriptor, &old) != 0) return write_error(path, errno);
    if (!S_ISREG(old.st_mode)) {
      file.kept_ = true;
      return Error(ErrorKind::kCannotCreate, "is no file that could be written and renamed").in(temporary);
    }
    file.keep_permissions(S_IRUSR | S_IWUSR);  // so that it can be gone on with
    file.left_ = static_cast<std::uint64_t>(old.st_size);
    return file;
  }
  return locked_error(path, "");
}

// Those of the file that is replaced; who may not set them writes with those of a new file.
void AtomicFile::keep_permissions(unsigned more) const {
  struct stat old {};
  if (::stat(target_.c_str(), &old) == 0 && ::fchmod(descriptor_, (old.st_mode & kPermissions) | more) != 0) return;
}

bool AtomicFile::is_there() const {
  return !temporary_.empty() && is_open_file(descriptor_, temporary_);
}

Status AtomicFile::write(std::string_view bytes) {
  if (lost_ != 0) return write_error(path_, lost_);
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kWriteAtOnce));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return write_error(path_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return Ok{};
}

Status AtomicFile::truncate_to(std::uint64_t bytes) {
  if (temporary_.empty()) return Ok{};
  const auto end = static_cast<off_t>(bytes);
  if (::ftruncate(descriptor_, end) != 0 || ::lseek(descriptor_, end, SEEK_SET) != end)
    return write_error(path_, errno);
  return Ok{};
}

Status AtomicFile::sync() {
  if (lost_ == 0 && !temporary_.empty() && ::fsync(descriptor_) != 0) lost_ = errno;
  if (lost_ != 0) return write_error(path_, lost_);
  return Ok{};
}

Status AtomicFile::commit() {
  if (temporary_.empty()) return Ok{};
  keep_permissions(0);
  SMIDGEN_TRY(sync());
  // What has the name now is not ours.
  if (!is_there()) return Error::io("was removed while it was written").in(std::exchange(temporary_, {}));
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) return write_error(path_, errno);
  temporary_.clear();
  if (::close(std::exchange(descriptor_, -1)) != 0) return write_error(path_, errno);
  const int folder = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && ::fsync(folder) == 0;
  const int code = errno;
  if (folder >= 0) ::close(folder);
  if (!synced && code != EINVAL && code != ENOTSUP) return write_error(path_, code);  // some cannot sync folders
  return Ok{};
}

void remove_leftovers(const std::string& path) {
  const std::string begin = fs::path(path).filename().string() + ".tmp.";
  std::error_code code, ignored;
  for (fs::directory_iterator it(folder_of(path), code), end; !code && it != end; it.increment(code))
    if (it->path().filename().string().starts_with(begin)) fs::remove(it->path(), ignored);
}

}  // namespace smidgen
