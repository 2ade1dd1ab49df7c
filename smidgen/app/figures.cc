#include "smidgen/app/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace smidgen {

namespace {

// In units of the last digit: what counts as "already on the step".
constexpr double kOnStep = 1e-9;

std::string grouped(std::string digits) {
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (std::size_t at = point; at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string without_zeros(std::string digits) {
  if (digits.find('.') == std::string::npos) return digits;
  while (digits.back() == '0') digits.pop_back();
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

std::string two_digits(double value, const char* unit) {
  return value < 9.95 ? fmt::format("{:.1f} {}", value, unit) : fmt::format("{:.0f} {}", value, unit);
}

}  // namespace

std::string with_thousands(std::uint64_t value) {
  return grouped(std::to_string(value));
}

std::string rounded_down(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  const double scale = std::pow(10.0, decimals);
  return fmt::format("{:.{}f}", std::floor(value * scale + kOnStep) / scale + 0.0, decimals);
}

std::string rounded_up(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  const double scale = std::pow(10.0, decimals);
  return fmt::format("{:.{}f}", std::ceil(value * scale - kOnStep) / scale + 0.0, decimals);
}

std::string answered_percent(double share) {
  return rounded_down(share * 100, 1) + " %";
}

std::string escalated_percent(double answered_share) {
  const double tenths = 1000 - std::floor(answered_share * 1000 + kOnStep);
  return fmt::format("{:.1f} %", tenths / 10);
}

std::string level_percent(double level) {
  return without_zeros(rounded_down(level * 100, 3)) + " %";
}

std::string chance_percent(double probability) {
  return without_zeros(rounded_up(probability * 100, 3)) + " %";
}

std::string microseconds(double value) {
  if (!(value > 0)) return "-";
  if (value < 999.5) return two_digits(value, "us");
  if (value < 999.5e3) return two_digits(value / 1e3, "ms");
  return two_digits(value / 1e6, "s");
}

std::string byte_size(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes == 0) return "-";
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (value < 999.5e3) return two_digits(value / 1e3, "kB");
  if (value < 999.5e6) return two_digits(value / 1e6, "MB");
  return two_digits(value / 1e9, "GB");
}

std::string seconds_text(double value) {
  if (!(value > 0)) return "-";
  if (value < 0.05) return "< 0.1 s";
  if (value < 99.5) return two_digits(value, "s");
  const auto whole = static_cast<std::uint64_t>(std::llround(value));
  return fmt::format("{} min {} s", whole / 60, whole % 60);
}

std::string dollars(double value, double smallest) {
  if (!std::isfinite(value)) return "-";
  const int decimals = smallest >= 0.095 || smallest <= 0 ? 2 : smallest >= 0.0095 ? 3 : 4;
  if (value > 0 && value < 0.5 * std::pow(10.0, -decimals))
    return fmt::format("< {:.{}f}", std::pow(10.0, -decimals), decimals);
  return grouped(fmt::format("{:.{}f}", value, decimals));
}

std::string counted(std::uint64_t count, const char* one, const char* many) {
  return with_thousands(count) + " " + (count == 1 ? one : many);
}

}  // namespace smidgen
