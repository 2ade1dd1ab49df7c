// The plain twin of BertTokenizer: every step over the whole text, sets searched by trying all members. Obviously right
// and slow; tests and the fuzzer hold the fast one against it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/text/bert_rules.h"

namespace smidgen {

class BertReference {
 public:
  explicit BertReference(BertRules rules);
  void encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const;

 private:
  void encode_words(const std::string& text, std::vector<std::int32_t>& ids) const;
  void encode_word(const std::vector<char32_t>& word, std::vector<std::int32_t>& ids) const;

  BertRules rules_;
  std::map<std::string, std::int32_t> vocabulary_;
  std::vector<std::string> patterns_;  // of rules_.added
};

}  // namespace smidgen
