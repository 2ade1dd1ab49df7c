// Appending JSON text by hand on hot paths, safe for foreign bytes.
#pragma once

#include <string>
#include <string_view>

namespace smidgen {

// Appends `text` as a quoted JSON string: control characters, quote and backslash escaped, invalid UTF-8 replaced by
// U+FFFD (one per maximal bad subpart), so the output is always valid UTF-8 JSON.
void append_json_string(std::string& out, std::string_view text);
// Appends a finite double with the fewest digits that read back the same value; NaN and infinities become null.
void append_json_number(std::string& out, double value);

}  // namespace smidgen
