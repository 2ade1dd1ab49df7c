// What was probably meant by a word that is none of the known ones.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smidgen {

// The candidate with the smallest edit distance (insert, delete, change, swap of neighbours) to `word`, when it is near
// enough to be a likely typing mistake.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

// The same for names of several words, without leading dashes ("text-column"). What `word` is the beginning of goes
// before what is spelled like it ("text": "text-column", not "test"), then what begins it ("group-column": "group").
// Several when the beginning fits a few; empty when nothing is likely.
std::vector<std::string> likely_names(std::string_view word, const std::vector<std::string>& names);

// "did you mean A, B or C?"
std::string did_you_mean(const std::vector<std::string>& names);

}  // namespace smidgen
