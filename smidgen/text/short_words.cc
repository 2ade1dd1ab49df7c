#include "smidgen/text/short_words.h"

#include <bit>

#include "smidgen/base/probe_run.h"

namespace smidgen {

ShortWords::ShortWords(const std::vector<Word>& words) {
  slots_.resize(std::bit_ceil(words.size() * 2 + 2));
  shift_ = 64 - std::countr_zero(slots_.size());
  std::vector<std::string_view> keys;
  keys.reserve(words.size());
  for (const Word& word : words) keys.emplace_back(reinterpret_cast<const char*>(&word.key), sizeof word.key);
  fill_uncrowded(
      keys, slots_.size(),
      [&](std::uint64_t multiplier, std::size_t probes_max) { return fill(words, multiplier, probes_max); },
      [&](std::size_t at) { return slots_[at].length != 0; });
}

bool ShortWords::fill(const std::vector<Word>& words, std::uint64_t multiplier, std::size_t probes_max) {
  multipliers_[0] = multiplier;
  multipliers_[1] = std::rotl(multiplier, 32) | 1;
  slots_.assign(slots_.size(), Word());
  for (const Word& word : words) {
    std::size_t at = place(word.key);
    for (std::size_t probes = 0; slots_[at].length != 0; at = (at + 1) & (slots_.size() - 1))
      if (++probes > probes_max) return false;
    slots_[at] = word;
  }
  return true;
}

}  // namespace smidgen
