// The rules of one byte-level BPE tokenizer (GPT-2, RoBERTa, ModernBERT), as its files state them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smidgen/text/aligned_text.h"
#include "smidgen/text/split_pattern.h"
#include "smidgen/text/token_rules.h"

namespace smidgen {

struct BpeMerge {
  std::int32_t first = 0, second = 0, merged = 0;
};

struct BpeRules : TokenRules {
  std::vector<BpeMerge> merges;  // the earlier the stronger; of equal pairs the last one counts
  SplitPattern pattern = SplitPattern::kGpt2;
  bool nfc = false;
  bool add_prefix_space = false;  // a stretch that does not start with a space gets one
  bool ignore_merges = false;     // a piece that is a token is that token, whatever the merges make of it
  bool fuse_unknown = false;      // neighbouring unknown bytes become one unknown token
  // The post-processor's view of spans: without the white space of their tokens, but for a space it takes to be the one
  // add_prefix_space put there.
  bool trim_spans = false, trim_prefix_space = false;

  // SHA-256 over all of the above that decides ids, in a fixed order.
  std::string fingerprint() const;
};

// Tokens of GPT-2 are up to 128 bytes, each written as one of 256 printable characters.
inline constexpr std::size_t kBpeTokenBytesMax = 1024;

// Tokens by name, for the loaders.
class BpeTokenIndex {
 public:
  explicit BpeTokenIndex(const std::vector<std::string>& tokens);  // must outlive the index
  std::int32_t find(std::string_view token) const;                 // -1: none
  // Appends the merge of two tokens; an error that names the token which is missing.
  Status add_merge(std::string_view first, std::string_view second, std::vector<BpeMerge>& merges) const;

 private:
  std::vector<std::pair<std::string_view, std::int32_t>> sorted_;
};

// tokenizer.json. Errors name the part.
Result<BpeRules> bpe_rules_from_json(std::string_view json);
// vocab.json, merges.txt and tokenizer_config.json ("" when there is none) of RoBERTa, as transformers 5 reads them.
// Errors name the file inside the folder.
Result<BpeRules> bpe_rules_from_files(std::string_view vocabulary, std::string_view merges, std::string_view config);

// The text of one stretch between added tokens after normalization.
std::string bpe_normalize(const BpeRules& rules, std::string_view text);
AlignedText bpe_normalize_aligned(const BpeRules& rules, AlignedText text, std::uint32_t begin);

// The printable character that stands for a byte in a byte-level vocabulary (GPT-2's bytes_to_unicode), and back (-1:
// none).
char32_t byte_character(unsigned char byte);
int character_byte(char32_t c);
// The bytes of a token as the file writes it; false when it holds other characters and so never is a piece of text.
bool token_bytes(std::string_view token, std::string& bytes);

}  // namespace smidgen
