// One wording for a file that cannot be read, and one for each way in which it cannot be written.
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

// What write(2), fsync(2) or rename(2) says of a file that is being written (kIo).
Error write_error(const std::string& path, int code);

// That another process writes the same (kLocked); its number where it is known, else "".
Error locked_error(const std::string& path, const std::string& process);

// Whether `path` still names what `descriptor` has open: a lock is worth nothing on a file that was renamed or removed.
bool is_open_file(int descriptor, const std::string& path);

}  // namespace smidgen
