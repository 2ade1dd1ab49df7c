// Numbers as people read them. One rule above all: a figure somebody may lean on is never flattered. Accuracies and
// shares answered are cut, not rounded (0.9496 shows as 0.949 beside a target of 0.95); upper ends and escalated shares
// go up.
#pragma once

#include <cstdint>
#include <string>

namespace smidgen {

// 10003 -> "10,003".
std::string with_thousands(std::uint64_t value);
// Cut towards minus infinity (or plus) after `decimals` digits; a value within 1e-9 of a step counts as that step, so
// 0.893 stays 0.893 though the double is a little less.
std::string rounded_down(double value, int decimals);
std::string rounded_up(double value, int decimals);
// A share in [0, 1] as "96.4 %", cut; escalated_percent is the complement of answered_percent, so the two add to 100.
std::string answered_percent(double share);
std::string escalated_percent(double answered_share);
// A chosen level such as 0.95 or 0.975: "95 %", "97.5 %" (at most three decimals, cut).
std::string level_percent(double level);
// The chance that something goes wrong, never made smaller: "5 %".
std::string chance_percent(double probability);
// 8.25 -> "8.3 us"; 2100 -> "2.1 ms"; 0 -> "-".
std::string microseconds(double value);
// 6.2e6 -> "6.2 MB"; 0 -> "-". Decimal units.
std::string byte_size(std::uint64_t bytes);
// 2.34 -> "2.3 s"; 83 -> "83 s"; 200 -> "3 min 20 s"; 0 -> "-".
std::string seconds_text(double value);
// Dollars, with the decimals that show two digits of `smallest` (2 to 4), and thousands separators.
std::string dollars(double value, double smallest);
// "1 row", "2,000 rows".
std::string counted(std::uint64_t count, const char* one, const char* many);

}  // namespace smidgen
