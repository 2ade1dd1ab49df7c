// N-grams of a text as 64-bit hashes: the features of the rung `linear`.
//
// Three blocks, the same as the usual scikit-learn pipeline of two TfidfVectorizers, so that results compare:
//   words      1- and 2-grams of runs of two or more word characters (letters, marks, digits, underscore), lower-cased;
//   tokens     the same over a richer sequence: one-character words stay, and every other visible character is a token
//              of its own ("don't :)" -> don ' t : ) ), which carries much of the sentiment in short messages;
//   characters 2..5-grams inside white-space separated words padded with one space on each side (`char_wb`).
//
// A hash stands for its n-gram: among 10^6 n-grams two share a 64-bit hash with probability 3e-8. It is computed while
// scanning, one multiplication per character and length, the same for the ASCII path (bytes) and the Unicode path (code
// points). Lower-casing is the simple one-to-one mapping of Unicode; invalid UTF-8 reads as U+FFFD, one per bad byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace smidgen {

// Which n-grams; stored in the model by name.
enum class NgramBlock : std::uint8_t { kWords, kTokens, kCharacters };
inline constexpr std::size_t kNgramBlocks = 3;
inline constexpr std::size_t kNgramWordMax = 2, kNgramCharacterMin = 2, kNgramCharacterMax = 5;
std::string_view to_string(NgramBlock block);

// Texts are read up to this many code points unless told otherwise: enough for a long mail, and a bound on time a row.
inline constexpr std::size_t kNgramCodePointsMax = 8000;

// A text made ready for scanning. Reusable (buffers stay); one per thread.
class NgramText {
 public:
  // Returns true when the text was cut at code_points_max.
  bool prepare(std::string_view text, std::size_t code_points_max = kNgramCodePointsMax);

  // Appends the hash of every n-gram of the block, repeats included, in text order.
  void append(NgramBlock block, std::vector<std::uint64_t>& hashes) const;

 private:
  void prepare_unicode(std::string_view text, std::size_t code_points_max);

  bool ascii_ = true;
  bool cut_ = false;
  std::vector<std::uint8_t> bytes_;    // lower-cased ASCII
  std::vector<std::uint32_t> points_;  // lower-cased code points
  std::vector<std::uint8_t> kinds_;    // of points_: 0 space, 1 word, 2 other
};

}  // namespace smidgen
