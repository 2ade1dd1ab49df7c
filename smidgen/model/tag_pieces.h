// Words as what an encoder that tags them reads: each text in pieces that fit, cut between words, a word's tag on its
// first token (Devlin et al., "BERT", 2019, section 5.3). Training and `run` cut alike.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

// Tokens read at once by a model of that many positions; training may cut its rows shorter.
inline constexpr std::size_t kTagWindow = 256;
inline std::size_t tag_window(std::size_t positions) {
  return std::min(kTagWindow, positions);
}

struct TagPiece {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> words, tokens;  // which words of the row, and where their first tokens stand in `ids`
  bool cut = false;                          // one word does not fit alone: its end is left out
};

// Of plain ids, each with the number of its word; tokens of a word stand together. `take` gets the pieces in order: a
// text is never there as a whole. tokens_max: specials included, and more than they are.
void cut_pieces(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, std::span<const std::uint32_t> words,
                std::size_t tokens_max, const std::function<void(TagPiece)>& take);

// Of words with a space between. A word without a token is in no piece.
std::vector<TagPiece> cut_words(const Tokenizer& tokenizer, std::span<const std::string> words, std::size_t tokens_max);

}  // namespace smidgen
