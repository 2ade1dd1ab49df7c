// Extractive question answering: the stretch of a passage that answers a question, by a checkpoint with a
// question-answering head (SQuAD; Devlin et al. 2018, section 4.2).
//
//   SMIDGEN_ASSIGN(const QuestionAnswerer model, QuestionAnswerer::load("distilbert-base-cased-distilled-squad"));
//   QuestionAnswerer::Scratch scratch;
//   SMIDGEN_ASSIGN(const std::vector<PassageAnswer> best, model.answer("Who wrote it?", passage, {}, scratch));
//
// The rules are those of the question-answering pipeline of transformers 4.57, so that the two find the same spans:
// a passage that does not fit is read in windows that overlap by `stride` tokens; within a window, start and end have a
// probability each (softmax over the passage's tokens and the first special token), and a span's score is their
// product; spans are widened to whole words; spans with the same text, whatever its case, add up their scores; "no
// answer" scores what the first special token scores as both ends, in the window where it scores least.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/encoder_heads.h"
#include "smidgen/model/token_words.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

struct QuestionOptions {
  std::size_t window = 0;              // tokens of question, passage and specials; 0: 384, or fewer if the model has
  std::size_t stride = SIZE_MAX;       // tokens two windows share; SIZE_MAX: 128, or half a window if that is less
  std::size_t answer_tokens_max = 15;  // of one answer
  std::size_t top = 1;                 // answers to return, best first
  bool no_answer = true;               // "the passage does not say" is one of the answers
};

struct PassageAnswer {
  bool answerable = true;  // false: the passage does not say; text is empty, the places mean nothing
  std::string text;
  std::size_t begin_byte = 0, end_byte = 0;  // of the passage
  std::size_t begin = 0, end = 0;            // the same in characters (Unicode code points), as Python counts
  double score = 0;
};

// Immutable; a Scratch belongs to one thread at a time.
class QuestionAnswerer {
 public:
  class Scratch {
   public:
    void use(Crew* crew) { encoder_.use(crew); }  // idle cores that may take part; null: none

   private:
    friend class QuestionAnswerer;
    HeadedEncoder::Scratch encoder_;
    EncodedPair pair_;
    std::vector<std::uint8_t> types_;
  };

  static Result<QuestionAnswerer> load(const std::string& folder, const Kernels* kernels = nullptr);

  // Errors: kBadData when the passage is not UTF-8 or the question leaves no room for it, kUsage for options that
  // cannot be met.
  Result<std::vector<PassageAnswer>> answer(std::string_view question, std::string_view passage,
                                            const QuestionOptions& options, Scratch& scratch) const;

  std::size_t tokens_max() const { return encoder_.body_config().positions; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  struct Passage;
  struct Candidate;
  class Collected;
  QuestionAnswerer(HeadedEncoder encoder, std::unique_ptr<const Tokenizer> tokenizer);

  Result<Passage> read(std::string_view text) const;
  std::vector<Candidate> candidates(const Activations& logits, const EncodedPair& pair, const QuestionOptions& options,
                                    double& null_score) const;

  HeadedEncoder encoder_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  TokenWords words_;
};

}  // namespace smidgen
