// vocab.json and merges.txt with tokenizer_config.json: what transformers 5 makes of the three when a RoBERTa folder
// has no tokenizer.json (models/roberta/tokenization_roberta.py).
#include <algorithm>

#include "smidgen/text/bpe_rules.h"
#include "smidgen/text/tokenizer_json.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

using namespace tokenizer_json;

constexpr const char* kVocabularyFile = "vocab.json";
constexpr const char* kMergesFile = "merges.txt";
constexpr const char* kConfigFile = "tokenizer_config.json";

Status read_vocabulary_file(std::string_view text, BpeRules& rules) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(text));
  if (!document.root().is_object()) return Error::bad_data("must be a JSON object of token: id");
  std::int64_t limit = 0;
  for (const auto entry : document.root().get_object()) {
    static_cast<void>(entry);
    limit += 4;
  }
  limit = std::min(limit, kTokenIdsMax);
  for (const auto [token, value] : document.root().get_object()) {
    std::int64_t id = -1;
    if (value.get(id) != simdjson::SUCCESS || id < 0 || id >= limit)
      return Error::bad_data("gives " + shown(token) + " an id that is not an integer in 0.." +
                             std::to_string(limit - 1));
    if (static_cast<std::size_t>(id) >= rules.tokens.size()) rules.tokens.resize(static_cast<std::size_t>(id) + 1);
    std::string& place = rules.tokens[static_cast<std::size_t>(id)];
    if (!place.empty() || token.empty())
      return Error::bad_data("gives id " + std::to_string(id) + " to " + shown(token) + " and to " + shown(place));
    place = token;
  }
  if (rules.tokens.empty()) return Error::bad_data("empty vocabulary");
  return Ok{};
}

Status read_merges_file(std::string_view text, const BpeTokenIndex& index, BpeRules& rules) {
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    std::string_view entry = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (entry.ends_with('\r')) entry.remove_suffix(1);
    if (entry.starts_with("#version") || (entry.empty() && text.empty())) continue;
    const std::size_t space = entry.find(' ');
    if (space == std::string_view::npos || entry.find(' ', space + 1) != std::string_view::npos ||
        !unicode::is_utf8(entry))
      return Error::bad_data("must be two tokens and a space between them").at_line(line);
    if (auto status = index.add_merge(entry.substr(0, space), entry.substr(space + 1), rules.merges); !status.ok())
      return std::move(status).error().at_line(line);
  }
  return Ok{};
}

struct Specials {
  // In the order of transformers' SPECIAL_TOKENS_ATTRIBUTES.
  std::vector<std::pair<const char*, std::string>> names = {
      {"bos_token", "<s>"},   {"eos_token", "</s>"}, {"unk_token", "<unk>"},  {"sep_token", "</s>"},
      {"pad_token", "<pad>"}, {"cls_token", "<s>"},  {"mask_token", "<mask>"}};
  std::vector<AddedToken> added;
  const std::string& name(std::string_view key) const {
    return std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.first == key; })->second;
  }
};

Status read_config_file(std::string_view text, Specials& specials, BpeRules& rules) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(text));
  const Json config = document.root();
  if (!config.is_object()) return Error::bad_data("must be a JSON object");
  if (json_has(config, "tokenizer_class")) {
    SMIDGEN_ASSIGN(const std::string name, json_string(config, "tokenizer_class", 256));
    if (name != "RobertaTokenizer" && name != "RobertaTokenizerFast")
      return Error::bad_data("`tokenizer_class` is " + shown(name) +
                             "; only RoBERTa's can be reproduced from these files")
          .hint("save the model with a tokenizer.json");
  }
  if (json_has(config, "truncation_side")) {
    SMIDGEN_ASSIGN(const std::string side, json_string(config, "truncation_side", 64));
    if (side != "right") return Error::bad_data("`truncation_side` must be \"right\"; other sides are not reproduced");
  }
  SMIDGEN_ASSIGN(rules.add_prefix_space, flag_or(config, "add_prefix_space", false));
  SMIDGEN_ASSIGN(rules.trim_spans, flag_or(config, "trim_offsets", true));
  SMIDGEN_TRY(read_added_decoder(config, specials.added));
  for (auto& [key, name] : specials.names) {
    SMIDGEN_TRY(read_special_name(config, key, name));
    const bool known = std::any_of(specials.added.begin(), specials.added.end(),
                                   [&](const AddedToken& token) { return token.content == name; });
    if (known || !json_has(config, key) || !config.at_key(key).is_object()) continue;
    const Json entry = config.at_key(key).value_unsafe();
    AddedToken token{.content = name, .id = -1, .special = true};
    SMIDGEN_ASSIGN(token.lstrip, flag_or(entry, "lstrip", false));
    SMIDGEN_ASSIGN(token.rstrip, flag_or(entry, "rstrip", false));
    SMIDGEN_ASSIGN(token.single_word, flag_or(entry, "single_word", false));
    SMIDGEN_ASSIGN(const bool special, flag_or(entry, "special", false));
    SMIDGEN_ASSIGN(token.normalized, flag_or(entry, "normalized", !special));  // AddedToken's default
    specials.added.push_back(token);
  }
  return Ok{};
}

// The special tokens become added tokens; only the mask may be new.
Status add_specials(Specials& specials, const BpeTokenIndex& index, BpeRules& rules) {
  for (const auto& [key, name] : specials.names) {
    const bool known = std::any_of(specials.added.begin(), specials.added.end(),
                                   [&, &wanted = name](const AddedToken& token) { return token.content == wanted; });
    if (!known) specials.added.push_back({.content = name, .id = -1, .special = true});
  }
  auto next = static_cast<std::int32_t>(rules.tokens.size());
  for (AddedToken& token : specials.added) {
    if (token.id >= 0) continue;
    token.id = index.find(token.content);
    if (token.id < 0 && token.content != specials.name("mask_token"))
      return Error::bad_data("the special token " + shown(token.content) + " is not in the vocabulary")
          .in(kVocabularyFile)
          .hint("name the model's special tokens in tokenizer_config.json");
    if (token.id < 0) token.id = next++;
  }
  std::sort(specials.added.begin(), specials.added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  const std::int32_t cls = index.find(specials.name("cls_token")), sep = index.find(specials.name("sep_token"));
  rules.before = {cls};
  rules.after = {sep};
  rules.pair = {{{cls, 0}}, {{sep, 0}, {sep, 0}}, {{sep, 0}}, 0, 0};
  return Ok{};
}

}  // namespace

Result<BpeRules> bpe_rules_from_files(std::string_view vocabulary, std::string_view merges, std::string_view config) {
  BpeRules rules;
  Specials specials;
  rules.unknown_id = -1;  // as transformers makes it: bytes the vocabulary lacks vanish
  rules.trim_spans = true;
  if (auto status = read_vocabulary_file(vocabulary, rules); !status.ok())
    return std::move(status).error().in(kVocabularyFile);
  const std::vector<std::string> tokens = rules.tokens;
  const BpeTokenIndex index(tokens);
  if (auto status = read_merges_file(merges, index, rules); !status.ok())
    return std::move(status).error().in(kMergesFile);
  if (!config.empty()) {
    if (auto status = read_config_file(config, specials, rules); !status.ok())
      return std::move(status).error().in(kConfigFile);
  }
  rules.trim_prefix_space = rules.add_prefix_space;
  SMIDGEN_TRY(add_specials(specials, index, rules));
  const auto entries = static_cast<std::size_t>(
      std::count_if(tokens.begin(), tokens.end(), [](const std::string& token) { return !token.empty(); }));
  const auto normalize = [&](std::string_view text) { return bpe_normalize(rules, text); };
  if (auto status = add_tokens(std::move(specials.added), entries, kBpeTokenBytesMax, normalize, rules); !status.ok())
    return std::move(status).error().in(kVocabularyFile);
  if (auto status = check_special(rules); !status.ok()) return std::move(status).error().in(kVocabularyFile);
  return rules;
}

}  // namespace smidgen
