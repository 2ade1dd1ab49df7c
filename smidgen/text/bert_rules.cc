#include "smidgen/text/bert_rules.h"

#include <algorithm>
#include <utility>

#include "smidgen/base/sha256.h"
#include "smidgen/text/byte_trie.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

using TokenIds = std::vector<std::pair<std::string_view, std::int32_t>>;

// Sorted by token, to look ids up; sorting cannot be attacked with chosen strings as hashing can.
Result<TokenIds> sorted_tokens(const std::vector<std::string>& tokens) {
  TokenIds sorted;
  std::size_t bytes = 0;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    sorted.emplace_back(tokens[id], static_cast<std::int32_t>(id));
    bytes += tokens[id].size();
    if (tokens[id].size() > kTokenBytesMax)
      return Error::bad_data("token " + std::to_string(id) + " is longer than " + std::to_string(kTokenBytesMax) +
                             " bytes");
  }
  if (bytes >= ByteTrie::kBytesMax) return Error::bad_data("the vocabulary holds more than 16 MiB of text");
  std::sort(sorted.begin(), sorted.end());
  const auto twice =
      std::adjacent_find(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != sorted.end())
    return Error::bad_data("token \"" + std::string(twice->first.substr(0, 64)) + "\" has two ids, " +
                           std::to_string(twice->second) + " and " + std::to_string(std::next(twice)->second));
  return sorted;
}

std::int32_t find_token(const TokenIds& sorted, std::string_view token) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), token,
                                   [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
  return at != sorted.end() && at->first == token ? at->second : -1;
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text.substr(0, 64)) + "\"";
}

// A token that is matched after normalization must not vanish in it, nor look like another one.
Status check_patterns(const BertRules& rules) {
  std::vector<std::string> patterns;
  for (const AddedToken& token : rules.added) {
    if (!token.normalized) continue;
    std::string pattern;
    for (const char32_t c : bert_normalize(rules, token.content)) unicode::append_utf8(c, pattern);
    if (pattern.empty()) return Error::bad_data("added token " + quoted(token.content) + " normalizes to nothing");
    patterns.push_back(std::move(pattern));
  }
  std::sort(patterns.begin(), patterns.end());
  const auto twice = std::adjacent_find(patterns.begin(), patterns.end());
  if (twice != patterns.end()) return Error::bad_data("two added tokens normalize to " + quoted(*twice));
  return Ok{};
}

}  // namespace

Status add_tokens(std::vector<AddedToken> added, std::size_t model_tokens, BertRules& rules) {
  SMIDGEN_ASSIGN(const TokenIds sorted, sorted_tokens(rules.tokens));
  std::erase_if(added, [](const AddedToken& token) { return token.content.empty(); });  // as the reference does
  std::vector<std::string_view> contents;
  for (const AddedToken& token : added) contents.push_back(token.content);
  std::sort(contents.begin(), contents.end());
  const auto twice = std::adjacent_find(contents.begin(), contents.end());
  if (twice != contents.end()) return Error::bad_data("added token " + quoted(*twice) + " stands twice");

  // A known token keeps its id; new ones are numbered on from the number of entries, in the order of the file.
  rules.model_end = rules.tokens.size();
  std::size_t next = model_tokens, bytes = 0;
  for (const AddedToken& token : added) {
    if (token.content.size() > kTokenBytesMax)
      return Error::bad_data("added token " + quoted(token.content) + " is longer than " +
                             std::to_string(kTokenBytesMax) + " bytes");
    bytes += token.content.size();
    const std::int32_t known = find_token(sorted, token.content);
    const std::int64_t id = known >= 0 ? known : static_cast<std::int64_t>(next++);
    if (id != token.id)
      return Error::bad_data("added token " + quoted(token.content) + " says id " + std::to_string(token.id) +
                             ", but the reference would give it " + std::to_string(id));
    if (known < 0 && next - 1 < rules.model_end)
      return Error::bad_data("added token " + quoted(token.content) + " has the id of another token, " +
                             std::to_string(id));
  }
  if (bytes >= ByteTrie::kBytesMax) return Error::bad_data("the added tokens hold more than 16 MiB of text");
  // Before rules.tokens grows: `sorted` looks into its strings.
  for (const char* name : {"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"}) {
    if (const std::int32_t id = find_token(sorted, name); id >= 0) rules.special.push_back(id);
  }
  for (const AddedToken& token : added) {
    if (static_cast<std::size_t>(token.id) >= rules.tokens.size()) rules.tokens.resize(token.id + std::size_t{1});
    rules.tokens[static_cast<std::size_t>(token.id)] = token.content;
    if (token.special) rules.special.push_back(token.id);
  }
  rules.special.push_back(rules.unknown_id);
  rules.special.insert(rules.special.end(), rules.before.begin(), rules.before.end());
  rules.special.insert(rules.special.end(), rules.after.begin(), rules.after.end());
  std::sort(rules.special.begin(), rules.special.end());
  rules.special.erase(std::unique(rules.special.begin(), rules.special.end()), rules.special.end());
  rules.added = std::move(added);
  return check_patterns(rules);
}

std::string BertRules::fingerprint() const {
  std::string all = "bert wordpiece 1\n";  // raise the number when equal rules give other ids
  const auto number = [&](std::int64_t value) { all += std::to_string(value) + ","; };
  const auto text = [&](const std::string& value) {
    number(static_cast<std::int64_t>(value.size()));
    all += value;
  };
  number(static_cast<std::int64_t>(tokens.size()));
  for (const std::string& token : tokens) text(token);
  number(static_cast<std::int64_t>(model_end));
  number(unknown_id);
  text(prefix);
  number(static_cast<std::int64_t>(word_chars_max));
  for (const bool flag : {clean_text, chinese_chars, strip_accents, lowercase}) number(flag ? 1 : 0);
  number(static_cast<std::int64_t>(added.size()));
  for (const AddedToken& token : added) {
    text(token.content);
    number(token.id);
    for (const bool flag : {token.single_word, token.lstrip, token.rstrip, token.normalized, token.special})
      number(flag ? 1 : 0);
  }
  for (const auto* ids : {&before, &after}) {
    number(static_cast<std::int64_t>(ids->size()));
    for (const std::int32_t id : *ids) number(id);
  }
  return sha256_hex(all);
}

std::vector<char32_t> bert_normalize(const BertRules& rules, std::string_view text) {
  std::vector<char32_t> from, to;
  unicode::decode(text, from);
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

}  // namespace smidgen
