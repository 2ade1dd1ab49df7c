// What the files of every kind of tokenizer state: the vocabulary, tokens matched ahead of it, and the special tokens
// around a text. The loaders of each kind produce these with rules of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/added_tokens.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

struct TokenRules {
  std::vector<std::string> tokens;          // by id; "" for an unused id
  std::size_t model_end = 0;                // ids from here on are added tokens, which no piece of a word may become
  std::int32_t unknown_id = 0;              // -1: the model has none
  std::vector<AddedToken> added;            // distinct contents
  std::vector<std::int32_t> before, after;  // special tokens around a text
  std::vector<std::int32_t> special;        // sorted, distinct
  std::optional<PairTemplate> pair;
};

inline constexpr std::size_t kTokenizerFileBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kTokenBytesMax = 200;  // bounds each step of a search through 1 MB
inline constexpr std::int64_t kTokenIdsMax = 4'000'000;

// The checks and additions all loaders share: unique tokens, total size, added tokens with the ids the reference would
// give them. `rules.tokens` is the model's vocabulary so far, of `model_tokens` entries; tokens that are longer than
// `token_bytes_max` are refused. `normalize` is what the normalizer makes of an added token.
Status add_tokens(std::vector<AddedToken> added, std::size_t model_tokens, std::size_t token_bytes_max,
                  const std::function<std::string(std::string_view)>& normalize, TokenRules& rules);

// For fingerprints, parts of `all` that no other rules give: "12,", "3,abc".
void append_rule(std::int64_t value, std::string& all);
void append_rule(std::string_view text, std::string& all);
void append_vocabulary(const TokenRules& rules, std::string& all);  // tokens, model_end, unknown_id
void append_added(const TokenRules& rules, std::string& all);       // added, before, after

// The two matchers of rules.added: those matched before and after normalization.
AddedTokenMatcher make_added_matcher(const TokenRules& rules, bool normalized,
                                     const std::function<std::string(std::string_view)>& normalize);

}  // namespace smidgen
