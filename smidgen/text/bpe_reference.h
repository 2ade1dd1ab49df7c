// The plain twin of BpeTokenizer: every step over the whole text, the split pattern alternative by alternative, merges
// found by trying all of them. Obviously right and slow; tests and the fuzzer hold the fast one against it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smidgen/text/bpe_rules.h"

namespace smidgen {

class BpeReference {
 public:
  explicit BpeReference(BpeRules rules);
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;

 private:
  void encode_stretch(std::string text, std::vector<std::int32_t>& ids) const;
  void encode_word(const std::string& word, std::vector<std::int32_t>& ids) const;

  BpeRules rules_;
  std::map<std::string, std::int32_t> vocabulary_;  // as the file spells it
  std::map<std::pair<std::int32_t, std::int32_t>, std::pair<std::size_t, std::int32_t>> merges_;  // rank, merged
};

}  // namespace smidgen
