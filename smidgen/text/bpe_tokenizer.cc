#include "smidgen/text/bpe_tokenizer.h"

#include <utility>

#include "smidgen/text/aligned_split.h"
#include "smidgen/text/pattern_tables.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

BpeTokenizer::BpeTokenizer(BpeRules rules)
    : TemplateTokenizer(rules_, rules.fingerprint()), rules_(std::move(rules)), model_(rules_) {
  const auto normalize = [&](std::string_view text) { return bpe_normalize(rules_, text); };
  raw_ = std::make_unique<const AddedTokenMatcher>(make_added_matcher(rules_, false, normalize));
  normalized_ = std::make_unique<const AddedTokenMatcher>(make_added_matcher(rules_, true, normalize));
  for (char32_t c = 0; rules_.nfc && c < kInertEnd; ++c) inert_[c] = unicode::is_inert(c);
}

bool BpeTokenizer::is_normal(std::string_view text) const {
  if (!rules_.nfc || unicode::is_ascii(text)) return true;
  for (std::size_t at = 0; at < text.size();) {
    const unicode::Decoded decoded = unicode::decode_one(text, at);
    const char32_t c = decoded.c;
    // Ideographs, Hangul syllables and pictures; what is rarer takes the long way.
    const bool inert =
        c < kInertEnd ? inert_[c]
                      : (c >= 0x3400 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3) || (c >= 0x1f300 && c <= 0x1faff);
    if (!inert) return false;
    at += decoded.length;
  }
  return true;
}

void BpeTokenizer::encode_into(std::string_view text, Sink sink) const {
  raw_->split(
      text,
      [&](std::string_view stretch) {
        if (is_normal(stretch)) {
          encode_stretch(stretch, sink);
        } else {
          encode_stretch(bpe_normalize(rules_, stretch), sink);
        }
        return !sink.full();
      },
      [&](std::int32_t id, std::string_view) {
        sink.ids.push_back(id);
        return !sink.full();
      });
}

void BpeTokenizer::encode_stretch(std::string_view text, Sink& sink) const {
  if (normalized_->empty()) {
    encode_pieces(text, sink);
    return;
  }
  normalized_->split(
      text,
      [&](std::string_view piece) {
        encode_pieces(piece, sink);
        return !sink.full();
      },
      [&](std::int32_t id, std::string_view) {
        sink.ids.push_back(id);
        return !sink.full();
      });
}

void BpeTokenizer::encode_pieces(std::string_view text, Sink& sink) const {
  std::string prefixed;
  if (rules_.add_prefix_space && !text.empty() && text[0] != ' ') {
    prefixed.reserve(text.size() + 1);
    prefixed = ' ';
    prefixed += text;
    text = prefixed;
  }
  for (std::size_t at = 0; at < text.size() && !sink.full();) {
    const std::size_t end = piece_end(rules_.pattern, text, at);
    model_.encode(text.substr(at, end - at), sink.ids);
    at = end;
  }
}

void BpeTokenizer::spans_into(std::string_view text, std::vector<std::int32_t>& ids,
                              std::vector<TextSpan>& spans) const {
  SpanCall call{ids, spans};
  const std::size_t start = spans.size();
  const auto at = [&](std::string_view piece) { return static_cast<std::uint32_t>(piece.data() - text.data()); };
  raw_->split(
      text,
      [&](std::string_view stretch) {
        span_stretch(stretch, at(stretch), call);
        return true;
      },
      [&](std::int32_t id, std::string_view piece) {
        ids.push_back(id);
        spans.push_back({at(piece), at(piece) + static_cast<std::uint32_t>(piece.size())});
        call.blanks.push_back(blanks_of(piece));
        return true;
      });
  if (rules_.trim_spans) trim(text, start, call);
}

void BpeTokenizer::span_stretch(std::string_view text, std::uint32_t begin, SpanCall& call) const {
  const AlignedText aligned = bpe_normalize_aligned(rules_, align(text, begin), begin);
  split_aligned(
      *normalized_, aligned, [&](const AlignedText& piece) { span_pieces(piece, call); },
      [&](std::int32_t id, std::string_view piece, TextSpan span) {
        call.ids.push_back(id);
        call.spans.push_back(span);
        call.blanks.push_back(blanks_of(piece));
      });
}

void BpeTokenizer::span_pieces(AlignedText text, SpanCall& call) const {
  // The space stands where the first code point does.
  if (rules_.add_prefix_space && !text.empty() && text[0].c != U' ') text.insert(text.begin(), {U' ', text[0].span});
  const AlignedBytes bytes = to_bytes(text);
  const std::string_view all = bytes.bytes;
  std::vector<std::uint32_t> lengths, places;  // places: of which code point each byte of the spelled piece is a part
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = piece_end(rules_.pattern, all, at);
    const std::size_t first = call.ids.size();
    lengths.clear();
    model_.encode_lengths(all.substr(at, end - at), call.ids, lengths);
    places.clear();
    for (std::size_t byte = at; byte < end; ++byte)
      places.resize(places.size() + (byte_character(static_cast<unsigned char>(all[byte])) < 0x80 ? 1 : 2),
                    bytes.chars[byte]);
    std::size_t place = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      const std::size_t stop = place + lengths[i];
      call.spans.push_back(span_of(text, places.at(place), places.at(stop - 1) + std::size_t{1}));
      call.blanks.push_back(blanks_of(rules_.tokens[static_cast<std::size_t>(call.ids[first + i])]));
      place = stop;
    }
    at = end;
  }
}

BpeTokenizer::Blanks BpeTokenizer::blanks_of(std::string_view token) {
  const std::vector<char32_t> chars = unicode::from_utf8(token);
  const auto blank = [](char32_t c) { return c == byte_character(' ') || unicode::is_space(c); };
  Blanks blanks;
  while (blanks.left < chars.size() && blank(chars[blanks.left])) ++blanks.left;
  while (blanks.right < chars.size() && blank(chars[chars.size() - 1 - blanks.right])) ++blanks.right;
  return blanks;
}

// The reference counts in code points of the text, whatever the white space is.
void BpeTokenizer::trim(std::string_view text, std::size_t start, SpanCall& call) const {
  for (std::size_t i = 0; i < call.blanks.size(); ++i) {
    auto [left, right] = call.blanks[i];
    TextSpan& span = call.spans[start + i];
    if ((i == 0 || span.begin == 0) && rules_.trim_prefix_space && left == 1) left = 0;  // the space that was put there
    for (; left > 0 && span.begin < span.end; --left)
      span.begin += static_cast<std::uint32_t>(unicode::decode_one(text, span.begin).length);
    std::uint32_t end = span.end;
    for (; right > 0 && end > 0; --right) end = static_cast<std::uint32_t>(unicode::previous_start(text, end));
    if (right == 0) span.end = std::max(end, span.begin);
  }
}

}  // namespace smidgen
