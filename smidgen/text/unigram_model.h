// The Unigram language model of subwords (Kudo 2018): the cut of a piece into tokens with the largest sum of scores, by
// the Viterbi algorithm over its bytes. Of equal sums the one found first wins: starts from left to right, at each
// start the tokens from short to long and then the unknown one, which costs 10 more than the worst token and stands for
// one character no token of its own has. Neighbouring unknown characters become one token.
//
// Thread contract: immutable after construction; encode may run on any number of threads. Short pieces are remembered
// in a table of the calling thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "smidgen/text/byte_trie.h"
#include "smidgen/text/unigram_rules.h"

namespace smidgen {

class UnigramModel {
 public:
  explicit UnigramModel(const UnigramRules& rules);

  // Appends the ids of one piece (valid UTF-8, not empty).
  void encode(std::string_view piece, std::vector<std::int32_t>& ids) const;
  // The same without any memory, and with the bytes each token takes.
  void encode_lengths(std::string_view piece, std::vector<std::int32_t>& ids,
                      std::vector<std::uint32_t>& lengths) const;

 private:
  struct Best {
    double score = 0;
    std::int32_t id = -1;
    std::uint32_t start = kUnreached;
  };
  struct Remembered;
  static constexpr std::uint32_t kUnreached = 0xffffffff;
  static constexpr std::size_t kShortBytes = 24;

  // The best cut, as ids with lengths, last first.
  struct Token {
    std::int32_t id = -1;
    std::uint32_t length = 0;
  };
  void cut(std::string_view piece, std::vector<Best>& best, std::vector<Token>& reversed) const;

  ByteTrie trie_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  std::int32_t unknown_id_ = 0;
  std::uint64_t serial_ = 0;  // tells the tables of one thread apart
};

}  // namespace smidgen
