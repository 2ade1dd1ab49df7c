// What a loader returns when memory runs out. Loaders of foreign files (safetensors, tokenizers, configurations, rows,
// bundles) catch std::bad_alloc at their public functions, so that a host program that links the library goes on with
// what it had: nothing is half-loaded, nothing is leaked (tests/allocation fails every allocation once).
//
//   Result<Dataset> Dataset::load(const std::string& path, const ReadOptions& options) try {
//     ..
//   } catch (const std::bad_alloc&) {
//     return out_of_memory();
//   }
#pragma once

#include <new>

#include "smidgen/base/result.h"

namespace smidgen {

// Short enough for a std::string without allocation: there is no memory to say more.
inline Error out_of_memory() {
  return Error::io("out of memory");
}

}  // namespace smidgen
