// The rules of one BERT tokenizer, as its files state them: what the loaders produce and the tokenizers follow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

// A token matched in the text before (normalized: after) normalization, ahead of the vocabulary.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;             // only where no word character touches it
  bool lstrip = false, rstrip = false;  // takes the white space on its left, right
  bool normalized = false;
  bool special = false;
};

struct BertRules {
  std::vector<std::string> tokens;  // by id; "" for an unused id
  std::size_t model_end = 0;        // ids from here on are added tokens, which no piece of a word may become
  std::int32_t unknown_id = 0;
  std::string prefix = "##";  // of continuing pieces
  std::size_t word_chars_max = 100;
  bool clean_text = true, chinese_chars = true, strip_accents = true, lowercase = true;
  std::vector<AddedToken> added;            // distinct contents
  std::vector<std::int32_t> before, after;  // special tokens around a text
  std::vector<std::int32_t> special;        // sorted, distinct

  // SHA-256 over all of the above in a fixed order.
  std::string fingerprint() const;
};

inline constexpr std::size_t kTokenizerFileBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kTokenBytesMax = 200;  // bounds each step of a search through 1 MB
inline constexpr std::int64_t kTokenIdsMax = 4'000'000;

// tokenizer.json. Errors name the part ("`normalizer`"), not the file.
Result<BertRules> bert_rules_from_json(std::string_view json);
// vocab.txt and tokenizer_config.json ("" when there is none), as transformers 5 reads them. Errors name the file
// inside the folder.
Result<BertRules> bert_rules_from_vocabulary(std::string_view vocabulary, std::string_view config);

// The checks and additions both loaders share: unique tokens, total size, added tokens with the ids the reference would
// give them. `rules.tokens` is the model's vocabulary so far, of `model_tokens` entries.
Status add_tokens(std::vector<AddedToken> added, std::size_t model_tokens, BertRules& rules);

// The text of one stretch between added tokens after normalization: BertNormalizer, step by step over the whole of it.
std::vector<char32_t> bert_normalize(const BertRules& rules, std::string_view text);

}  // namespace smidgen
