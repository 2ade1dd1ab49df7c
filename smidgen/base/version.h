// The program's version, one place.
#pragma once

namespace smidgen {
inline constexpr char kVersion[] = "0.1.0";
}  // namespace smidgen
