// The BERT tokenizer at speed.
//
// A text of plain ASCII words never leaves one loop: a byte table lower-cases, drops and splits in one pass, and a word
// of at most 16 bytes is one probe of a hash table of whole tokens. A word that is no token goes through the trie
// (greedy longest match first, Schuster and Nakajima 2012; the continuing pieces start at the node of "##"). The
// stretch around a byte that is not ASCII, up to the next ASCII space or punctuation mark, takes the exact slow path:
// such a byte is a starter that no normalization step changes, so the stretches do not influence each other. The plain
// twin of all this is BertReference; tests and the fuzzer compare the two.
//
// Thread contract: immutable after construction; encode may run on any number of threads.
#pragma once

#include <array>
#include <memory>

#include "smidgen/text/bert_rules.h"
#include "smidgen/text/byte_trie.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

// Added tokens of one kind, found leftmost first, the longest of those that start together.
class AddedTokenMatcher {
 public:
  // patterns[i] is what token i looks like in the searched text.
  AddedTokenMatcher(std::vector<AddedToken> tokens, const std::vector<std::string>& patterns);
  bool empty() const { return tokens_.empty(); }

  // Cuts `text` (valid UTF-8) into tokens and the text between them, in order. Both callbacks return false to stop.
  template <class OnText, class OnToken>
  void split(std::string_view text, const OnText& on_text, const OnToken& on_token) const;

 private:
  std::size_t next_start(std::string_view text, std::size_t at) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;
  std::array<bool, 256> starts_{};
  int only_start_ = -1;  // the one byte all patterns start with, or -1
};

class BertTokenizer final : public Tokenizer {
 public:
  explicit BertTokenizer(BertRules rules);

  bool encode(std::string_view text, std::size_t tokens_max, std::vector<std::int32_t>& ids) const override;
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const override;
  bool add_special_tokens(std::span<const std::int32_t> plain, std::size_t tokens_max,
                          std::vector<std::int32_t>& ids) const override;
  std::size_t vocabulary_size() const override { return rules_.tokens.size(); }
  std::string_view token(std::int32_t id) const override;
  std::int32_t unknown_id() const override { return rules_.unknown_id; }
  bool is_special(std::int32_t id) const override;
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  enum class ByteClass : std::uint8_t { kLetter, kSpace, kPunctuation, kDropped, kSlow };
  static constexpr std::size_t kShortBytes = 16;

  struct ShortWord {
    std::uint64_t low = 0, high = 0;  // the bytes, zero-padded; both 0: an empty place
    std::int32_t id = 0;
  };
  // One call's output and buffers.
  struct Call {
    std::vector<std::int32_t>& ids;
    std::size_t size_stop;  // enough once ids holds this many
    std::string word = {};
    bool full() const { return ids.size() >= size_stop; }
  };

  void classify_bytes();
  void fill_short_words();
  static std::size_t short_hash(std::uint64_t low, std::uint64_t high);
  // The token that is exactly this zero-padded word, or -1.
  std::int32_t find_short(std::uint64_t low, std::uint64_t high) const;

  void encode_into(std::string_view text, Call& call) const;
  void encode_stretch(std::string_view text, Call& call) const;
  std::size_t encode_word(std::string_view text, std::size_t at, Call& call) const;
  void encode_slow(std::string_view text, Call& call) const;
  void encode_normalized(std::string_view text, Call& call) const;
  void split_words(const std::vector<char32_t>& text, Call& call) const;
  void word_pieces(std::string_view word, std::size_t chars, Call& call) const;

  BertRules rules_;
  std::string fingerprint_;
  ByteTrie trie_;
  std::uint32_t continuing_ = ByteTrie::kNone;  // the node of the prefix
  std::unique_ptr<const AddedTokenMatcher> raw_, normalized_;
  std::array<ByteClass, 256> classes_{};
  std::array<char, 256> lower_{};
  std::array<std::int32_t, 256> punctuation_ids_{};
  std::vector<ShortWord> short_words_;
};

}  // namespace smidgen
