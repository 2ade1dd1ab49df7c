#include "smidgen/model/tag_pieces.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "smidgen/model/special_tokens.h"

namespace smidgen {

namespace {

// For each token the word that its last byte, or the one after an empty span, lies in.
std::vector<std::uint32_t> words_of(std::span<const TextSpan> spans, std::span<const std::size_t> ends) {
  std::vector<std::uint32_t> words;
  words.reserve(spans.size());
  for (const TextSpan& span : spans) {
    const std::size_t last_byte = std::max<std::size_t>(span.end, span.begin + std::size_t{1}) - 1;
    const auto at = std::upper_bound(ends.begin(), ends.end(), last_byte);
    words.push_back(static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(at - ends.begin(), std::ssize(ends) - 1)));
  }
  return words;
}

// How many special tokens stand before a text: two probes of one token each differ where it stands, whatever the
// special tokens are.
std::size_t specials_before(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> a, b;
  const std::int32_t ids[] = {0, 1};
  tokenizer.add_special_tokens({&ids[0], 1}, SIZE_MAX, a);
  tokenizer.add_special_tokens({&ids[1], 1}, SIZE_MAX, b);
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
}

}  // namespace

void cut_pieces(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, std::span<const std::uint32_t> words,
                std::size_t tokens_max, const std::function<void(TagPiece)>& take) {
  const std::size_t before = specials_before(tokenizer), specials = special_count(tokenizer);
  SMIDGEN_CHECK(tokens_max > specials);
  const std::size_t room = tokens_max - specials;
  std::vector<std::int32_t> plain;
  TagPiece piece;
  const auto close = [&] {
    if (plain.empty()) return;
    tokenizer.add_special_tokens(plain, tokens_max, piece.ids);
    plain.clear();
    take(std::exchange(piece, {}));
  };
  for (std::size_t first = 0, end = 0; first < ids.size(); first = end) {
    while (end < ids.size() && words[end] == words[first]) ++end;
    const std::size_t size = std::min(end - first, room);
    if (plain.size() + size > room) close();
    piece.cut = piece.cut || size < end - first;
    piece.words.push_back(words[first]);
    piece.tokens.push_back(static_cast<std::uint32_t>(before + plain.size()));
    const auto from = ids.begin() + static_cast<std::ptrdiff_t>(first);
    plain.insert(plain.end(), from, from + static_cast<std::ptrdiff_t>(size));
  }
  close();
}

std::vector<TagPiece> cut_words(const Tokenizer& tokenizer, std::span<const std::string> words,
                                std::size_t tokens_max) {
  std::string text;
  std::vector<std::size_t> ends;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
    ends.push_back(text.size());
  }
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
  tokenizer.encode_spans(text, ids, spans);
  std::vector<TagPiece> pieces;
  cut_pieces(tokenizer, ids, words_of(spans, ends), tokens_max,
             [&](TagPiece piece) { pieces.push_back(std::move(piece)); });
  return pieces;
}

}  // namespace smidgen
