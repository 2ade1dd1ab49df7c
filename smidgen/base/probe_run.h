// Hash tables with linear probing whose keys a file chooses: a look-up goes no further than a run of full slots is
// long, and keys that were chosen to crowd make a run as long as their number. A table at most half full of keys that
// fall anywhere has no run of kProbeRunMax (with 2^30 of them the chance of one is below 10^-11; Knuth, "The Art of
// Computer Programming", volume 3, 6.4), so whoever fills a table stops there.
#pragma once

#include <cstddef>

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

}  // namespace smidgen
