#include "smidgen/base/new_path.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace smidgen {

std::string without_end_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Status check_parent(const std::string& path) {
  std::error_code code;
  const std::filesystem::path plain = without_end_slashes(path);
  const std::string parent = plain.has_parent_path() ? plain.parent_path().string() : ".";
  if (!std::filesystem::is_directory(parent, code))
    return Error(ErrorKind::kCannotCreate, "the folder to write to does not exist").in(parent).hint("create it first");
  if (::access(parent.c_str(), W_OK | X_OK) != 0)
    return Error(errno == EACCES ? ErrorKind::kPermission : ErrorKind::kCannotCreate,
                 std::string("cannot write there: ") + std::strerror(errno))
        .in(parent);
  return Ok{};
}

}  // namespace smidgen
