// What the program ends with: one place turns an Error into a line on stderr and an exit code.
#pragma once

#include "smidgen/base/result.h"

namespace smidgen {

// Prints "smidgen: <message>" on stderr; returns the exit code.
int report_error(const Error& error);

}  // namespace smidgen
