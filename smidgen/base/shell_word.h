// Names in the commands that messages propose.
#pragma once

#include <string>
#include <string_view>

namespace smidgen {

// One word for a POSIX shell, quoted only when it must be.
std::string shell_word(std::string_view text);

}  // namespace smidgen
