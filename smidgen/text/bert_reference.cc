#include "smidgen/text/bert_reference.h"

#include <utility>

#include "smidgen/text/plain_split.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

using unicode::from_utf8;
using unicode::to_utf8;

BertReference::BertReference(BertRules rules) : rules_(std::move(rules)) {
  for (std::size_t id = 0; id < rules_.model_end; ++id) {
    if (!rules_.tokens[id].empty()) vocabulary_[rules_.tokens[id]] = static_cast<std::int32_t>(id);
  }
  for (const AddedToken& token : rules_.added)
    patterns_.push_back(token.normalized ? to_utf8(bert_normalize(rules_, token.content)) : token.content);
}

void BertReference::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  for (const PlainPiece& piece : plain_split(unicode::repair_utf8(text), false, rules_.added, patterns_)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    for (const PlainPiece& inner :
         plain_split(to_utf8(bert_normalize(rules_, piece.text)), true, rules_.added, patterns_)) {
      if (inner.id >= 0) {
        ids.push_back(inner.id);
      } else {
        encode_words(inner.text, ids);
      }
    }
  }
}

void BertReference::encode_words(const std::string& text, std::vector<std::int32_t>& ids) const {
  std::vector<char32_t> word;
  const auto flush = [&] {
    if (!word.empty()) encode_word(word, ids);
    word.clear();
  };
  for (const char32_t c : from_utf8(text)) {
    const auto flags = unicode::record(c).flags;
    if ((flags & (unicode::kSpace | unicode::kPunctuation)) != 0) flush();
    if ((flags & unicode::kSpace) != 0) continue;
    word.push_back(c);
    if ((flags & unicode::kPunctuation) != 0) flush();
  }
  flush();
}

void BertReference::encode_word(const std::vector<char32_t>& word, std::vector<std::int32_t>& ids) const {
  std::vector<std::int32_t> pieces;
  for (std::size_t start = 0; start < word.size() && word.size() <= rules_.word_chars_max;) {
    std::size_t end = word.size();
    for (; end > start; --end) {
      const auto first = word.begin() + static_cast<std::ptrdiff_t>(start);
      const std::string piece = to_utf8({first, word.begin() + static_cast<std::ptrdiff_t>(end)});
      const auto found = vocabulary_.find(start > 0 ? rules_.prefix + piece : piece);
      if (found == vocabulary_.end()) continue;
      pieces.push_back(found->second);
      break;
    }
    if (end == start) {
      pieces.clear();
      break;
    }
    start = end;
  }
  if (pieces.empty()) pieces.push_back(rules_.unknown_id);
  ids.insert(ids.end(), pieces.begin(), pieces.end());
}

}  // namespace smidgen
