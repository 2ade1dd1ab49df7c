// Any bytes as smidgen.conf: settings that keep the promises of their header, or one error with its line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "smidgen/base/settings.h"
#include "smidgen/base/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  const auto settings = smidgen::parse_settings(text, "f.conf");
  if (!settings.ok()) {
    SMIDGEN_CHECK(settings.error().kind() == smidgen::ErrorKind::kConfig && !settings.error().hint().empty());
    SMIDGEN_CHECK(settings.error().line() && *settings.error().line() >= 1 && *settings.error().line() <= lines);
    SMIDGEN_CHECK(!smidgen::first_invalid_utf8(settings.error().message()));
    return 0;
  }
  std::uint64_t line = 0;
  for (const smidgen::Setting& one : *settings) {
    SMIDGEN_CHECK(one.line > line && one.line <= lines && one.where == "f.conf");
    SMIDGEN_CHECK(!one.key.empty() && !one.value.empty() && !smidgen::first_invalid_utf8(one.value));
    line = one.line;
  }
  return 0;
}
