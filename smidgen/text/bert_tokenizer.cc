#include "smidgen/text/bert_tokenizer.h"

#include <algorithm>
#include <utility>

#include "smidgen/text/aligned_split.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

ByteTrie make_trie(std::span<const std::string> strings) {
  const std::vector<std::string_view> views(strings.begin(), strings.end());
  std::vector<std::int32_t> values(strings.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i);
  return ByteTrie(views, values);
}

}  // namespace

struct BertTokenizer::SpanCall {
  std::vector<std::int32_t>& ids;
  std::vector<TextSpan>& spans;
};

BertTokenizer::BertTokenizer(BertRules rules)
    : TemplateTokenizer(rules_, rules.fingerprint()),
      rules_(std::move(rules)),
      trie_(make_trie(std::span(rules_.tokens).first(rules_.model_end))),
      continuing_(trie_.walk(ByteTrie::kRoot, rules_.prefix)) {
  const auto normalize = [&](std::string_view text) { return bert_normalize_utf8(rules_, text); };
  raw_ = std::make_unique<const AddedTokenMatcher>(make_added_matcher(rules_, false, normalize));
  normalized_ = std::make_unique<const AddedTokenMatcher>(make_added_matcher(rules_, true, normalize));
  fill_short_words();
  classify_bytes();
}

void BertTokenizer::classify_bytes() {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    classes_[byte] = ByteClass::kSlow;
    lower_[byte] = static_cast<char>(byte);
    if (byte >= 128) continue;
    const auto flags = unicode::record(static_cast<char32_t>(byte)).flags;
    if (rules_.clean_text && (flags & unicode::kDropped) != 0) {
      classes_[byte] = ByteClass::kDropped;
    } else if ((flags & unicode::kSpace) != 0) {
      classes_[byte] = ByteClass::kSpace;
    } else if ((flags & unicode::kPunctuation) != 0) {
      classes_[byte] = ByteClass::kPunctuation;
      std::vector<std::int32_t> ids;
      word_pieces(std::string(1, static_cast<char>(byte)), 1, ids);
      punctuation_ids_[byte] = ids.at(0);
    } else if (byte != 0) {  // NUL would look like padding in a short word
      classes_[byte] = ByteClass::kLetter;
      if (rules_.lowercase && byte >= 'A' && byte <= 'Z') lower_[byte] = static_cast<char>(byte + 'a' - 'A');
    }
  }
}

void BertTokenizer::fill_short_words() {
  const auto is_short = [&](const std::string& token) {
    return !token.empty() && token.size() <= std::min(ShortWords::kBytesMax, rules_.word_chars_max) &&
           unicode::is_ascii(token) && token.find('\0') == std::string::npos;
  };
  const auto vocabulary = std::span(rules_.tokens).first(rules_.model_end);
  std::vector<ShortWords::Word> words;
  for (std::size_t id = 0; id < vocabulary.size(); ++id) {
    const std::string& token = vocabulary[id];
    if (!is_short(token)) continue;
    words.push_back(
        {ShortWords::key_of(token), static_cast<std::uint32_t>(token.size()), static_cast<std::int32_t>(id)});
  }
  short_words_ = ShortWords(words);
}

void BertTokenizer::encode_into(std::string_view text, Sink sink) const {
  Call call{sink};
  const auto on_text = [&](std::string_view stretch) {
    normalized_->empty() ? encode_stretch(stretch, call) : encode_normalized(stretch, call);
    return !call.full();
  };
  const auto on_token = [&](std::int32_t id, std::string_view) {
    call.ids.push_back(id);
    return !call.full();
  };
  raw_->split(text, on_text, on_token);
}

void BertTokenizer::encode_stretch(std::string_view text, Call& call) const {
  for (std::size_t at = 0; at < text.size() && !call.full();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    switch (classes_[byte]) {
      case ByteClass::kSpace:
      case ByteClass::kDropped:
        ++at;
        break;
      case ByteClass::kPunctuation:
        call.ids.push_back(punctuation_ids_[byte]);
        ++at;
        break;
      case ByteClass::kLetter:
      case ByteClass::kSlow:
        at = encode_word(text, at, call);
    }
  }
}

// The word that starts at text[at]; returns where to go on.
std::size_t BertTokenizer::encode_word(std::string_view text, std::size_t at, Call& call) const {
  char bytes[ShortWords::kBytesMax] = {};
  std::size_t end = at, length = 0;
  ByteClass next = ByteClass::kSpace;
  for (; end < text.size(); ++end) {
    const auto byte = static_cast<unsigned char>(text[end]);
    next = classes_[byte];
    if (next == ByteClass::kDropped) continue;
    if (next != ByteClass::kLetter) break;
    if (length < ShortWords::kBytesMax) bytes[length] = lower_[byte];
    ++length;
  }
  if (end < text.size() && next == ByteClass::kSlow) {
    for (; end < text.size(); ++end) {
      next = classes_[static_cast<unsigned char>(text[end])];
      if (next == ByteClass::kSpace || next == ByteClass::kPunctuation) break;
    }
    encode_slow(text.substr(at, end - at), call);
  } else if (length <= ShortWords::kBytesMax) {
    if (const std::int32_t id = short_words_.find(ShortWords::key_of({bytes, sizeof bytes}), length); id >= 0) {
      call.ids.push_back(id);
    } else {
      word_pieces({bytes, length}, length, call.ids);
    }
  } else if (length > rules_.word_chars_max) {
    call.ids.push_back(rules_.unknown_id);
  } else {
    call.word.clear();
    for (std::size_t i = at; i < end; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (classes_[byte] == ByteClass::kLetter) call.word += lower_[byte];
    }
    word_pieces(call.word, length, call.ids);
  }
  return end;
}

void BertTokenizer::encode_slow(std::string_view text, Call& call) const {
  split_words(bert_normalize(rules_, text), call);
}

void BertTokenizer::encode_normalized(std::string_view text, Call& call) const {
  std::vector<char32_t> stretch;
  const std::string normalized = bert_normalize_utf8(rules_, text);
  normalized_->split(
      normalized,
      [&](std::string_view piece) {
        stretch.clear();
        unicode::decode(piece, stretch);
        split_words(stretch, call);
        return !call.full();
      },
      [&](std::int32_t id, std::string_view) {
        call.ids.push_back(id);
        return !call.full();
      });
}

// BertPreTokenizer and WordPiece over normalized text.
void BertTokenizer::split_words(const std::vector<char32_t>& text, Call& call) const {
  std::size_t chars = 0;
  call.word.clear();
  const auto flush = [&] {
    if (chars > 0) word_pieces(call.word, chars, call.ids);
    call.word.clear();
    chars = 0;
  };
  for (const char32_t c : text) {
    const auto flags = unicode::record(c).flags;
    if ((flags & (unicode::kSpace | unicode::kPunctuation)) == 0) {
      unicode::append_utf8(c, call.word);
      ++chars;
      continue;
    }
    flush();
    if (call.full()) return;
    if ((flags & unicode::kPunctuation) != 0) {
      unicode::append_utf8(c, call.word);
      chars = 1;
      flush();
    }
  }
  flush();
}

void BertTokenizer::word_pieces(std::string_view word, std::size_t chars, std::vector<std::int32_t>& ids,
                                std::vector<std::size_t>* lengths) const {
  const std::size_t start = ids.size(), whole = word.size();
  std::uint32_t node = ByteTrie::kRoot;
  if (chars > rules_.word_chars_max) word = {};
  bool known = !word.empty();
  while (known && !word.empty()) {
    const ByteTrie::Match match = node == ByteTrie::kNone ? ByteTrie::Match() : trie_.longest(node, word);
    known = match.length > 0;
    if (!known) break;
    ids.push_back(match.value);
    if (lengths != nullptr) lengths->push_back(match.length);
    word.remove_prefix(match.length);
    node = continuing_;
  }
  if (known) return;
  ids.resize(start);
  ids.push_back(rules_.unknown_id);
  if (lengths != nullptr) lengths->assign(1, whole);
}

void BertTokenizer::spans_into(std::string_view text, std::vector<std::int32_t>& ids,
                               std::vector<TextSpan>& spans) const {
  SpanCall call{ids, spans};
  const auto at = [&](std::string_view piece) { return static_cast<std::uint32_t>(piece.data() - text.data()); };
  raw_->split(
      text,
      [&](std::string_view stretch) {
        const AlignedText aligned = bert_normalize_aligned(rules_, align(stretch, at(stretch)), at(stretch));
        split_aligned(
            *normalized_, aligned, [&](const AlignedText& words) { span_words(words, call); },
            [&](std::int32_t id, std::string_view, TextSpan span) {
              ids.push_back(id);
              spans.push_back(span);
            });
        return true;
      },
      [&](std::int32_t id, std::string_view piece) {
        ids.push_back(id);
        spans.push_back({at(piece), at(piece) + static_cast<std::uint32_t>(piece.size())});
        return true;
      });
}

// BertPreTokenizer over normalized text.
void BertTokenizer::span_words(const AlignedText& text, SpanCall& call) const {
  AlignedText word;
  const auto flush = [&] {
    if (!word.empty()) span_word(word, call);
    word.clear();
  };
  for (const AlignedChar& c : text) {
    const auto flags = unicode::record(c.c).flags;
    if ((flags & (unicode::kSpace | unicode::kPunctuation)) != 0) flush();
    if ((flags & unicode::kSpace) != 0) continue;
    word.push_back(c);
    if ((flags & unicode::kPunctuation) != 0) flush();
  }
  flush();
}

void BertTokenizer::span_word(const AlignedText& word, SpanCall& call) const {
  const AlignedBytes bytes = to_bytes(word);
  std::vector<std::size_t> lengths;
  word_pieces(bytes.bytes, word.size(), call.ids, &lengths);
  std::size_t at = 0;
  for (const std::size_t length : lengths) {
    call.spans.push_back(span_of(word, bytes.chars[at], bytes.chars[at + length]));
    at += length;
  }
}

}  // namespace smidgen
