#include "smidgen/learn/time_order.h"

#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>

namespace smidgen {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kWhite);
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

template <class Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_finite(std::string_view text) {
  const auto value = parse_whole<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

// Doubles as integers of the same order (IEEE 754: the bits of positive numbers rise with them).
std::int64_t ordered_bits(double value) {
  const auto bits = std::bit_cast<std::int64_t>(value == 0 ? 0.0 : value);
  return bits >= 0 ? bits : static_cast<std::int64_t>(0x8000000000000000ULL - static_cast<std::uint64_t>(bits));
}

// Takes exactly `digits` decimal digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// hh:mm[:ss[.f..]] in microseconds.
std::optional<std::int64_t> take_clock(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 24 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  std::int64_t micros = (*hour * 60LL + *minute) * 60'000'000LL;
  if (!take(text, ':')) return micros;
  const auto second = take_digits(text, 2);
  if (!second || *second > 60) return std::nullopt;
  micros += *second * 1'000'000LL;
  if (!take(text, '.') && !take(text, ',')) return micros;
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  for (std::int64_t unit = 100'000; !text.empty() && text[0] >= '0' && text[0] <= '9'; unit /= 10) {
    micros += (text[0] - '0') * unit;
    text.remove_prefix(1);
  }
  return micros;
}

// Z, +hh:mm, +hhmm, +hh or nothing, in microseconds east of UTC.
std::optional<std::int64_t> take_zone(std::string_view& text) {
  if (text.empty() || take(text, 'Z') || take(text, 'z')) return 0;
  const std::int64_t sign = text[0] == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 24) return std::nullopt;
  int minutes = 0;
  if (!text.empty()) {
    take(text, ':');
    const auto given = take_digits(text, 2);
    if (!given || *given > 59) return std::nullopt;
    minutes = *given;
  }
  return sign * (*hours * 60LL + minutes) * 60'000'000LL;
}

Error mixed_error(const Dataset& data, std::size_t row, const std::string& wanted) {
  return Error::bad_data("the time \"" + data.times[row].substr(0, 40) + "\" is not " + wanted)
      .in(data.path)
      .at_line(data.lines[row])
      .hint("write every time as YYYY-MM-DD or YYYY-MM-DDThh:mm:ss, or every one as a number");
}

}  // namespace

std::optional<std::int64_t> parse_iso_time(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || *year < 1 || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month) return std::nullopt;
  std::optional<int> day = 1;
  const bool has_day = take(text, '-');
  if (has_day) day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  std::int64_t micros = std::chrono::sys_days(date).time_since_epoch().count() * 86'400'000'000LL;
  if (text.empty()) return micros;
  if (!has_day || (!take(text, 'T') && !take(text, 't') && !take(text, ' '))) return std::nullopt;
  const auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  if (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return micros + *clock - *zone;
}

Result<std::vector<std::int64_t>> order_times(const Dataset& data) {
  std::vector<std::int64_t> order(data.times.size());
  bool integers = true, numbers = true;
  for (const std::string& time : data.times) {
    integers = integers && parse_whole<std::int64_t>(trimmed(time));
    numbers = numbers && (integers || parse_finite(trimmed(time)));
    if (!numbers) break;
  }
  for (std::size_t row = 0; row < order.size(); ++row) {
    const std::string_view text = trimmed(data.times[row]);
    if (integers) {
      order[row] = *parse_whole<std::int64_t>(text);
    } else if (numbers) {
      order[row] = ordered_bits(*parse_finite(text));
    } else if (const auto time = parse_iso_time(text)) {
      order[row] = *time;
    } else {
      const bool first_is_number = parse_finite(trimmed(data.times[0])).has_value();
      if (!first_is_number) return mixed_error(data, row, "an ISO 8601 date");
      while (parse_finite(trimmed(data.times[row]))) ++row;  // the first that breaks the row of numbers
      return mixed_error(data, row, "a number, as the first one is");
    }
  }
  return order;
}

}  // namespace smidgen
