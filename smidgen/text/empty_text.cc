#include "smidgen/text/empty_text.h"

#include "smidgen/text/dataset.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

bool is_empty_text(std::string_view text) {
  while (!text.empty()) {
    const char first = text.front();
    if (first > ' ' && first < '\x7f') return false;
    const std::size_t length = unicode::decode_one(text, 0).length;
    if (!normalise_for_unit(text.substr(0, length)).empty()) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace smidgen
