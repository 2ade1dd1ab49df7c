// vocab.txt (one token a line, the line number is the id) with tokenizer_config.json: what transformers 5 makes of the
// two when a folder has no tokenizer.json (models/bert/tokenization_bert.py).
#include <algorithm>
#include <array>

#include "smidgen/text/bert_rules.h"
#include "smidgen/text/tokenizer_json.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {

namespace {

using namespace tokenizer_json;

constexpr const char* kVocabularyFile = "vocab.txt";
constexpr const char* kConfigFile = "tokenizer_config.json";

// Tokenizer classes that are BertTokenizer under another name; each may end in Fast.
constexpr std::array<std::string_view, 6> kClasses = {"BertTokenizer",     "DistilBertTokenizer",
                                                      "ElectraTokenizer",  "MobileBertTokenizer",
                                                      "ConvBertTokenizer", "SqueezeBertTokenizer"};

struct Names {
  std::string unk = "[UNK]", sep = "[SEP]", pad = "[PAD]", cls = "[CLS]", mask = "[MASK]";
};

Status read_lines(std::string_view text, std::vector<std::string>& tokens) {
  std::size_t line = 0;
  while (!text.empty()) {
    ++line;
    const std::size_t end = text.find('\n');
    std::string_view token = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (token.ends_with('\r')) token.remove_suffix(1);
    const auto wrong = [&](const char* why) { return Error::bad_data(why).in(kVocabularyFile).at_line(line); };
    if (line > static_cast<std::size_t>(kTokenIdsMax)) return wrong("more than 4 million tokens");
    if (token.find('\r') != std::string_view::npos) return wrong("a carriage return inside a token");
    if (!unicode::is_utf8(token)) return wrong("not UTF-8");
    tokens.emplace_back(token);
  }
  if (tokens.empty()) return Error::bad_data("empty vocabulary").in(kVocabularyFile);
  return Ok{};
}

Status read_config(std::string_view text, BertRules& rules, Names& names, std::vector<AddedToken>& added) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::parse(text));
  const Json config = document.root();
  if (!config.is_object()) return Error::bad_data("must be a JSON object");
  if (json_has(config, "tokenizer_class")) {
    SMIDGEN_ASSIGN(std::string name, json_string(config, "tokenizer_class", 256));
    const std::string whole = name;
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    if (std::find(kClasses.begin(), kClasses.end(), name) == kClasses.end())
      return Error::bad_data("`tokenizer_class` is \"" + whole + "\"; only the BERT family can be reproduced")
          .hint("save the model with a tokenizer.json");
  }
  SMIDGEN_ASSIGN(rules.lowercase, flag_or(config, "do_lower_case", rules.lowercase));
  SMIDGEN_ASSIGN(rules.chinese_chars, flag_or(config, "tokenize_chinese_chars", rules.chinese_chars));
  rules.strip_accents = rules.lowercase;
  SMIDGEN_ASSIGN(rules.strip_accents, flag_or(config, "strip_accents", rules.strip_accents));
  SMIDGEN_TRY(read_special_name(config, "unk_token", names.unk));
  SMIDGEN_TRY(read_special_name(config, "sep_token", names.sep));
  SMIDGEN_TRY(read_special_name(config, "pad_token", names.pad));
  SMIDGEN_TRY(read_special_name(config, "cls_token", names.cls));
  SMIDGEN_TRY(read_special_name(config, "mask_token", names.mask));
  if (json_has(config, "truncation_side")) {
    SMIDGEN_ASSIGN(const std::string side, json_string(config, "truncation_side", 64));
    if (side != "right") return Error::bad_data("`truncation_side` must be \"right\"; other sides are not reproduced");
  }
  return read_added_decoder(config, added);
}

}  // namespace

Result<BertRules> bert_rules_from_vocabulary(std::string_view vocabulary, std::string_view config) {
  BertRules rules;
  Names names;
  std::vector<AddedToken> added;
  SMIDGEN_TRY(read_lines(vocabulary, rules.tokens));
  if (!config.empty()) {
    if (auto status = read_config(config, rules, names, added); !status.ok())
      return std::move(status).error().in(kConfigFile);
  }
  std::vector<std::int32_t> ids;
  for (const std::string* name : {&names.unk, &names.sep, &names.pad, &names.cls, &names.mask}) {
    const auto at = std::find(rules.tokens.begin(), rules.tokens.end(), *name);
    if (name->empty() || at == rules.tokens.end())
      return Error::bad_data("the special token \"" + name->substr(0, 64) + "\" is not in the vocabulary")
          .in(kVocabularyFile)
          .hint("name the model's special tokens in tokenizer_config.json");
    ids.push_back(static_cast<std::int32_t>(at - rules.tokens.begin()));
    if (std::none_of(added.begin(), added.end(), [&](const AddedToken& token) { return token.content == *name; }))
      added.push_back({.content = *name, .id = ids.back(), .special = true});
  }
  rules.unknown_id = ids[0];
  rules.after = {ids[1]};
  rules.before = {ids[3]};
  rules.special = ids;
  rules.pair = {{{ids[3], 0}}, {{ids[1], 0}}, {{ids[1], 1}}, 0, 1};
  // unk, sep and pad may be one token under several names.
  std::sort(added.begin(), added.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  if (auto status = add_bert_tokens(std::move(added), rules.tokens.size(), rules); !status.ok())
    return std::move(status).error().in(kVocabularyFile);
  return rules;
}

}  // namespace smidgen
