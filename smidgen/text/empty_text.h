// A text with nothing in it to read.
#pragma once

#include <string_view>

namespace smidgen {

// Nothing but white space and invisible characters: exactly when normalise_for_unit(text) is empty, but found at the
// first character that is neither.
bool is_empty_text(std::string_view text);

}  // namespace smidgen
