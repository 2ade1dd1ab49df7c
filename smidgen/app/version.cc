// A file of its own: only this one is compiled again when the commit changes.
#include "smidgen/base/version.h"

#include <string>

#include "smidgen/app/command_line.h"

namespace smidgen {

std::string version_text() {
#ifdef SMIDGEN_COMMIT
  return std::string("smidgen ") + kVersion + " (commit " + SMIDGEN_COMMIT + ")\n";
#else
  return std::string("smidgen ") + kVersion + "\n";
#endif
}

}  // namespace smidgen
