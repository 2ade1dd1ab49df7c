#include "smidgen/learn/answer_quality.h"

#include <algorithm>
#include <map>
#include <vector>

#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool is_article(std::u32string_view word) {
  return word == U"a" || word == U"an" || word == U"the";
}

// Lower-cased, without punctuation; articles between word boundaries become a space, as the script's \b(a|an|the)\b.
std::u32string without_articles(const std::u32string& text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && unicode::is_word(text[end])) ++end;
    const std::u32string_view word = std::u32string_view(text).substr(at, end - at);
    if (is_article(word))
      out += U' ';
    else
      out += word;
    if (end == at) out += text[end++];
    at = end;
  }
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<char32_t> lowered;
  for (std::size_t at = 0; at < text.size();) {
    const unicode::Decoded next = unicode::decode_one(text, at);
    unicode::append_lower(next.c, lowered);
    at += next.length;
  }
  std::u32string kept;
  std::copy_if(lowered.begin(), lowered.end(), std::back_inserter(kept),
               [](char32_t c) { return !is_ascii_punctuation(c); });
  std::vector<std::string> words;
  bool inside = false;
  for (const char32_t c : without_articles(kept)) {
    const bool space = unicode::is_space(c);
    if (!space && !inside) words.emplace_back();
    if (!space) unicode::append_utf8(c, words.back());
    inside = !space;
  }
  return words;
}

double f1(const std::vector<std::string>& said, const std::vector<std::string>& right) {
  if (said.empty() || right.empty()) return said == right ? 1 : 0;
  std::map<std::string_view, std::size_t> left;
  for (const std::string& word : right) ++left[word];
  double same = 0;
  for (const std::string& word : said) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++same;
  }
  return 2 * same / static_cast<double>(said.size() + right.size());
}

}  // namespace

std::string normalize_answer(std::string_view text) {
  std::string out;
  for (const std::string& word : words_of(text)) out += (out.empty() ? "" : " ") + word;
  return out;
}

AnswerQuality answer_quality(std::string_view answer, std::span<const KnownAnswer> right) {
  const std::vector<std::string> said = words_of(answer);
  if (right.empty()) return {said.empty() ? 1.0 : 0.0, said.empty() ? 1.0 : 0.0};
  AnswerQuality best;
  for (const KnownAnswer& known : right) {
    const std::vector<std::string> wanted = words_of(known.text);
    best.exact = std::max(best.exact, said == wanted ? 1.0 : 0.0);
    best.f1 = std::max(best.f1, f1(said, wanted));
  }
  return best;
}

}  // namespace smidgen
