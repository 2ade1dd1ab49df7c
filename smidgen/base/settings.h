// Settings: what a user or a project says once instead of with every command. Text of the form
//
//   # tickets of 2026
//   text-column = body
//   [run]
//   top = 3
//
// One `key = value` a line; `#` begins a comment at the start of a line; a `[section]` holds until the next. Values go
// to the end of their line, without white space around them. No quotes, no escapes, no includes: nothing to get wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

struct Setting {
  std::string section, key, value;  // section "": for every command
  std::string where;                // file, or the environment's variable
  std::uint64_t line = 0;           // 1-based; 0 for a variable
};

inline constexpr std::uint64_t kSettingsBytesMax = 1 << 16;

// In the order of the text. Errors are ErrorKind::kConfig with file and line: no UTF-8, NUL, no `=`, a key that is not
// made of a-z, 0-9 and `-`, a key twice in a section, an empty value.
Result<std::vector<Setting>> parse_settings(std::string_view text, const std::string& file);

}  // namespace smidgen
