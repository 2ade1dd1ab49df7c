#include "smidgen/base/open_error.h"

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

}  // namespace smidgen
