#include "smidgen/base/open_error.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace smidgen {

Error open_error(const std::string& path, int code) {
  if (code == ENOENT) return Error::no_input("no such file").in(path);
  const ErrorKind kind = code == EACCES || code == EPERM ? ErrorKind::kPermission : ErrorKind::kNoInput;
  return Error(kind, std::string("cannot open: ") + std::strerror(code)).in(path);
}

Error create_error(const std::string& path, int code) {
  const bool full = code == ENOSPC || code == EDQUOT;
  const bool forbidden = code == EACCES || code == EPERM;
  const ErrorKind kind = full ? ErrorKind::kIo : forbidden ? ErrorKind::kPermission : ErrorKind::kCannotCreate;
  Error error = Error(kind, std::string("cannot create: ") + std::strerror(code)).in(path);
  return full ? std::move(error).hint("check free space and permissions") : error;
}

Error write_error(const std::string& path, int code) {
  return Error::io(std::string("cannot write: ") + std::strerror(code))
      .in(path)
      .hint("check free space and permissions");
}

Error locked_error(const std::string& path, const std::string& process) {
  const std::string who = process.empty() ? "" : " (process " + process + ")";
  return Error(ErrorKind::kLocked, "another run" + who + " is writing it")
      .in(path)
      .hint("wait for it to end, or choose another name");
}

bool is_open_file(int descriptor, const std::string& path) {
  struct stat held {
  }, named{};
  return ::fstat(descriptor, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
         held.st_dev == named.st_dev;
}

}  // namespace smidgen
