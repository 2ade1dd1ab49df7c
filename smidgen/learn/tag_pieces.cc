#include "smidgen/learn/tag_pieces.h"

#include <algorithm>
#include <cstdint>

namespace smidgen {

namespace {

struct WordTokens {
  std::uint32_t word = 0;
  std::vector<std::int32_t> ids;
};

// Of the words with a space between, each token with the word that its last byte, or the one after an empty span, lies
// in.
std::vector<WordTokens> tokens_by_word(const Tokenizer& tokenizer, std::span<const std::string> words) {
  std::string text;
  std::vector<std::size_t> ends;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
    ends.push_back(text.size());
  }
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
  tokenizer.encode_spans(text, ids, spans);
  std::vector<WordTokens> found;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::size_t last_byte = std::max<std::size_t>(spans[i].end, spans[i].begin + std::size_t{1}) - 1;
    const auto at = std::upper_bound(ends.begin(), ends.end(), last_byte);
    const auto word = static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(at - ends.begin(), std::ssize(ends) - 1));
    if (found.empty() || found.back().word != word) found.push_back({word, {}});
    found.back().ids.push_back(ids[i]);
  }
  return found;
}

// How many special tokens stand around a text, and before it: two probes of one token each differ where it stands,
// whatever the special tokens are.
struct Specials {
  std::size_t all = 0, before = 0;
};

Specials specials_of(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> a, b;
  const std::int32_t ids[] = {0, 1};
  tokenizer.add_special_tokens({&ids[0], 1}, SIZE_MAX, a);
  tokenizer.add_special_tokens({&ids[1], 1}, SIZE_MAX, b);
  const auto before = std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin();
  return {a.size() - 1, static_cast<std::size_t>(before)};
}

}  // namespace

std::vector<TagPiece> cut_words(const Tokenizer& tokenizer, std::span<const std::string> words,
                                std::size_t tokens_max) {
  const Specials specials = specials_of(tokenizer);
  const std::size_t room = tokens_max > specials.all ? tokens_max - specials.all : 1;
  std::vector<TagPiece> pieces;
  std::vector<std::int32_t> plain;
  const auto close = [&] {
    if (plain.empty()) return;
    tokenizer.add_special_tokens(plain, tokens_max, pieces.back().ids);
    plain.clear();
  };
  for (const WordTokens& word : tokens_by_word(tokenizer, words)) {
    const std::size_t size = std::min(word.ids.size(), room);
    if (plain.size() + size > room) close();
    if (plain.empty()) pieces.emplace_back();
    pieces.back().words.push_back(word.word);
    pieces.back().tokens.push_back(static_cast<std::uint32_t>(specials.before + plain.size()));
    plain.insert(plain.end(), word.ids.begin(), word.ids.begin() + static_cast<std::ptrdiff_t>(size));
  }
  close();
  return pieces;
}

}  // namespace smidgen
