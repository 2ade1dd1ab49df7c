// What split patterns, grapheme clusters and composition need to know about a code point; made by
// make_pattern_tables.py. One byte in two stages: bits 0-1 the class of \p{L}, \p{N}, \s as the reference's regular
// expressions see it, bits 2-5 the grapheme cluster category (Unicode 17, annex 29), bits 6-7 its part in conjuncts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace smidgen::unicode {

enum class PatternClass : std::uint8_t { kOther, kLetter, kNumber, kSpace };
enum class Cluster : std::uint8_t {
  kOther,
  kCr,
  kLf,
  kControl,
  kExtend,
  kZwj,
  kRegional,
  kPrepend,
  kSpacingMark,
  kL,
  kV,
  kT,
  kLv,
  kLvt,
  kPictograph,
  kConsonant
};
inline constexpr std::uint8_t kConjunctExtend = 64, kConjunctLinker = 128;

struct Composition {
  char32_t first, second, composed;
};

inline constexpr std::size_t kPatternBlock = 128;
extern const std::uint16_t kPatternStage1[];
extern const std::uint8_t kPatternStage2[];
extern const Composition kCompositions[];  // sorted by first, second; Hangul apart
extern const std::size_t kCompositionCount;

// c <= 0x10ffff.
inline std::uint8_t pattern_record(char32_t c) {
  return kPatternStage2[kPatternStage1[c / kPatternBlock] * kPatternBlock + c % kPatternBlock];
}
inline PatternClass pattern_class(char32_t c) {
  return static_cast<PatternClass>(pattern_record(c) & 3);
}
inline Cluster cluster_category(char32_t c) {
  return static_cast<Cluster>(pattern_record(c) >> 2 & 15);
}

// The primary composite of two code points, or 0.
char32_t compose(char32_t first, char32_t second);
// True when normalization form C keeps `c` and never combines it with what stands before it.
bool is_inert(char32_t c);

// Composition of decomposed text in canonical order (Unicode 15, section 3.11), with what the reference says each code
// point replaces: parts[i] are code points and changes[i] their AlignedChange::change, replaced in place.
void compose_all(std::vector<char32_t>& parts, std::vector<int>& changes);

}  // namespace smidgen::unicode
