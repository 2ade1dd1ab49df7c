#include "smidgen/base/settings.h"

#include <algorithm>
#include <utility>

#include "smidgen/base/utf8.h"

namespace smidgen {

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text[0] != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Error wrong(std::string what) {
  return {ErrorKind::kConfig, std::move(what)};
}

// One line; `section` is the one it stands in, and may change.
Status read_line(std::string_view line, std::string& section, std::vector<Setting>& settings) {
  if (line.front() == '[') {
    const std::string_view name = trimmed(line.substr(1, line.size() < 2 ? 0 : line.size() - 2));
    if (line.back() != ']' || !is_key(name)) return wrong("is not a section").hint("write [COMMAND], such as [run]");
    section = name;
    return Ok{};
  }
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return wrong("has no `=`").hint("write KEY = VALUE");
  const std::string_view key = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
  if (!is_key(key)) return wrong("is not a setting's name before the `=`").hint("write an option without its dashes");
  if (value.empty()) return wrong("`" + std::string(key) + "` has no value").hint("give one, or remove the line");
  for (const Setting& one : settings)
    if (one.section == section && one.key == key)
      return wrong("`" + std::string(key) + "` stands in line " + std::to_string(one.line) + " already")
          .hint("remove one of them");
  Setting& added = settings.emplace_back();
  added.section = section;
  added.key = key;
  added.value = value;
  return Ok{};
}

}  // namespace

Result<std::vector<Setting>> parse_settings(std::string_view text, const std::string& file) {
  std::vector<Setting> settings;
  std::string section;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    Status read = Ok{};
    if (first_invalid_utf8(line) || line.find('\0') != std::string_view::npos)
      read = wrong("is not text in UTF-8").hint("convert it to UTF-8");
    else if (!line.empty() && line.front() != '#')
      read = read_line(line, section, settings);
    if (!read.ok()) return std::move(read).error().in(file).at_line(number);
    if (!settings.empty() && settings.back().line == 0) {
      settings.back().line = number;
      settings.back().where = file;
    }
  }
  return settings;
}

}  // namespace smidgen
