// For tests: a speller of a few words.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "smidgen/text/spelling.h"

namespace smidgen {

struct SampleWord {
  std::string word;
  double count = 1;
  bool seen = true;    // false: of a vocabulary or a list only
  bool target = true;  // false: seen once, nothing is read as it
};

inline SpellerParts sample_parts(const std::vector<SampleWord>& words, std::size_t prefix_bytes = 1024) {
  SpellerParts parts;
  parts.prefixes.assign(prefix_bytes, 0);
  std::vector<std::pair<std::uint64_t, std::uint8_t>> sorted;
  for (const SampleWord& one : words) {
    sorted.emplace_back(spelling_hash(one.word),
                        one.target ? SpellerParts::prior_of(one.count, one.seen) : SpellerParts::kSeen);
    for (std::size_t length = 1; one.target && length <= one.word.size(); ++length)
      parts.set_prefix(spelling_hash(one.word.substr(0, length)));
  }
  std::sort(sorted.begin(), sorted.end());
  for (const auto& [hash, prior] : sorted) {
    parts.words.push_back(hash);
    parts.priors.push_back(prior);
  }
  return parts;
}

}  // namespace smidgen
