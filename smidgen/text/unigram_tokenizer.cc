#include "smidgen/text/unigram_tokenizer.h"

#include <utility>

#include "smidgen/text/aligned_split.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

UnigramTokenizer::UnigramTokenizer(UnigramRules rules)
    : TemplateTokenizer(rules_, rules.fingerprint()), rules_(std::move(rules)), model_(rules_) {
  unicode::append_utf8(rules_.replacement, meta_);
  const auto normalize = [&](std::string_view text) { return unigram_normalize(rules_, text); };
  raw_ = std::make_unique<const AddedTokenMatcher>(make_added_matcher(rules_, false, normalize));
  normalized_ = std::make_unique<const AddedTokenMatcher>(make_added_matcher(rules_, true, normalize));
}

void UnigramTokenizer::encode_into(std::string_view text, Sink sink) const {
  // Whether a word is the first depends on where it stands in the original.
  if (rules_.prepend == PrependScheme::kFirst) {
    std::vector<TextSpan> spans;
    spans_into(text, sink.ids, spans);
    return;
  }
  raw_->split(
      text,
      [&](std::string_view stretch) {
        encode_stretch(unigram_normalize(rules_, stretch), sink);
        return !sink.full();
      },
      [&](std::int32_t id, std::string_view) {
        sink.ids.push_back(id);
        return !sink.full();
      });
}

void UnigramTokenizer::encode_stretch(std::string_view text, Sink& sink) const {
  normalized_->split(
      text,
      [&](std::string_view piece) {
        encode_words(piece, sink);
        return !sink.full();
      },
      [&](std::int32_t id, std::string_view) {
        sink.ids.push_back(id);
        return !sink.full();
      });
}

void UnigramTokenizer::encode_words(std::string_view text, Sink& sink) const {
  std::string piece;
  if (!rules_.whitespace_split) {
    std::string word;
    for (const char c : text) c == ' ' ? word += meta_ : word += c;
    if (!word.empty()) encode_word(word, piece, sink);
    return;
  }
  std::size_t start = 0;
  for (std::size_t at = 0; at <= text.size() && !sink.full();) {
    std::size_t length = 1;
    if (at < text.size()) {
      const auto byte = static_cast<unsigned char>(text[at]);
      bool space = byte == ' ' || (byte >= '\t' && byte <= '\r');
      if (byte >= 0x80) {
        const unicode::Decoded decoded = unicode::decode_one(text, at);
        space = unicode::is_space(decoded.c);
        length = decoded.length;
      }
      if (!space) {
        at += length;
        continue;
      }
    }
    if (at > start) encode_word(text.substr(start, at - start), piece, sink);
    at += length;
    start = at;
  }
}

// A word in which spaces are already replaced; `piece` is a buffer.
void UnigramTokenizer::encode_word(std::string_view word, std::string& piece, Sink& sink) const {
  piece.clear();
  if (rules_.prepend == PrependScheme::kAlways && !word.starts_with(meta_)) piece = meta_;
  piece += word;
  const std::string_view all = piece;
  for (std::size_t start = 0; start < all.size() && !sink.full();) {
    const std::size_t found = rules_.split ? all.find(meta_, start + 1) : std::string_view::npos;
    const std::size_t end = std::min(found, all.size());
    model_.encode(all.substr(start, end - start), sink.ids);
    start = end;
  }
}

void UnigramTokenizer::spans_into(std::string_view text, std::vector<std::int32_t>& ids,
                                  std::vector<TextSpan>& spans) const {
  const auto at = [&](std::string_view piece) { return static_cast<std::uint32_t>(piece.data() - text.data()); };
  raw_->split(
      text,
      [&](std::string_view stretch) {
        span_stretch(stretch, at(stretch), ids, spans);
        return true;
      },
      [&](std::int32_t id, std::string_view piece) {
        ids.push_back(id);
        spans.push_back({at(piece), at(piece) + static_cast<std::uint32_t>(piece.size())});
        return true;
      });
}

void UnigramTokenizer::span_stretch(std::string_view text, std::uint32_t begin, std::vector<std::int32_t>& ids,
                                    std::vector<TextSpan>& spans) const {
  const AlignedText aligned = unigram_normalize_aligned(rules_, align(text, begin), begin);
  std::vector<std::uint32_t> lengths;
  split_aligned(
      *normalized_, aligned,
      [&](const AlignedText& stretch) {
        for (const AlignedText& piece : unigram_pieces(rules_, stretch)) {
          const AlignedBytes spelled = to_bytes(piece);
          lengths.clear();
          model_.encode_lengths(spelled.bytes, ids, lengths);
          std::size_t place = 0;
          for (const std::uint32_t length : lengths) {
            spans.push_back(span_of(piece, spelled.chars[place], spelled.chars[place + length]));
            place += length;
          }
        }
      },
      [&](std::int32_t id, std::string_view, TextSpan span) {
        ids.push_back(id);
        spans.push_back(span);
      });
}

}  // namespace smidgen
