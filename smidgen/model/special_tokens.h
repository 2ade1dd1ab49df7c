// What a tokenizer puts around a text ([CLS] .. [SEP] for BERT), learnt by asking it, so that one tokenization without
// special tokens (TextBatch::tokens) serves rungs with and without them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "smidgen/text/tokenizer.h"

namespace smidgen {

// How many stand around a text: with fewer tokens it cannot be encoded.
std::size_t special_count(const Tokenizer& tokenizer);

class SpecialTokens {
 public:
  explicit SpecialTokens(const Tokenizer& tokenizer);

  // True when wrap() gives what Tokenizer::encode gives. Some tokenizers (a template that repeats or rearranges) may
  // not allow it; encode() then has to be called.
  bool known() const { return known_; }
  // Appends before + the first ids of `plain` + after, at most tokens_max (>= 2) in all; true when `plain` was cut.
  bool wrap(const std::vector<std::int32_t>& plain, std::size_t tokens_max, std::vector<std::int32_t>& ids) const;

 private:
  std::vector<std::int32_t> before_, after_;
  bool known_ = false;
};

}  // namespace smidgen
