// Tagged words as what an encoder reads: each row in pieces that fit, cut between words, a word's tag on its first
// token (Devlin et al., "BERT", 2019, section 5.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

struct TagPiece {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> words, tokens;  // which words of the row, and where their first tokens stand in `ids`
};

// A word that alone does not fit is cut; one without a token is in no piece. tokens_max: specials included.
std::vector<TagPiece> cut_words(const Tokenizer& tokenizer, std::span<const std::string> words, std::size_t tokens_max);

}  // namespace smidgen
