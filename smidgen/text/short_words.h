// The tokens of at most 16 bytes, each found as two integers: no byte is compared, and mostly one cache line is read.
// The words come from a file: ones that crowd the table make it anew (base/probe_run.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace smidgen {

class ShortWords {
 public:
  static constexpr std::size_t kBytesMax = 16;

  // The bytes of a word, zero-padded.
  struct Key {
    std::uint64_t low = 0, high = 0;
    bool operator==(const Key&) const = default;
  };
  static Key key_of(std::string_view word) {
    std::uint64_t words[2] = {0, 0};
    std::memcpy(words, word.data(), word.size());
    return {words[0], words[1]};
  }

  struct Word {
    Key key;
    std::uint32_t length = 0;  // in bytes, 1 .. kBytesMax
    std::int32_t id = -1;
  };
  // Of equal words the first counts.
  explicit ShortWords(const std::vector<Word>& words = {});

  // The id of the word, or -1.
  std::int32_t find(Key key, std::size_t length) const {
    for (std::size_t at = place(key);; at = (at + 1) & (slots_.size() - 1)) {
      const Word& word = slots_[at];
      if (word.key == key && word.length == length) return word.id;
      if (word.length == 0) return -1;
    }
  }

 private:
  // Multiply-shift of two words (Dietzfelbinger et al., "A reliable randomized algorithm for the closest-pair problem",
  // 1997): the top bits, which depend on every bit of the key.
  std::size_t place(Key key) const {
    return static_cast<std::size_t>((key.low * multipliers_[0] + key.high * multipliers_[1]) >> shift_);
  }
  // False when a word would stand more than probes_max from its place.
  bool fill(const std::vector<Word>& words, std::uint64_t multiplier, std::size_t probes_max);

  std::vector<Word> slots_;  // at most half full; length 0: empty
  std::uint64_t multipliers_[2] = {1, 1};
  int shift_ = 63;
};

}  // namespace smidgen
