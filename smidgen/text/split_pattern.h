// The split patterns of byte-level BPE, by hand: their look-ahead is beyond linear-time regular expression engines, and
// a backtracking one would let a text decide how long it takes. Each piece is found in one pass.
//
//   kGpt2:   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   kLlama3: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+
//            |\s+(?!\S)|\s+
//   kQwen2:  the same with \p{N} for \p{N}{1,3}
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace smidgen {

enum class SplitPattern { kGpt2, kLlama3, kQwen2 };

// The pattern written like this in a file, or none.
std::optional<SplitPattern> split_pattern(std::string_view regular_expression);

// The end of the piece that starts at text[at] (at < size; `text` is valid UTF-8): at least one code point.
std::size_t piece_end(SplitPattern pattern, std::string_view text, std::size_t at);
// The plain twin: the alternatives in the order the pattern writes them.
std::size_t piece_end_reference(SplitPattern pattern, std::string_view text, std::size_t at);

}  // namespace smidgen
