#include "smidgen/text/bert_tokenizer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

// Start of the code point that ends at `at` (> 0) in valid UTF-8.
std::size_t previous_start(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  return at;
}

bool touches_word(std::string_view text, std::size_t start, std::size_t stop) {
  return (start > 0 && unicode::is_word(unicode::decode_one(text, previous_start(text, start)).c)) ||
         (stop < text.size() && unicode::is_word(unicode::decode_one(text, stop).c));
}

std::string normalized_pattern(const BertRules& rules, const std::string& content) {
  std::string pattern;
  for (const char32_t c : bert_normalize(rules, content)) unicode::append_utf8(c, pattern);
  return pattern;
}

std::unique_ptr<const AddedTokenMatcher> make_matcher(const BertRules& rules, bool normalized) {
  std::vector<AddedToken> tokens;
  std::vector<std::string> patterns;
  for (const AddedToken& token : rules.added) {
    if (token.normalized != normalized) continue;
    tokens.push_back(token);
    patterns.push_back(normalized ? normalized_pattern(rules, token.content) : token.content);
  }
  return std::make_unique<const AddedTokenMatcher>(std::move(tokens), patterns);
}

ByteTrie make_trie(std::span<const std::string> strings) {
  const std::vector<std::string_view> views(strings.begin(), strings.end());
  std::vector<std::int32_t> values(strings.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i);
  return ByteTrie(views, values);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens, const std::vector<std::string>& patterns)
    : tokens_(std::move(tokens)), trie_(make_trie(patterns)) {
  for (const std::string& pattern : patterns) starts_[static_cast<unsigned char>(pattern.at(0))] = true;
  if (std::count(starts_.begin(), starts_.end(), true) == 1)
    only_start_ = static_cast<int>(std::find(starts_.begin(), starts_.end(), true) - starts_.begin());
}

std::size_t AddedTokenMatcher::next_start(std::string_view text, std::size_t at) const {
  if (only_start_ >= 0) return std::min(text.find(static_cast<char>(only_start_), at), text.size());
  while (at < text.size() && !starts_[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

template <class OnText, class OnToken>
void AddedTokenMatcher::split(std::string_view text, const OnText& on_text, const OnToken& on_token) const {
  std::size_t done = 0;  // text before this is given out; a token that takes spaces moves it ahead of the search
  for (std::size_t at = empty() ? text.size() : next_start(text, 0); at < text.size(); at = next_start(text, at)) {
    const ByteTrie::Match match = trie_.longest(ByteTrie::kRoot, text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    std::size_t start = at, stop = at + match.length;
    at = stop;
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.value)];
    if (token.single_word && touches_word(text, start, stop)) continue;
    if (token.lstrip) {
      while (start > done) {
        const std::size_t before = previous_start(text, start);
        if (!unicode::is_space(unicode::decode_one(text, before).c)) break;
        start = before;
      }
    }
    if (token.rstrip) {
      while (stop < text.size()) {
        const unicode::Decoded next = unicode::decode_one(text, stop);
        if (!unicode::is_space(next.c)) break;
        stop += next.length;
      }
    }
    if (done < start && !on_text(text.substr(done, start - done))) return;
    if (!on_token(token.id)) return;
    done = stop;
  }
  if (done < text.size()) on_text(text.substr(done));
}

BertTokenizer::BertTokenizer(BertRules rules)
    : rules_(std::move(rules)),
      fingerprint_(rules_.fingerprint()),
      trie_(make_trie(std::span(rules_.tokens).first(rules_.model_end))),
      continuing_(trie_.walk(ByteTrie::kRoot, rules_.prefix)),
      raw_(make_matcher(rules_, false)),
      normalized_(make_matcher(rules_, true)) {
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
      Call call{ids, kNoLimit};
      word_pieces(std::string(1, static_cast<char>(byte)), 1, call);
      punctuation_ids_[byte] = ids.at(0);
    } else if (byte != 0) {  // NUL would look like padding in a short word
      classes_[byte] = ByteClass::kLetter;
      if (rules_.lowercase && byte >= 'A' && byte <= 'Z') lower_[byte] = static_cast<char>(byte + 'a' - 'A');
    }
  }
}

void BertTokenizer::fill_short_words() {
  const auto is_short = [&](const std::string& token) {
    return !token.empty() && token.size() <= std::min(kShortBytes, rules_.word_chars_max) && unicode::is_ascii(token) &&
           token.find('\0') == std::string::npos;
  };
  const auto vocabulary = std::span(rules_.tokens).first(rules_.model_end);
  const auto count = static_cast<std::size_t>(std::count_if(vocabulary.begin(), vocabulary.end(), is_short));
  short_words_.resize(std::bit_ceil(count * 2 + 2));
  for (std::size_t id = 0; id < vocabulary.size(); ++id) {
    if (!is_short(vocabulary[id])) continue;
    std::uint64_t words[2] = {0, 0};
    std::memcpy(words, vocabulary[id].data(), vocabulary[id].size());
    std::size_t at = short_hash(words[0], words[1]) & (short_words_.size() - 1);
    while (short_words_[at].low != 0) at = (at + 1) & (short_words_.size() - 1);
    short_words_[at] = {words[0], words[1], static_cast<std::int32_t>(id)};
  }
}

std::size_t BertTokenizer::short_hash(std::uint64_t low, std::uint64_t high) {
  const std::uint64_t mixed = (low ^ std::rotl(high, 29) * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
  return static_cast<std::size_t>(mixed ^ mixed >> 32);
}

std::int32_t BertTokenizer::find_short(std::uint64_t low, std::uint64_t high) const {
  const std::size_t mask = short_words_.size() - 1;
  for (std::size_t at = short_hash(low, high) & mask;; at = (at + 1) & mask) {
    const ShortWord& word = short_words_[at];
    if (word.low == low && word.high == high) return word.id;
    if (word.low == 0) return -1;
  }
}

std::string_view BertTokenizer::token(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= rules_.tokens.size()) return {};
  return rules_.tokens[static_cast<std::size_t>(id)];
}

bool BertTokenizer::is_special(std::int32_t id) const {
  return std::binary_search(rules_.special.begin(), rules_.special.end(), id);
}

bool BertTokenizer::encode(std::string_view text, std::size_t tokens_max, std::vector<std::int32_t>& ids) const {
  SMIDGEN_CHECK(tokens_max >= rules_.before.size() + rules_.after.size());
  const std::size_t room = tokens_max - rules_.before.size() - rules_.after.size();
  ids.insert(ids.end(), rules_.before.begin(), rules_.before.end());
  const std::size_t start = ids.size();
  Call call{ids, room < kNoLimit - start ? start + room + 1 : kNoLimit};  // one more tells whether the text is cut
  encode_into(text, call);
  const bool cut = ids.size() - start > room;
  if (cut) ids.resize(start + room);
  ids.insert(ids.end(), rules_.after.begin(), rules_.after.end());
  return cut;
}

void BertTokenizer::encode_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  Call call{ids, kNoLimit};
  encode_into(text, call);
}

bool BertTokenizer::add_special_tokens(std::span<const std::int32_t> plain, std::size_t tokens_max,
                                       std::vector<std::int32_t>& ids) const {
  SMIDGEN_CHECK(tokens_max >= rules_.before.size() + rules_.after.size());
  const std::size_t room = tokens_max - rules_.before.size() - rules_.after.size();
  const auto kept = plain.first(std::min(plain.size(), room));
  ids.insert(ids.end(), rules_.before.begin(), rules_.before.end());
  ids.insert(ids.end(), kept.begin(), kept.end());
  ids.insert(ids.end(), rules_.after.begin(), rules_.after.end());
  return kept.size() < plain.size();
}

void BertTokenizer::encode_into(std::string_view text, Call& call) const {
  std::string repaired;
  if (!unicode::is_ascii(text) && !unicode::is_utf8(text)) {
    repaired = unicode::repair_utf8(text);
    text = repaired;
  }
  const auto on_text = [&](std::string_view stretch) {
    normalized_->empty() ? encode_stretch(stretch, call) : encode_normalized(stretch, call);
    return !call.full();
  };
  const auto on_token = [&](std::int32_t id) {
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
  char bytes[kShortBytes] = {};
  std::size_t end = at, length = 0;
  ByteClass next = ByteClass::kSpace;
  for (; end < text.size(); ++end) {
    const auto byte = static_cast<unsigned char>(text[end]);
    next = classes_[byte];
    if (next == ByteClass::kDropped) continue;
    if (next != ByteClass::kLetter) break;
    if (length < kShortBytes) bytes[length] = lower_[byte];
    ++length;
  }
  if (end < text.size() && next == ByteClass::kSlow) {
    for (; end < text.size(); ++end) {
      next = classes_[static_cast<unsigned char>(text[end])];
      if (next == ByteClass::kSpace || next == ByteClass::kPunctuation) break;
    }
    encode_slow(text.substr(at, end - at), call);
  } else if (length <= kShortBytes) {
    std::uint64_t words[2];
    std::memcpy(words, bytes, sizeof words);
    if (const std::int32_t id = find_short(words[0], words[1]); id >= 0) {
      call.ids.push_back(id);
    } else {
      word_pieces({bytes, length}, length, call);
    }
  } else if (length > rules_.word_chars_max) {
    call.ids.push_back(rules_.unknown_id);
  } else {
    call.word.clear();
    for (std::size_t i = at; i < end; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (classes_[byte] == ByteClass::kLetter) call.word += lower_[byte];
    }
    word_pieces(call.word, length, call);
  }
  return end;
}

void BertTokenizer::encode_slow(std::string_view text, Call& call) const {
  split_words(bert_normalize(rules_, text), call);
}

void BertTokenizer::encode_normalized(std::string_view text, Call& call) const {
  std::string normalized;
  for (const char32_t c : bert_normalize(rules_, text)) unicode::append_utf8(c, normalized);
  std::vector<char32_t> stretch;
  normalized_->split(
      normalized,
      [&](std::string_view piece) {
        stretch.clear();
        unicode::decode(piece, stretch);
        split_words(stretch, call);
        return !call.full();
      },
      [&](std::int32_t id) {
        call.ids.push_back(id);
        return !call.full();
      });
}

// BertPreTokenizer and WordPiece over normalized text.
void BertTokenizer::split_words(const std::vector<char32_t>& text, Call& call) const {
  std::size_t chars = 0;
  call.word.clear();
  const auto flush = [&] {
    if (chars > 0) word_pieces(call.word, chars, call);
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

void BertTokenizer::word_pieces(std::string_view word, std::size_t chars, Call& call) const {
  const std::size_t start = call.ids.size();
  std::uint32_t node = ByteTrie::kRoot;
  if (chars > rules_.word_chars_max) word = {};
  bool known = !word.empty();
  while (known && !word.empty()) {
    const ByteTrie::Match match = node == ByteTrie::kNone ? ByteTrie::Match() : trie_.longest(node, word);
    known = match.length > 0;
    if (!known) break;
    call.ids.push_back(match.value);
    word.remove_prefix(match.length);
    node = continuing_;
  }
  if (known) return;
  call.ids.resize(start);
  call.ids.push_back(rules_.unknown_id);
}

}  // namespace smidgen
