// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);
// The same of a whole file, read in pieces (constant memory).
Result<std::string> sha256_file(const std::string& path);

}  // namespace smidgen
