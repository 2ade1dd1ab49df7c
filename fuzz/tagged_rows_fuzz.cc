// Tagged words from any bytes, in columns and as JSON lines: what is read keeps its promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "smidgen/text/tagged_rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto rows = smidgen::parse_tagged_rows(bytes, bytes.starts_with("{"));
  if (!rows.ok()) {
    if (rows.error().message().empty()) std::abort();
    return 0;
  }
  for (const smidgen::TaggedRow& row : rows->rows) {
    if (row.words.empty() || row.words.size() != row.tags.size()) std::abort();
    for (const std::uint32_t tag : row.tags)
      if (tag >= rows->tag_names.size()) std::abort();
  }
  return 0;
}
