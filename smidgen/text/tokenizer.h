// Text to token ids, identical to the reference implementation (Hugging Face tokenizers 0.23) for every input.
//
//   SMIDGEN_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(folder));
//   std::vector<std::int32_t> ids;
//   tokenizer->encode("my card is lost", 128, ids);  // 101 2026 4003 2003 2439 102
//
// Known today: the BERT family (BertNormalizer, BertPreTokenizer, WordPiece). How it works: docs/tokenizer.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the ids of `text`, special tokens included ([CLS] .. [SEP] for BERT), at most tokens_max in all (>= the
  // special tokens, 2 for BERT), cutting on the right as the reference does. Returns true when the text was cut.
  // Thread-safe; invalid UTF-8 reads as U+FFFD.
  virtual bool encode(std::string_view text, std::size_t tokens_max, std::vector<std::int32_t>& ids) const = 0;
  // The same without special tokens and without a limit.
  virtual void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const = 0;

  // encode() from ids that encode_plain gave: adds the special tokens and cuts.
  virtual bool add_special_tokens(std::span<const std::int32_t> plain, std::size_t tokens_max,
                                  std::vector<std::int32_t>& ids) const = 0;

  virtual std::size_t vocabulary_size() const = 0;            // one more than the largest id
  virtual std::string_view token(std::int32_t id) const = 0;  // "" for an unused id
  virtual std::int32_t unknown_id() const = 0;
  virtual bool is_special(std::int32_t id) const = 0;  // [CLS], [SEP], [PAD], [UNK], [MASK] and added special tokens
  // SHA-256 over everything that decides ids: two tokenizers with equal fingerprints may share one tokenization.
  virtual const std::string& fingerprint() const = 0;

  // From a model folder: tokenizer.json, else vocab.txt (+ tokenizer_config.json). A tokenizer this program cannot
  // reproduce exactly is refused with an error that names the part.
  static Result<std::unique_ptr<Tokenizer>> load(const std::string& folder);
  // The same from the text of a tokenizer.json.
  static Result<std::unique_ptr<Tokenizer>> from_json(std::string_view json);
};

}  // namespace smidgen
