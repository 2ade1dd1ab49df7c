#include "smidgen/base/probe_run.h"

#include <string>

#include "smidgen/base/sha256.h"

namespace smidgen {

std::uint64_t multiplier_of(std::span<const std::string_view> keys, int attempt) {
  Sha256 hash;
  hash.add(std::to_string(attempt));
  for (const std::string_view key : keys) hash.add(key);
  return leading_bits(hash.finish()) | 1;
}

}  // namespace smidgen
