// Is it UTF-8? Fast for the yes, exact for the no: an error has to name the byte.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace smidgen {

// Offset of the first byte that does not start or continue a well-formed sequence (Unicode 15, table 3-7: no
// surrogates, no overlong forms, at most U+10FFFF), nullopt when all of `text` is valid. A sequence that breaks off is
// reported at its first byte. Vectorised (simdjson) when the text is valid, a plain loop when it is not.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

// The plain loop alone: the reference twin of the above.
std::optional<std::size_t> first_invalid_utf8_reference(std::string_view text);

// `text` without the U+FEFF that some editors begin a file with.
std::string_view without_byte_order_mark(std::string_view text);

}  // namespace smidgen
