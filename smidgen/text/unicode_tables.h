// What a code point means to the BERT tokenizer, exactly as the reference (Hugging Face tokenizers) sees it.
//
// The reference mixes the tables of three libraries of different Unicode versions, so no standard describes it:
// make_unicode_tables.py asks it about every code point and writes unicode_data.cc. One byte per code point in two
// stages (17 KB of blocks of 128) selects a record; the few code points that change under lower-casing or canonical
// decomposition are then found by binary search. Hangul syllables decompose by arithmetic (Unicode 15, section 3.12).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace smidgen::unicode {

enum Flag : std::uint8_t {
  kSpace = 1,         // white space of the pre-tokenizer, and of lstrip and rstrip
  kPunctuation = 2,   // a word of its own to the pre-tokenizer
  kDropped = 4,       // removed by clean_text: control, format, private use, NUL, U+FFFD
  kChinese = 8,       // padded with spaces by handle_chinese_chars
  kMark = 16,         // non-spacing mark, removed by strip_accents
  kWord = 32,         // \w, for the single_word flag of added tokens
  kLower = 64,        // lower_case() differs
  kDecomposed = 128,  // has a table entry for its canonical decomposition
};

struct Record {
  std::uint8_t flags;
  std::uint8_t order;  // canonical combining class; 0 = a starter
};

inline constexpr char32_t kReplacement = 0xfffd;
inline constexpr std::size_t kBlock = 128;

extern const std::uint8_t kStage1[];
extern const std::uint8_t kStage2[];
extern const Record kRecords[];
// Mappings: sorted keys, where each key's value starts in the pool (one entry more at the end), and the pool.
extern const char32_t kDecompositionKeys[], kDecompositionPool[], kLowerKeys[], kLowerPool[];
extern const std::uint16_t kDecompositionStarts[], kLowerStarts[];
extern const std::size_t kDecompositionCount, kLowerCount;

// c <= 0x10ffff.
inline const Record& record(char32_t c) {
  return kRecords[kStage2[kStage1[c / kBlock] * kBlock + c % kBlock]];
}
inline bool is_space(char32_t c) {
  return (record(c).flags & kSpace) != 0;
}
inline bool is_word(char32_t c) {
  return (record(c).flags & kWord) != 0;
}

// Appends the lower case of `c`, one code point at a time as the reference does: no final sigma, no locale.
void append_lower(char32_t c, std::vector<char32_t>& out);
// Appends the full canonical decomposition of `c`.
void append_decomposed(char32_t c, std::vector<char32_t>& out);
// Normalization form D of `in`, marks in canonical order. `in` and `out` must differ.
void decompose(const std::vector<char32_t>& in, std::vector<char32_t>& out);

// The code point that starts at text[at] (at < size), and its length in bytes. Bytes that are not UTF-8 give U+FFFD
// and the length of the maximal ill-formed subpart (Unicode 15, table 3-8; what Python's errors="replace" does).
struct Decoded {
  char32_t c;
  std::size_t length;
  bool valid;
};
Decoded decode_one(std::string_view text, std::size_t at);
// Start of the code point that ends at `at` (> 0) in valid UTF-8.
std::size_t previous_start(std::string_view text, std::size_t at);
bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);
// `text` with every maximal ill-formed subpart replaced by U+FFFD.
std::string repair_utf8(std::string_view text);
// Appends the code points of `text`.
void decode(std::string_view text, std::vector<char32_t>& out);
void append_utf8(char32_t c, std::string& out);
// All of a text at once.
std::vector<char32_t> from_utf8(std::string_view text);
std::string to_utf8(const std::vector<char32_t>& text);

}  // namespace smidgen::unicode
