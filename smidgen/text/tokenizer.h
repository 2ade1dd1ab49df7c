// Text to token ids, identical to the reference implementation (Hugging Face tokenizers) for every input.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the ids of `text`, special tokens included ([CLS] .. [SEP] for BERT), at most tokens_max in all (>= 2),
  // cutting on the right as the reference does. Returns true when the text was cut. Thread-safe; invalid UTF-8 reads as
  // U+FFFD.
  virtual bool encode(std::string_view text, std::size_t tokens_max, std::vector<std::int32_t>& ids) const = 0;
  // The same without special tokens and without a limit.
  virtual void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const = 0;

  virtual std::size_t vocabulary_size() const = 0;
  virtual std::string_view token(std::int32_t id) const = 0;  // "" for an unused id
  virtual std::int32_t unknown_id() const = 0;
  virtual bool is_special(std::int32_t id) const = 0;  // [CLS], [SEP], [PAD], [UNK], [MASK] and added special tokens
  // SHA-256 over everything that decides ids: two tokenizers with equal fingerprints may share one tokenization.
  virtual const std::string& fingerprint() const = 0;

  // From a model folder: tokenizer.json, else vocab.txt (+ tokenizer_config.json). A tokenizer this program cannot
  // reproduce exactly is refused with an error that names the part.
  static Result<std::unique_ptr<Tokenizer>> load(const std::string& folder);
};

}  // namespace smidgen
