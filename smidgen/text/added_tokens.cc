#include "smidgen/text/added_tokens.h"

#include <algorithm>

#include "smidgen/base/result.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

bool touches_word(std::string_view text, std::size_t start, std::size_t stop) {
  return (start > 0 && unicode::is_word(unicode::decode_one(text, unicode::previous_start(text, start)).c)) ||
         (stop < text.size() && unicode::is_word(unicode::decode_one(text, stop).c));
}

ByteTrie pattern_trie(const std::vector<std::string>& patterns) {
  const std::vector<std::string_view> views(patterns.begin(), patterns.end());
  std::vector<std::int32_t> values(patterns.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i);
  return ByteTrie(views, values);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens, const std::vector<std::string>& patterns)
    : tokens_(std::move(tokens)), trie_(pattern_trie(patterns)) {
  SMIDGEN_CHECK(tokens_.size() == patterns.size());
  for (const std::string& pattern : patterns) starts_[static_cast<unsigned char>(pattern.at(0))] = true;
  if (std::count(starts_.begin(), starts_.end(), true) == 1)
    only_start_ = static_cast<int>(std::find(starts_.begin(), starts_.end(), true) - starts_.begin());
}

std::size_t AddedTokenMatcher::next_start(std::string_view text, std::size_t at) const {
  if (only_start_ >= 0) return std::min(text.find(static_cast<char>(only_start_), at), text.size());
  while (at < text.size() && !starts_[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

AddedTokenMatcher::Found AddedTokenMatcher::next(std::string_view text, std::size_t at, std::size_t done) const {
  for (at = next_start(text, at); at < text.size(); at = next_start(text, at)) {
    const ByteTrie::Match match = trie_.longest(ByteTrie::kRoot, text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    Found found{at, at + match.length, at + match.length, &tokens_[static_cast<std::size_t>(match.value)]};
    at = found.stop;
    if (found.token->single_word && touches_word(text, found.start, found.stop)) continue;
    // A token inside the white space an earlier one took starts before `done`, as in the reference.
    while (found.token->lstrip && found.start > done) {
      const std::size_t before = unicode::previous_start(text, found.start);
      if (!unicode::is_space(unicode::decode_one(text, before).c)) break;
      found.start = before;
    }
    if (found.token->lstrip && found.start < done) found.start = found.stop = std::max(done, found.stop);
    while (found.token->rstrip && found.stop < text.size()) {
      const unicode::Decoded next = unicode::decode_one(text, found.stop);
      if (!unicode::is_space(next.c)) break;
      found.stop += next.length;
    }
    return found;
  }
  return {};
}

}  // namespace smidgen
