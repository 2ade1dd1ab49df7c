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

#include "smidgen/text/added_tokens.h"
#include "smidgen/text/bert_rules.h"
#include "smidgen/text/byte_trie.h"
#include "smidgen/text/short_words.h"
#include "smidgen/text/template_tokenizer.h"

namespace smidgen {

class BertTokenizer final : public TemplateTokenizer {
 public:
  explicit BertTokenizer(BertRules rules);
  const std::string& continuing_prefix() const { return rules_.prefix; }  // "##"

 protected:
  void encode_into(std::string_view text, Sink sink) const override;
  void spans_into(std::string_view text, std::vector<std::int32_t>& ids, std::vector<TextSpan>& spans) const override;

 private:
  enum class ByteClass : std::uint8_t { kLetter, kSpace, kPunctuation, kDropped, kSlow };
  // One call's output and buffers.
  struct Call : Sink {
    std::string word = {};
  };
  struct SpanCall;

  void classify_bytes();
  void fill_short_words();

  void encode_stretch(std::string_view text, Call& call) const;
  std::size_t encode_word(std::string_view text, std::size_t at, Call& call) const;
  void encode_slow(std::string_view text, Call& call) const;
  void encode_normalized(std::string_view text, Call& call) const;
  void split_words(const std::vector<char32_t>& text, Call& call) const;
  // `lengths`, when given, gets the bytes of `word` each piece takes.
  void word_pieces(std::string_view word, std::size_t chars, std::vector<std::int32_t>& ids,
                   std::vector<std::size_t>* lengths = nullptr) const;
  void span_words(const AlignedText& text, SpanCall& call) const;
  void span_word(const AlignedText& word, SpanCall& call) const;

  BertRules rules_;
  ByteTrie trie_;
  std::uint32_t continuing_ = ByteTrie::kNone;  // the node of the prefix
  std::unique_ptr<const AddedTokenMatcher> raw_, normalized_;
  std::array<ByteClass, 256> classes_{};
  std::array<char, 256> lower_{};
  std::array<std::int32_t, 256> punctuation_ids_{};
  ShortWords short_words_;
};

}  // namespace smidgen
