// The likeliest way to lose a data file: naming it again as the file to write.
#pragma once

#include <span>
#include <string>

#include "smidgen/base/result.h"

namespace smidgen {

// kCannotCreate when `out` is one of `inputs`, under whatever name. Empty names and "-" (standard streams) are no
// files.
Status keep_input(const std::string& out, std::span<const std::string> inputs);

}  // namespace smidgen
