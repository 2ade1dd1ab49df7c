// The order of the times in a data set, whatever they are written in.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

// One number a row that rises with its time. All times must be of one kind: integers, numbers (1.7e9), or ISO 8601
// dates (parse_iso_time). Anything else, and a mix of numbers and dates, is kBadData naming the line: comparing them as
// text would put 9/1/2025 after 10/1/2025 without a word.
Result<std::vector<std::int64_t>> order_times(const Dataset& data);

// Microseconds since 1970-01-01T00:00Z of YYYY-MM[-DD[(T| )hh:mm[:ss[.f..]][Z|+hh[:]mm|-hh[:]mm]]], years 0001..9999;
// without a zone it is UTC; digits beyond microseconds are dropped. nullopt for anything else, e.g. 31 February.
std::optional<std::int64_t> parse_iso_time(std::string_view text);

}  // namespace smidgen
