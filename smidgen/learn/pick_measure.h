// What a rung or a bundle costs on this machine: microseconds a row, one thread, warm; bytes; megabytes of a separate
// run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/classifier.h"
#include "smidgen/model/rung.h"

namespace smidgen {

struct RowTiming {
  double us_p50 = 0, us_p99 = 0;  // one row at a time: what a single request waits
  double us_batched = 0;          // mean processor time in batches of 64: what a million rows cost
};

// Texts are asked one by one, after a warm-up, for at most `seconds_max` (every text at least once if time allows).
RowTiming time_rung(const Rung& rung, std::span<const std::string_view> texts, double seconds_max);
RowTiming time_classifier(const Classifier& classifier, std::span<const std::string_view> texts, double seconds_max);

// Microseconds a row that a rung usually takes, told from what it is: what the plan prices own compute with. A clock's
// noise would reorder policies that are nearly equal, and every run could choose another one; own compute is a
// thousandth of what escalation costs, so its order of magnitude is enough. bytes: of the rung's folder; tokens: of a
// text, on average.
double usual_us(RungKind kind, std::uint64_t bytes, double tokens);

}  // namespace smidgen
