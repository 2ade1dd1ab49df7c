// The merges of byte pair encoding (Sennrich et al. 2016, section 3.2): a word starts as its bytes; of all neighbouring
// pairs the one with the strongest merge (of equals the leftmost) becomes one token, until no pair has a merge.
//
// Short words are scanned for the strongest pair at each step, which is fastest where most of them are; long ones keep
// the pairs in a heap, so that a megabyte of one character still takes n log n steps. Words that are one token are
// looked up whole; others are remembered in a small table of the calling thread.
//
// Thread contract: immutable after construction; encode may run on any number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "smidgen/text/bpe_rules.h"
#include "smidgen/text/short_words.h"

namespace smidgen {

class BpeModel {
 public:
  explicit BpeModel(const BpeRules& rules);

  // Appends the ids of one piece (as bytes, not empty).
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;
  // The same without any table of whole words, and with the length of each token: in bytes of the word as a byte-level
  // vocabulary spells it (one or two a byte), which is how the reference counts; unknown bytes of a model without an
  // unknown token vanish there, and the tokens after them move up.
  void encode_lengths(std::string_view word, std::vector<std::int32_t>& ids, std::vector<std::uint32_t>& lengths) const;

 private:
  static constexpr std::size_t kScanSymbols = 48;
  static constexpr std::uint32_t kNoRank = 0xffffffff;

  struct Merge {
    std::uint64_t pair = kEmpty;
    std::uint32_t rank = kNoRank;
    std::int32_t merged = -1;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no pair of ids
  struct Symbol {
    std::int32_t id = -1;
    std::uint32_t length = 0;  // as encode_lengths counts; 0: merged away
    std::int32_t before = -1, after = -1;
  };
  struct Remembered;  // one place of the thread's table

  const Merge* find_merge(std::int32_t first, std::int32_t second) const;
  std::size_t merge_place(std::uint64_t pair) const { return (pair * merge_multiplier_) >> merge_shift_; }
  void fill_merges(const BpeRules& rules);
  bool place_merges(const std::vector<std::uint64_t>& pairs, std::size_t probes_max);
  void fill_whole_words(const BpeRules& rules);
  // The token that is the whole of `word` by merges (or by ignore_merges), or -1.
  std::int32_t whole_token(std::string_view word) const;
  // The bytes of `word` as symbols; false when one of them is unknown.
  bool start_symbols(std::string_view word, std::vector<Symbol>& symbols) const;
  void merge_by_scan(std::vector<Symbol>& symbols) const;
  void merge_by_heap(std::vector<Symbol>& symbols) const;
  void merge_word(std::string_view word, std::vector<Symbol>& symbols) const;

  std::array<std::int32_t, 256> byte_ids_{};
  std::int32_t unknown_id_ = -1;
  bool fuse_unknown_ = false, ignore_merges_ = false;
  std::vector<Merge> merges_;
  std::uint64_t merge_multiplier_ = 1;
  int merge_shift_ = 0;
  std::vector<std::int32_t> merged_;  // by rank
  ShortWords short_words_;
  std::vector<std::pair<std::string, std::int32_t>> long_words_;  // sorted, for ignore_merges only
  std::uint64_t serial_ = 0;                                      // tells the tables of one thread apart
};

}  // namespace smidgen
