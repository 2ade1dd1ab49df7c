#include "smidgen/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "smidgen/base/atomic_file.h"
#include "smidgen/base/new_path.h"
#include "smidgen/base/open_error.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Status sync_path(const std::string& path, int flags) {
  const Descriptor fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return write_error(path, errno);
  return Ok{};
}

std::string parent_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

std::string xdg_directory(const char* variable, const char* fallback) {
  const char* value = std::getenv(variable);
  if (value != nullptr && value[0] == '/') return std::string(value) + "/smidgen";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr && home[0] != '\0' ? home : "/tmp") + fallback + "/smidgen";
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::uint64_t bytes_max) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return open_error(path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return open_error(path, errno);
  if (S_ISDIR(info.st_mode)) return Error::no_input("is a folder, a file is wanted").in(path);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::io(std::string("cannot read: ") + std::strerror(errno)).in(path);
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > bytes_max)
      return Error::bad_data("larger than the limit of " + std::to_string(bytes_max) + " bytes").in(path);
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

Status write_file_atomic(const std::string& path, std::string_view bytes) {
  SMIDGEN_ASSIGN(AtomicFile file, AtomicFile::create(path));
  SMIDGEN_TRY(file.write(bytes));
  return file.commit();
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return open_error(path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return open_error(path, errno);
  if (!S_ISREG(info.st_mode)) return Error::no_input("is not a regular file").in(path);
  if (info.st_size == 0) return MappedFile(nullptr, 0);
  const auto size = static_cast<std::size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return Error::io(std::string("cannot map: ") + std::strerror(errno)).in(path);
  return MappedFile(static_cast<const char*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

StagedFolder::StagedFolder(std::string temporary, std::string final_path, bool replace)
    : temporary_(std::move(temporary)), final_(std::move(final_path)), replace_(replace) {}

StagedFolder::StagedFolder(StagedFolder&& other) noexcept
    : temporary_(std::exchange(other.temporary_, {})), final_(std::move(other.final_)), replace_(other.replace_) {}

Result<StagedFolder> StagedFolder::create(const std::string& path, bool replace, std::string temporary) {
  const std::string final_path = write_target(without_end_slashes(path));
  std::error_code code;
  if (!replace && fs::exists(final_path, code))
    return Error(ErrorKind::kCannotCreate, "already exists").in(final_path).hint("choose another name or pass --force");
  if (temporary.empty()) temporary = final_path + ".tmp." + std::to_string(::getpid());
  fs::remove_all(temporary, code);
  if (!fs::create_directory(temporary, code)) return create_error(final_path, code ? code.value() : EEXIST);
  return StagedFolder(temporary, final_path, replace);
}

StagedFolder::~StagedFolder() {
  std::error_code code;
  if (!temporary_.empty()) fs::remove_all(temporary_, code);
}

Status StagedFolder::commit() {
  std::error_code code;
  for (fs::recursive_directory_iterator it(temporary_, code), end; !code && it != end; it.increment(code))
    SMIDGEN_TRY(sync_path(it->path().string(), it->is_directory() ? O_RDONLY | O_DIRECTORY : O_RDONLY));
  if (code) return Error::io("cannot list: " + code.message()).in(temporary_);
  SMIDGEN_TRY(sync_path(temporary_, O_RDONLY | O_DIRECTORY));
  std::string old;
  if (replace_ && fs::exists(final_, code)) {  // the old folder moves aside first: rename cannot replace a full folder
    old = final_ + ".old." + std::to_string(::getpid());
    fs::rename(final_, old, code);
    if (code) return Error(ErrorKind::kCannotCreate, "cannot replace: " + code.message()).in(final_);
  }
  fs::rename(temporary_, final_, code);
  if (code) {
    const Error error = Error(ErrorKind::kCannotCreate, "cannot rename into place: " + code.message()).in(final_);
    if (!old.empty()) fs::rename(old, final_, code);
    return error;
  }
  temporary_.clear();
  if (!old.empty()) fs::remove_all(old, code);
  return sync_path(parent_of(final_), O_RDONLY | O_DIRECTORY);
}

Result<std::uint64_t> folder_bytes(const std::string& path) {
  std::error_code code;
  std::uint64_t total = 0;
  for (fs::recursive_directory_iterator it(path, code), end; !code && it != end; it.increment(code))
    if (it->is_regular_file()) total += it->file_size();
  if (code) return Error::no_input("cannot list: " + code.message()).in(path);
  return total;
}

std::string cache_directory() {
  return xdg_directory("XDG_CACHE_HOME", "/.cache");
}
std::string state_directory() {
  return xdg_directory("XDG_STATE_HOME", "/.local/state");
}

}  // namespace smidgen
