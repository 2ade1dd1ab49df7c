#include "smidgen/text/token_rules.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "smidgen/text/byte_trie.h"

namespace smidgen {

namespace {

using TokenIds = std::vector<std::pair<std::string_view, std::int32_t>>;

std::string quoted(std::string_view text) {
  return "\"" + std::string(text.substr(0, 64)) + "\"";
}

// Sorted by token, to look ids up; sorting cannot be attacked with chosen strings as hashing can.
Result<TokenIds> sorted_tokens(const std::vector<std::string>& tokens, std::size_t token_bytes_max) {
  TokenIds sorted;
  std::size_t bytes = 0;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    sorted.emplace_back(tokens[id], static_cast<std::int32_t>(id));
    bytes += tokens[id].size();
    if (tokens[id].size() > token_bytes_max)
      return Error::bad_data("token " + std::to_string(id) + " is longer than " + std::to_string(token_bytes_max) +
                             " bytes");
  }
  if (bytes >= ByteTrie::kBytesMax) return Error::bad_data("the vocabulary holds more than 16 MiB of text");
  std::sort(sorted.begin(), sorted.end());
  const auto twice =
      std::adjacent_find(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != sorted.end())
    return Error::bad_data("token " + quoted(twice->first) + " has two ids, " + std::to_string(twice->second) +
                           " and " + std::to_string(std::next(twice)->second));
  return sorted;
}

std::int32_t find_token(const TokenIds& sorted, std::string_view token) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), token,
                                   [](const auto& entry, std::string_view wanted) { return entry.first < wanted; });
  return at != sorted.end() && at->first == token ? at->second : -1;
}

// A token that is matched after normalization must not vanish in it, nor look like another one.
Status check_patterns(const TokenRules& rules, const std::function<std::string(std::string_view)>& normalize) {
  std::vector<std::string> patterns;
  for (const AddedToken& token : rules.added) {
    if (!token.normalized) continue;
    std::string pattern = normalize(token.content);
    if (pattern.empty()) return Error::bad_data("added token " + quoted(token.content) + " normalizes to nothing");
    patterns.push_back(std::move(pattern));
  }
  std::sort(patterns.begin(), patterns.end());
  const auto twice = std::adjacent_find(patterns.begin(), patterns.end());
  if (twice != patterns.end()) return Error::bad_data("two added tokens normalize to " + quoted(*twice));
  return Ok{};
}

// A known token keeps its id; new ones are numbered on from the number of entries, in the order of the file.
Status check_ids(const std::vector<AddedToken>& added, const TokenIds& sorted, std::size_t model_tokens,
                 std::size_t model_end) {
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
    if (known < 0 && next - 1 < model_end)
      return Error::bad_data("added token " + quoted(token.content) + " has the id of another token, " +
                             std::to_string(id));
  }
  if (bytes >= ByteTrie::kBytesMax) return Error::bad_data("the added tokens hold more than 16 MiB of text");
  return Ok{};
}

}  // namespace

Status add_tokens(std::vector<AddedToken> added, std::size_t model_tokens, std::size_t token_bytes_max,
                  const std::function<std::string(std::string_view)>& normalize, TokenRules& rules) {
  SMIDGEN_ASSIGN(const TokenIds sorted, sorted_tokens(rules.tokens, token_bytes_max));
  std::erase_if(added, [](const AddedToken& token) { return token.content.empty(); });  // as the reference does
  std::vector<std::string_view> contents;
  for (const AddedToken& token : added) contents.push_back(token.content);
  std::sort(contents.begin(), contents.end());
  const auto twice = std::adjacent_find(contents.begin(), contents.end());
  if (twice != contents.end()) return Error::bad_data("added token " + quoted(*twice) + " stands twice");
  rules.model_end = rules.tokens.size();
  SMIDGEN_TRY(check_ids(added, sorted, model_tokens, rules.model_end));
  // Before rules.tokens grows: `sorted` looks into its strings.
  for (const char* name : {"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>"}) {
    if (const std::int32_t id = find_token(sorted, name); id >= 0) rules.special.push_back(id);
  }
  for (const AddedToken& token : added) {
    if (static_cast<std::size_t>(token.id) >= rules.tokens.size()) rules.tokens.resize(token.id + std::size_t{1});
    rules.tokens[static_cast<std::size_t>(token.id)] = token.content;
    if (token.special) rules.special.push_back(token.id);
  }
  if (rules.unknown_id >= 0) rules.special.push_back(rules.unknown_id);
  rules.special.insert(rules.special.end(), rules.before.begin(), rules.before.end());
  rules.special.insert(rules.special.end(), rules.after.begin(), rules.after.end());
  std::sort(rules.special.begin(), rules.special.end());
  rules.special.erase(std::unique(rules.special.begin(), rules.special.end()), rules.special.end());
  rules.added = std::move(added);
  return check_patterns(rules, normalize);
}

void append_rule(std::int64_t value, std::string& all) {
  all += std::to_string(value) + ",";
}

void append_rule(std::string_view text, std::string& all) {
  append_rule(static_cast<std::int64_t>(text.size()), all);
  all += text;
}

void append_vocabulary(const TokenRules& rules, std::string& all) {
  append_rule(static_cast<std::int64_t>(rules.tokens.size()), all);
  for (const std::string& token : rules.tokens) append_rule(std::string_view(token), all);
  append_rule(static_cast<std::int64_t>(rules.model_end), all);
  append_rule(rules.unknown_id, all);
}

void append_added(const TokenRules& rules, std::string& all) {
  append_rule(static_cast<std::int64_t>(rules.added.size()), all);
  for (const AddedToken& token : rules.added) {
    append_rule(std::string_view(token.content), all);
    append_rule(token.id, all);
    for (const bool flag : {token.single_word, token.lstrip, token.rstrip, token.normalized, token.special})
      append_rule(flag ? 1 : 0, all);
  }
  for (const auto* ids : {&rules.before, &rules.after}) {
    append_rule(static_cast<std::int64_t>(ids->size()), all);
    for (const std::int32_t id : *ids) append_rule(id, all);
  }
}

AddedTokenMatcher make_added_matcher(const TokenRules& rules, bool normalized,
                                     const std::function<std::string(std::string_view)>& normalize) {
  std::vector<AddedToken> tokens;
  std::vector<std::string> patterns;
  for (const AddedToken& token : rules.added) {
    if (token.normalized != normalized) continue;
    tokens.push_back(token);
    patterns.push_back(normalized ? normalize(token.content) : token.content);
  }
  return {std::move(tokens), patterns};
}

}  // namespace smidgen
