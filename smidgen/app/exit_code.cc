#include "smidgen/app/exit_code.h"

#include <cstdio>

namespace smidgen {

int report_error(const Error& error) {
  std::fprintf(stderr, "smidgen: %s\n", error.message().c_str());
  return error.exit_code();
}

}  // namespace smidgen
