#include "smidgen/base/open_error.h"

#include <cerrno>
#include <cstring>

namespace smidgen {

Error open_error(const std::string& path, int code) {
  if (code == ENOENT) return Error::no_input("no such file").in(path);
  const ErrorKind kind = code == EACCES || code == EPERM ? ErrorKind::kPermission : ErrorKind::kNoInput;
  return Error(kind, std::string("cannot open: ") + std::strerror(code)).in(path);
}

}  // namespace smidgen
