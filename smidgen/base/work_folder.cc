#include "smidgen/base/work_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "smidgen/base/file.h"
#include "smidgen/base/open_error.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr char kMark[] = ".smidgen-work";  // holds the owner's process number; a folder without it is not ours
constexpr std::uint64_t kMarkBytesMax = 64;
constexpr int kTries = 8;

// Locked, or the reason why not. A file system without locks is no reason: then two processes are on their own.
enum class Claim { kOurs, kTheirs, kGone };
Claim claim(int descriptor, const std::string& path) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return Claim::kTheirs;
  return is_open_file(descriptor, path) ? Claim::kOurs : Claim::kGone;  // gone: its owner ended and removed it just now
}

Error taken(const std::string& out, const std::string& path) {
  const auto owner = read_file(path + "/" + kMark, kMarkBytesMax);
  return locked_error(out, owner.ok() ? *owner : "");
}

// The mark goes last, so that a process that dies on the way leaves a folder that is known to be ours.
void remove_all_but_mark(const std::string& path) {
  std::error_code walk, ignored;  // a destructor comes here too: nothing may throw
  for (fs::directory_iterator at(path, walk), end; !walk && at != end; at.increment(walk))
    if (at->path().filename() != kMark) fs::remove_all(at->path(), ignored);
}

// Clears what a process that died left here. Anything else is somebody's, and stays.
Status clear(const std::string& path) {
  std::error_code code;
  if (fs::is_empty(path, code)) return Ok{};
  if (!fs::exists(path + "/" + kMark, code))
    return Error(ErrorKind::kCannotCreate, "stands where temporary files would go, and is not from here")
        .in(path)
        .hint("move it away, or choose another name for what is written");
  remove_all_but_mark(path);
  return Ok{};
}

// Not through a second file and a rename: whoever dies in between would leave a folder without its mark.
Status write_mark(const std::string& path) {
  const std::string file = path + "/" + kMark, owner = std::to_string(::getpid());
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  const bool written = descriptor >= 0 && ::write(descriptor, owner.data(), owner.size()) == std::ssize(owner);
  const int failure = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (written) return Ok{};
  return Error(failure == EACCES ? ErrorKind::kPermission : ErrorKind::kIo,
               std::string("cannot write: ") + std::strerror(failure))
      .in(file);
}

}  // namespace

Result<WorkFolder> WorkFolder::create(const std::string& out) {
  std::string path = out;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  path += ".work";
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
      return create_error(out, errno).hint("choose a place where folders can be made");
    }
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0 && errno == ENOENT) continue;  // removed by its owner between the two calls
    if (descriptor < 0)
      return Error(ErrorKind::kCannotCreate, std::string("cannot open: ") + std::strerror(errno)).in(path);
    const Claim claimed = claim(descriptor, path);
    if (claimed != Claim::kOurs) {
      ::close(descriptor);
      if (claimed == Claim::kTheirs) return taken(out, path);
      continue;
    }
    auto status = clear(path);
    if (status.ok()) status = write_mark(path);
    if (!status.ok()) {
      ::close(descriptor);
      return std::move(status).error();
    }
    return WorkFolder(path, descriptor);
  }
  return taken(out, path);
}

WorkFolder::~WorkFolder() {
  if (descriptor_ < 0) return;
  std::error_code code;
  remove_all_but_mark(path_);
  fs::remove_all(path_, code);
  ::close(descriptor_);  // last: whoever waits for the name finds it gone, not half empty
}

}  // namespace smidgen
