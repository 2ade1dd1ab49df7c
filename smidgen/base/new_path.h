// Names of files and folders that are to appear.
#pragma once

#include <string>

#include "smidgen/base/result.h"

namespace smidgen {

// `path` without slashes at its end, so that its parent and a name beside it can be made of it; "/" stays.
std::string without_end_slashes(std::string path);

// kCannotCreate when the folder that `path` is to appear in does not exist or is read-only, kPermission when it is not
// ours to write to.
Status check_parent(const std::string& path);

}  // namespace smidgen
