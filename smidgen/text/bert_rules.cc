#include "smidgen/text/bert_rules.h"

#include <algorithm>
#include <utility>

#include "smidgen/base/sha256.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

Status add_bert_tokens(std::vector<AddedToken> added, std::size_t model_tokens, BertRules& rules) {
  const auto normalize = [&](std::string_view text) { return bert_normalize_utf8(rules, text); };
  return add_tokens(std::move(added), model_tokens, kTokenBytesMax, normalize, rules);
}

std::string BertRules::fingerprint() const {
  std::string all = "bert wordpiece 1\n";  // raise the number when equal rules give other ids
  append_vocabulary(*this, all);
  append_rule(std::string_view(prefix), all);
  append_rule(static_cast<std::int64_t>(word_chars_max), all);
  for (const bool flag : {clean_text, chinese_chars, strip_accents, lowercase}) append_rule(flag ? 1 : 0, all);
  append_added(*this, all);
  return sha256_hex(all);
}

std::vector<char32_t> bert_normalize(const BertRules& rules, std::string_view text) {
  std::vector<char32_t> from = unicode::from_utf8(text), to;
  if (rules.clean_text) {
    for (const char32_t c : from) {
      const auto flags = unicode::record(c).flags;
      if ((flags & unicode::kDropped) == 0) to.push_back((flags & unicode::kSpace) != 0 ? U' ' : c);
    }
    std::swap(from, to);
  }
  if (rules.chinese_chars) {
    to.clear();
    for (const char32_t c : from) {
      const bool chinese = (unicode::record(c).flags & unicode::kChinese) != 0;
      if (chinese) to.push_back(U' ');
      to.push_back(c);
      if (chinese) to.push_back(U' ');
    }
    std::swap(from, to);
  }
  if (rules.strip_accents) {
    unicode::decompose(from, to);
    std::erase_if(to, [](char32_t c) { return (unicode::record(c).flags & unicode::kMark) != 0; });
    std::swap(from, to);
  }
  if (rules.lowercase) {
    to.clear();
    for (const char32_t c : from) unicode::append_lower(c, to);
    std::swap(from, to);
  }
  return from;
}

std::string bert_normalize_utf8(const BertRules& rules, std::string_view text) {
  return unicode::to_utf8(bert_normalize(rules, text));
}

AlignedText bert_normalize_aligned(const BertRules& rules, AlignedText text, std::uint32_t begin) {
  const auto flag = [](const AlignedChar& c, unicode::Flag wanted) {
    return (unicode::record(c.c).flags & wanted) != 0;
  };
  if (rules.clean_text) {
    std::erase_if(text, [&](const AlignedChar& c) { return flag(c, unicode::kDropped); });
    for (AlignedChar& c : text) {
      if (flag(c, unicode::kSpace)) c.c = U' ';
    }
  }
  if (rules.chinese_chars) {
    text = replaced(text, [](char32_t c, std::vector<char32_t>& out) {
      const bool chinese = (unicode::record(c).flags & unicode::kChinese) != 0;
      if (chinese) out.push_back(U' ');
      out.push_back(c);
      if (chinese) out.push_back(U' ');
    });
  }
  if (rules.strip_accents) {
    text = decomposed(text, begin);
    std::erase_if(text, [&](const AlignedChar& c) { return flag(c, unicode::kMark); });
  }
  if (rules.lowercase) text = replaced(text, unicode::append_lower);
  return text;
}

}  // namespace smidgen
