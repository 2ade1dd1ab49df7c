// Speller: a word that nobody has seen is read as the known word it is most likely a slip of the keyboard of.
//
//   std::string repaired;
//   if (speller.repair("my crad is lsot", repaired)) use(repaired);   // "my card is lost"
//
// Why: rungs that are fitted on clean rows have weights for words, word pieces and n-grams that they saw. One slip
// turns a frequent word into one that none of them knows, and an encoder's tokenizer into pieces of other words.
//
// The method is the noisy channel of Kernighan, Church and Gale ("A spelling correction program based on a noisy
// channel model", COLING 1990): the word w that makes P(w) P(slip | w) largest, among the words that one or two slips
// turn into what was typed. Slips are those of Damerau ("A technique for computer detection and correction of spelling
// errors", CACM 7(3), 1964: one letter missing, one too many, one wrong, two neighbours swapped), weighted by kind: a
// letter typed twice and the key beside the right one are likelier than any other wrong letter. P(w) is from counts
// (Norvig, "How to write a spelling corrector", 2007), here those of the rows that were fitted on; a word of an
// encoder's vocabulary that does not stand in them has a little, by Zipf's law from its place in the vocabulary, and
// where the rows are in English a word of a list has less.
//
// Rules, all on the side of leaving a text alone (bench/spelling.cc measures them on training rows):
//   - A word that stands in the rows that were fitted on is never touched, so such a row comes back byte for byte.
//   - What a word is read as was seen there at least twice, or is a whole word of the encoder's vocabulary or of the
//     list: a word seen once may be a slip itself. Rows in another language have few such words, and few repairs.
//   - Only runs of 2 to 24 ASCII letters are touched, none in mixed case, no two or three capitals ("ATM"), and only
//     where the surrounding characters up to the next white space are a plain word's: no digits, @, #, _, / and the
//     like, no dot or colon inside (addresses, names of programs), and no letter beyond ASCII. So words with accents
//     and other scripts are left alone.
//   - A known word with an English ending ("stuffy", "lumps") is taken for a rare word, and read as another one only
//     when that is far likelier.
//   - A text of eight words or more, half of which are unknown, is in another language: it is left alone.
//   - Two slips are undone only in words of four letters or more.
//
// Immutable and thread-safe. What a text becomes depends on nothing but the text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

// The hash of a word, letter by letter: start from 0, step with each letter (0..25), finish. The hash of a prefix is
// that of the word it would be.
constexpr std::uint64_t spelling_step(std::uint64_t state, unsigned letter) {
  return (state + letter + 1) * 0x9e3779b97f4a7c15ULL;
}
constexpr std::uint64_t spelling_hash(std::uint64_t state) {
  state = (state ^ (state >> 32)) * 0xd6e8feb86659fd93ULL;
  return state ^ (state >> 32);
}
// Of a word of ASCII letters; upper and lower case are the same.
std::uint64_t spelling_hash(std::string_view word);

// The runs of ASCII letters of a text, in order: seen(begin, end).
template <class Seen>
void for_each_letter_run(std::string_view text, Seen seen) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t i = 0; i < text.size();) {
    if (!is_letter(text[i])) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < text.size() && is_letter(text[i])) ++i;
    seen(begin, i);
  }
}

// What a speller knows, as its file holds it. Words are hashes: the file has no texts in it.
struct SpellerParts {
  static constexpr std::size_t kWordsMax = 1 << 20, kPrefixBytesMax = 1 << 23;
  // Of how texts are read (spelling.cc, SlipCosts): a bundle was certified with one such set of rules. Another: another
  // number.
  static constexpr int kRules = 2;
  static constexpr std::uint8_t kSeen = 128;  // the word stands in the rows that were fitted on
  static constexpr int kStepsPerNat = 8, kPriorOffset = 44;

  std::vector<std::uint64_t> words;  // hashes, rising, none 0
  // (words) The low seven bits say how likely the word is: kPriorOffset + kStepsPerNat ln(count), within 1..127; 0 for
  // one that nothing is read as, which then has kSeen.
  std::vector<std::uint8_t> priors;
  // A Bloom filter (CACM 13(7), 1970) of the hashes of all beginnings of words that something may be read as, the whole
  // words included: kProbes bits each (see set_prefix). A power of two of bytes, at least 8.
  std::vector<std::uint8_t> prefixes;
  static constexpr unsigned kProbes = 3;
  void set_prefix(std::uint64_t hash);
  bool may_begin(std::uint64_t hash) const;

  static std::uint8_t prior_of(double count, bool seen);  // count > 0
  Status validate() const;                                // kBadData: what a file of ours never holds
};

// How unlikely each slip is: minus its natural logarithm times SpellerParts::kStepsPerNat, up to one constant that
// stands in `each`. Chosen on training rows of trec6, banking77 and sst2 with bench/spelling.cc.
struct SlipCosts {
  int swap = 0, twice = 0, beside = 8, missing = 8, extra = 40, other = 64;
  int each = 32;    // of any slip, beside its kind: two are unlikelier than one
  int margin = 8;   // what a never-seen known word, or a formed one, is ahead of those it may be a slip of
  int formed = 10;  // prior, at least, of a never-seen word that is a known one with an ending; 0: none
  int least = -16;  // the least score for which slips are undone: unlikelier ones are new words, mostly names
  std::size_t letters_min = 2, two_letters_min = 4;
};

class Speller {
 public:
  static constexpr std::size_t kLettersMax = 24;

  static Result<Speller> create(SpellerParts parts, const SlipCosts& costs = SlipCosts());
  const SpellerParts& parts() const { return parts_; }

  // Whether something was repaired; `repaired` then is the text with it, and is untouched otherwise. Takes a few
  // nanoseconds for each known letter, some microseconds for an unknown word, of which a text has at most 256 looked
  // at.
  bool repair(std::string_view text, std::string& repaired) const;
  // What the letters of one unknown word are read as, in lower case; empty: nothing. Letters 0..25.
  struct Letters {
    std::array<std::uint8_t, kLettersMax + 2> at;
    std::size_t count = 0;
  };
  Letters read(const Letters& typed) const;

 private:
  class Search;
  // A beginning of a word in the tree of all of them. Children stand side by side, in the order of their letters.
  struct Node {
    std::uint32_t letters = 0;   // bit per letter that goes on
    std::uint32_t first = 0;     // child
    std::uint8_t prior = 0;      // of the word that ends here; 0: none
    std::uint8_t likeliest = 0;  // prior of the words that begin so
  };
  Speller() = default;
  Status fill_slots();
  Status grow_tree();
  std::uint8_t find(std::uint64_t hash) const;   // its prior's byte; 0: unknown
  bool has_ending(std::string_view word) const;  // and what stands before it is a known word; lower case

  SpellerParts parts_;
  SlipCosts costs_;
  std::vector<Node> nodes_;           // nodes_[0]: the empty beginning
  std::vector<std::uint64_t> slots_;  // hashes, open addressing, at most half full; 0: empty
  std::vector<std::uint8_t> slot_priors_;
};

}  // namespace smidgen
