// The rules of one BERT tokenizer, as its files state them: what the loaders produce and the tokenizers follow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/aligned_text.h"
#include "smidgen/text/token_rules.h"

namespace smidgen {

struct BertRules : TokenRules {
  std::string prefix = "##";  // of continuing pieces
  std::size_t word_chars_max = 100;
  bool clean_text = true, chinese_chars = true, strip_accents = true, lowercase = true;

  // SHA-256 over all of the above in a fixed order.
  std::string fingerprint() const;
};

// tokenizer.json. Errors name the part ("`normalizer`"), not the file.
Result<BertRules> bert_rules_from_json(std::string_view json);
// vocab.txt and tokenizer_config.json ("" when there is none), as transformers 5 reads them. Errors name the file
// inside the folder.
Result<BertRules> bert_rules_from_vocabulary(std::string_view vocabulary, std::string_view config);

// add_tokens with this normalizer.
Status add_bert_tokens(std::vector<AddedToken> added, std::size_t model_tokens, BertRules& rules);

// The text of one stretch between added tokens after normalization: BertNormalizer, step by step over the whole of it.
std::vector<char32_t> bert_normalize(const BertRules& rules, std::string_view text);
// The same in UTF-8.
std::string bert_normalize_utf8(const BertRules& rules, std::string_view text);
// The same with what each code point stands for; `begin` is where the stretch starts in the original.
AlignedText bert_normalize_aligned(const BertRules& rules, AlignedText text, std::uint32_t begin);

}  // namespace smidgen
