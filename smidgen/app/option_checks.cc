#include "smidgen/app/option_checks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string_view>
#include <system_error>

#include "smidgen/learn/split.h"
#include "smidgen/tensor/precision.h"
#include "smidgen/text/column_names.h"

namespace smidgen {

namespace {

// `least`: the smallest share worth proposing for a number that looks like percent. `too_much`: said of 1.
std::string share_problem(const std::string& text, double least, const char* too_much) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() && *end == ',') {
    std::string pointed = text;
    std::replace(pointed.begin(), pointed.end(), ',', '.');
    const bool right = share_problem(pointed, least, too_much).empty();
    return text + " is not a number" + (right ? "; did you mean " + pointed + "?" : "");
  }
  const bool percent = end != text.c_str() && std::string_view(end) == "%";
  if (end == text.c_str() || (*end != '\0' && !percent)) return text + " is not a number";
  if (percent ? value == 100 : value == 1 || value == 100) return text + too_much;
  if (!percent && value > 0 && value < 1) return {};
  const bool likely = value < 100 && (percent ? value > 0 : value > 1 && value / 100 >= least);
  return text + " is not a share between 0 and 1" + (likely ? fmt::format("; did you mean {:g}?", value / 100) : "");
}

}  // namespace

std::string check_share(const std::string& text) {
  return share_problem(text, 0.02, " is not below 1; give less, such as 0.99");
}

std::string check_target_share(const std::string& text) {
  return share_problem(text, 0.5, " is more than any number of rows can show; give less, such as 0.99");
}

std::string check_target(const std::string& text) {
  const std::size_t at = text.rfind('=');
  if (at == std::string::npos || at == 0) return text + " is not LABEL=SHARE, such as fraud=0.98";
  return check_target_share(text.substr(at + 1));
}

std::string check_held_out(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() && *end == '\0' && value == 0) return {};
  const std::string problem = check_share(text);
  return problem.empty() && !(value <= 0.9) ? text + " is more than 0.9: little is left to learn from" : problem;
}

std::string check_arithmetic(const std::string& text) {
  return text == "auto" || precision_by_name(text) ? "" : text + " is not auto, f32, bf16 or int8";
}

std::string check_precision(const std::string& text) {
  if (text.find('=') != std::string::npos) return check_target(text);
  const std::string wrong = check_arithmetic(text);
  return wrong.empty() ? wrong : wrong + ", nor LABEL=SHARE, such as fraud=0.98";
}

std::string check_positive(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0' && value > 0 && std::isfinite(value) ? ""
                                                                                  : text + " is not a number above 0";
}

std::string read_whole(std::string& text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, code] = std::from_chars(text.data(), end, value);
  if (code == std::errc() && stopped == end && value >= least && value <= most) {
    text = std::to_string(value);
    return {};
  }
  return text + " is not a whole number from " + std::to_string(least) +
         (most == UINT64_MAX ? " on" : " to " + std::to_string(most));
}

std::string check_split(const std::string& text) {
  const auto shares = parse_split_shares(text);
  return shares.ok() ? "" : shares.error().what() + "; did you mean a split such as 70/10/20?";
}

bool reads_terminal(const std::string& path) {
  if (path == "-") return ::isatty(STDIN_FILENO) == 1;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISCHR(info.st_mode)) return false;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool terminal = ::isatty(descriptor) == 1;
  ::close(descriptor);
  return terminal;
}

std::optional<char> delimiter_from(const std::string& text) {
  static const std::map<std::string, char> kNames = {{"comma", ','}, {"semicolon", ';'}, {"tab", '\t'},
                                                     {"\\t", '\t'},  {"pipe", '|'},      {"space", ' '}};
  if (const auto known = kNames.find(text); known != kNames.end()) return known->second;
  if (text.size() == 1 && can_delimit(text[0])) return text[0];
  return std::nullopt;
}

std::string check_delimiter(const std::string& text) {
  return delimiter_from(text) ? "" : text + " is not one ASCII character (or comma, semicolon, tab, pipe, space)";
}

std::string check_name(const std::string& text) {
  return text.empty() ? "is empty; did you mean a variable that is not set?" : "";
}

}  // namespace smidgen
