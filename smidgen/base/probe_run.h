// Hash tables with linear probing whose keys a file chooses: a look-up goes no further than a run of full slots is
// long, and keys that were chosen to crowd make a run as long as their number. A table at most half full of keys that
// fall anywhere has no run of kProbeRunMax (with 2^30 of them the chance of one is below 10^-11; Knuth, "The Art of
// Computer Programming", volume 3, 6.4), so whoever fills a table stops there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace smidgen {

inline constexpr std::size_t kProbeRunMax = 256;

// Whether no run of full slots is longer, around the table's end too. slots: a power of two; full(slot).
template <class Full>
bool probe_runs_are_short(std::size_t slots, const Full& full) {
  std::size_t run = 0;
  for (std::size_t i = 0; i < slots + kProbeRunMax; ++i) {
    run = full(i & (slots - 1)) ? run + 1 : 0;
    if (run > kProbeRunMax) return false;
  }
  return true;
}

// 2^64 by the golden ratio, odd (Knuth, the same): the top bits of a key times this are its place.
inline constexpr std::uint64_t kFirstMultiplier = 0x9e3779b97f4a7c15ULL;
// Odd, and known to nobody who is still choosing the keys: a hash of them and of `attempt`.
std::uint64_t multiplier_of(std::span<const std::string_view> keys, int attempt);

// Fills a table of `slots` places, a power of two, by fill(multiplier, probes_max), which begins anew and is false when
// a key would stand more than probes_max from its place. With kFirstMultiplier, then, while the table gets crowded,
// with multipliers of `keys`; after a few, which no keys that were chosen before should need, however crowded it gets.
template <class Fill, class Full>
void fill_uncrowded(std::span<const std::string_view> keys, std::size_t slots, const Fill& fill, const Full& full) {
  constexpr int kMultipliersMax = 16;
  std::uint64_t multiplier = kFirstMultiplier;
  for (int attempt = 1; attempt <= kMultipliersMax; ++attempt) {
    if (fill(multiplier, kProbeRunMax) && probe_runs_are_short(slots, full)) return;
    multiplier = multiplier_of(keys, attempt);
  }
  fill(multiplier, std::numeric_limits<std::size_t>::max());
}

}  // namespace smidgen
