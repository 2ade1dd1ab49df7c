// The windows in which a passage is read beside a question: as much of it as fits, from the first token on, then on,
// each sharing `stride` tokens with the one before. What answers questions and what learns to cut a passage alike.
//
//   PassageWindows windows(tokenizer, question, passage, shape);
//   EncodedPair pair;
//   for (;;) {
//     SMIDGEN_ASSIGN(const bool more, windows.next(pair));  // pair: [CLS] question [SEP] tokens from windows.at() on
//     [SEP] if (!more) break;
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "smidgen/base/result.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

struct WindowShape {
  std::size_t window = 384, stride = 128;  // tokens: of question, passage and specials; that two windows share
  bool usual_stride = false;               // nobody asked for it: beside a long question windows share less

  // As asked for; window 0: 384, or fewer if the model reads fewer; stride SIZE_MAX: 128, or half a window if that is
  // less. kUsage: the model reads fewer tokens.
  static Result<WindowShape> of(std::size_t window, std::size_t stride, std::size_t tokens_max);
};

class PassageWindows {
 public:
  // Plain ids of both (Tokenizer::encode_plain); all four must outlive it.
  PassageWindows(const Tokenizer& tokenizer, std::span<const std::int32_t> question,
                 std::span<const std::int32_t> passage, const WindowShape& shape)
      : tokenizer_(tokenizer), question_(question), passage_(passage), shape_(shape) {}

  // False after the last. An empty passage has one window. kBadData: the question leaves no room; kUsage: a stride as
  // long as what fits.
  Result<bool> next(EncodedPair& pair);
  std::size_t at() const { return at_; }  // the passage's token that the window begins with

 private:
  const Tokenizer& tokenizer_;
  std::span<const std::int32_t> question_, passage_;
  WindowShape shape_;
  std::size_t at_ = 0, step_ = 0;
  bool last_ = false;
};

}  // namespace smidgen
