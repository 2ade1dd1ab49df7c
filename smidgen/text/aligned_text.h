// A text on its way through normalization, each code point with the bytes of the original text it stands for.
//
// The rules are those of the reference (NormalizedString in Hugging Face tokenizers), odd corners included, since the
// offsets users know are the result of them: a code point that replaces another takes its place, an inserted one shares
// the place of what stands before it, a removed one leaves nothing. Steps over the whole text, no fast path: ids alone
// never need this.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/text/tokenizer.h"

namespace smidgen {

struct AlignedChar {
  char32_t c = 0;
  TextSpan span;
};
using AlignedText = std::vector<AlignedChar>;

// The code points of `text`, each standing for its own bytes, the first of them byte `begin` of the original. Bytes
// that are not UTF-8 become U+FFFD, standing for the maximal ill-formed subpart.
AlignedText align(std::string_view text, std::uint32_t begin = 0);

// A step of normalization: the new code points in order, with how many old ones each stands for. change 0: replaces the
// next one; 1: is inserted; -n: replaces the next one and the n after it.
struct AlignedChange {
  char32_t c = 0;
  int change = 0;
};
// `begin` is where the text starts in the original: the place of what is inserted before everything else.
AlignedText changed(const AlignedText& text, const std::vector<AlignedChange>& changes, std::uint32_t begin);

// Every code point replaced by what `replace` appends for it (at least one).
AlignedText replaced(const AlignedText& text, const std::function<void(char32_t, std::vector<char32_t>&)>& replace);
// Normalization forms D and C.
AlignedText decomposed(const AlignedText& text, std::uint32_t begin);
AlignedText composed(const AlignedText& text, std::uint32_t begin);

// `text` in UTF-8, and of which code point each byte is a part (one entry more at the end: the number of code points).
struct AlignedBytes {
  std::string bytes;
  std::vector<std::uint32_t> chars;
};
AlignedBytes to_bytes(const AlignedText& text);
// What the code points [first, last) stand for, first < last.
TextSpan span_of(const AlignedText& text, std::size_t first, std::size_t last);

// For bytes of a text that was repaired (unicode::repair_utf8): the original byte of each repaired one, one entry more
// at the end.
std::vector<std::uint32_t> repair_map(std::string_view original);

}  // namespace smidgen
