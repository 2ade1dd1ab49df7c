// One wording for a file that cannot be read, one for a file that cannot be written.
#pragma once

#include <string>

#include "smidgen/base/result.h"

namespace smidgen {

// What open(2) says of a file to read, by its errno: "no such file" (kNoInput), "cannot open: Permission denied"
// (kPermission), ..
Error open_error(const std::string& path, int code);

// What open(2) or mkdir(2) says of a file or folder to write: kPermission, kIo where the disk is full, else
// kCannotCreate.
Error create_error(const std::string& path, int code);

}  // namespace smidgen
