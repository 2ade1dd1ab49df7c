// One wording for a file that cannot be read.
#pragma once

#include <string>

#include "smidgen/base/result.h"

namespace smidgen {

// What open(2) says of a file to read, by its errno: "no such file" (kNoInput), "cannot open: Permission denied"
// (kPermission), ..
Error open_error(const std::string& path, int code);

}  // namespace smidgen
