// English words, for telling rare words from slips (learn/collect_words.h). Embedded by cmake/english_words.cmake.
#pragma once

#include <string_view>

namespace smidgen {

// Some 75,000 words of small ASCII letters, one a line, sorted, each once, names among them: SCOWL (Spell Checker
// Oriented Word Lists), American and British spelling, as Debian's wamerican and wbritish have them.
// docs/dependencies.md has the copyright.
extern const std::string_view kEnglishWords;

}  // namespace smidgen
