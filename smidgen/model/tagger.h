// Named entities (or parts of speech ..) of texts, by a checkpoint with a token-classification head (Devlin et al.,
// "BERT", 2019, section 5.3).
//
//   SMIDGEN_ASSIGN(const Tagger model, Tagger::load(folder));
//   Tagger::Scratch scratch;
//   std::vector<TaggedText> found;
//   model.tag(texts, scratch, found);   // found[0].entities[0]: LOC, "Lima", characters 0 to 4
//
// A text is cut into words as its tokenizer cuts them (token_words.h), a word's first token gives it a tag, as
// `aggregation_strategy="first"` of transformers' pipeline does, and tags make entities by the rules of tag_entities.h.
// A long text is read in pieces of kTagWindow tokens, cut between words, as training cuts rows; an entity may go on
// from one piece to the next. Where the model's tags are parts of speech (none begins with B- .., none is "O") each
// word is an entity of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/encoder_heads.h"
#include "smidgen/model/tag_pieces.h"
#include "smidgen/model/token_words.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

struct TaggedEntity {
  std::string label, text;         // the text's own bytes, without white space around them
  std::size_t begin = 0, end = 0;  // in characters (Unicode code points), as Python counts
  float score = 0;                 // mean over the words of the probability of the word's tag
};

struct TaggedText {
  std::vector<TaggedEntity> entities;  // in the order of the text
  bool cut = false;                    // a word alone has more tokens than a piece: its end was not read
};

// Immutable; a Scratch belongs to one thread at a time.
class Tagger {
 public:
  class Scratch {
   public:
    void use(Crew* crew) { encoder_.use(crew); }  // idle cores that may take part; null: none

   private:
    friend class Tagger;
    HeadedEncoder::Scratch encoder_;
  };

  // Errors: those of HeadedEncoder and Tokenizer; kBadData for a model with another head or another's tokenizer.
  static Result<Tagger> load(const std::string& folder, const Kernels* kernels = nullptr);

  // Replaces `out`: one for each text, whatever stands beside it. Bytes that are not UTF-8 read as U+FFFD.
  void tag(std::span<const std::string_view> texts, Scratch& scratch, std::vector<TaggedText>& out) const;

  std::size_t window() const;  // tokens read at once
  const std::vector<std::string>& labels() const { return encoder_.head_config().labels; }

 private:
  struct Row;
  class Pass;
  Tagger(HeadedEncoder encoder, std::unique_ptr<const Tokenizer> tokenizer);

  void read(std::string_view text, Row& row, const std::function<void(TagPiece)>& take) const;
  std::vector<TaggedEntity> entities(const Row& row) const;

  HeadedEncoder encoder_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  TokenWords words_;
  bool each_word_ = false;  // is an entity of its own
};

}  // namespace smidgen
