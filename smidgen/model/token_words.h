// Which tokens make up a word, by the tokenizer's own idea of one: WordPiece and byte-level BPE part words from
// punctuation, Unigram parts them at white space, as the pipelines of transformers have it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/text/split_pattern.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

class TokenWords {
 public:
  // `tokenizer` must outlive it.
  explicit TokenWords(const Tokenizer& tokenizer);

  // For each token of `text` (valid UTF-8), as encode_spans gave them, whether it belongs to the word of the one
  // before.
  std::vector<bool> continues(std::string_view text, std::span<const std::int32_t> ids,
                              std::span<const TextSpan> spans) const;

 private:
  enum class Kind {
    kPieces,     // WordPiece: "##ing" continues a word
    kByteLevel,  // byte-level BPE: a word is a piece of its split pattern
    kMarks,      // Unigram: "▁" starts a word
  };
  const Tokenizer* tokenizer_;
  Kind kind_ = Kind::kMarks;
  std::string prefix_;                          // of continuing pieces
  SplitPattern pattern_ = SplitPattern::kGpt2;  // of byte-level BPE
};

}  // namespace smidgen
