// The plain twin of UnigramTokenizer: every step over the whole text, tokens found by trying every stretch of a piece.
// Obviously right and slow; tests and the fuzzer hold the fast one against it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/text/unigram_rules.h"

namespace smidgen {

class UnigramReference {
 public:
  explicit UnigramReference(UnigramRules rules);
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;

 private:
  void encode_piece(const AlignedText& piece, std::vector<std::int32_t>& ids) const;

  UnigramRules rules_;
  std::map<std::string, std::int32_t> vocabulary_;
};

}  // namespace smidgen
