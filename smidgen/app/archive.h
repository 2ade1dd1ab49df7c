// Unpacking foreign archives (zip, tar.gz) through libarchive. Nothing is written outside the given folder: absolute
// paths, "..", links and special files are errors, and sizes are bounded before a byte is kept.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

struct ArchiveLimits {
  std::uint64_t bytes_max = 1ULL << 30;        // of all entries together, unpacked
  std::uint64_t entry_bytes_max = 512U << 20;  // of one entry
  std::size_t entries_max = 1000;
};

// Given the path of a regular file in the archive: where to put it, relative to the folder; empty skips it.
using ArchiveChoice = std::function<std::string(std::string_view path)>;

// Returns the number of files written. `folder` must exist.
Result<std::size_t> unpack(const std::string& archive, const std::string& folder, const ArchiveChoice& choose,
                           const ArchiveLimits& limits = {});

}  // namespace smidgen
