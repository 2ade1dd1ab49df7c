// What `pick` prints for people: one header line, one row a rung, then sentences a manager can read.
#pragma once

#include <cstddef>
#include <string>

#include "smidgen/learn/pick_report.h"

namespace smidgen {

// Why there is no certificate when nothing more is known of it.
inline constexpr char kNothingPassed[] = "no policy passed its test on the held-out rows.";

// The whole text, ending in a newline. `colour` adds ANSI colours (they change no other character); sentences wrap at
// `width` columns (at least 60; 0 never wraps). Foreign text (labels, paths) cannot move the cursor. `plain`: the
// table's cells between tabs, each sentence one line, no colour.
std::string render_pick_table(const PickReport& report, bool colour, std::size_t width, bool plain = false);

}  // namespace smidgen
