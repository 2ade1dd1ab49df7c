// SentencePiece's precompiled normalization map (the "Precompiled" normalizer), as Hugging Face tokenizers applies it.
//
// The map is a byte string: u32 size of a double-array trie in bytes, the trie (u32 units, little-endian), and the
// replacements, each ended by NUL. It is applied to grapheme clusters: a cluster shorter than six bytes of which a
// prefix is a key becomes the replacement of the *shortest* such key, whole; in other clusters each code point does.
// Only keys that are nobody's prefix and at most five bytes long can match, so loading keeps just those, as a trie of
// our own: the foreign one is read once, inside its bounds.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/aligned_text.h"
#include "smidgen/text/byte_trie.h"

namespace smidgen {

class Charsmap {
 public:
  // Errors say what is wrong with the bytes, in words that follow the name of the field.
  static Result<Charsmap> parse(std::string_view bytes);

  // Appends the text (valid UTF-8) with the replacements made.
  void append(std::string_view text, std::string& out) const;
  // The same for code points, as changes of them.
  std::vector<AlignedChange> changes(const std::vector<char32_t>& text) const;
  const std::string& bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kClusterBytes = 6;  // clusters from here on are replaced one code point at a time
  struct Keys;

  Charsmap() = default;
  // The replacement of the shortest key that `chunk` starts with, or null.
  const std::string* find(std::string_view chunk) const;
  void append_region(std::string_view text, std::string& out) const;

  std::string bytes_;
  std::vector<std::string> replacements_;
  ByteTrie trie_;
  std::array<const std::string*, 128> ascii_{};  // find() of one character
};

// The ends of the extended grapheme clusters of `text`, as indices of code points (Unicode 17, annex 29).
std::vector<std::size_t> cluster_ends(const std::vector<char32_t>& text);

// False when `text` is not base64 with padding.
bool decode_base64(std::string_view text, std::string& bytes);

}  // namespace smidgen
