// Byte-level BPE and Unigram against the reference implementation (tests/golden/subword, made by
// make_subword_golden.py), against their plain twins, and on hostile files.
#include <gtest/gtest.h>

#include <array>
#include <ctime>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/base/sha256.h"
#include "smidgen/text/bpe_reference.h"
#include "smidgen/text/bpe_tokenizer.h"
#include "smidgen/text/pattern_tables.h"
#include "smidgen/text/split_pattern.h"
#include "smidgen/text/unicode_tables.h"
#include "smidgen/text/unigram_reference.h"
#include "smidgen/text/unigram_tokenizer.h"

namespace smidgen {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/subword/";

std::vector<Json> golden_rows() {
  std::vector<Json> rows;
  std::ifstream file(kGolden + "texts.jsonl");
  for (std::string line; std::getline(file, line);) rows.push_back(Json::parse(line));
  return rows;
}

std::string text_of(const Json& row) {
  if (row.contains("text")) return row["text"];
  std::string text;
  const std::string hex = row["hex"];
  for (std::size_t i = 0; i < hex.size(); i += 2) text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return text;
}

struct Variant {
  std::string kind, name;
  Json json;
};

Json base_file(const std::string& kind) {
  return Json::parse(*read_file(kGolden + kind + ".json", 1 << 20));
}

std::vector<Variant> variants() {
  std::vector<Variant> all;
  const Json changes = golden_rows().at(0)["variants"];
  for (const auto& [kind, list] : changes.items()) {
    const Json base = base_file(kind);
    for (const auto& [name, change] : list.items()) {
      Json json = base;
      json.update(change);
      all.push_back({kind, name, json});
    }
  }
  return all;
}

std::string spelled(const Tokenizer& tokenizer, const std::string& text) {
  Ids ids;
  std::vector<TextSpan> spans;
  tokenizer.encode_spans(text, ids, spans);
  std::string all;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    all += (i > 0 ? " " : "") + std::to_string(ids[i]) + ":" + std::to_string(spans.at(i).begin) + ":" +
           std::to_string(spans[i].end);
  }
  return all;
}

TEST(Subword, IdsAndSpansAreTheReferences) {
  const std::vector<Json> rows = golden_rows();
  ASSERT_GT(rows.size(), 300U);
  for (const Variant& variant : variants()) {
    const auto tokenizer = Tokenizer::from_json(variant.json.dump());
    ASSERT_TRUE(tokenizer.ok()) << variant.name << ": " << tokenizer.error().message();
    for (std::size_t i = 1; i < rows.size(); ++i) {
      const std::string text = text_of(rows[i]), found = spelled(**tokenizer, text);
      const std::string expected = rows[i][variant.name];
      EXPECT_EQ(expected, expected.starts_with("sha256 ") ? "sha256 " + sha256_hex(found).substr(0, 24) : found)
          << variant.name << " text on line " << i + 1 << ": " << found;
      Ids ids, whole, cut;
      (*tokenizer)->encode_plain(text, ids);
      std::string plain;
      for (const std::int32_t id : ids) plain += std::to_string(id) + " ";
      Ids span_ids;
      std::vector<TextSpan> spans;
      (*tokenizer)->encode_spans(text, span_ids, spans);
      EXPECT_EQ(ids, span_ids) << variant.name << " text on line " << i + 1;
      EXPECT_EQ((*tokenizer)->encode(text, 8, cut), (*tokenizer)->add_special_tokens(ids, 8, whole));
      EXPECT_EQ(cut, whole);
    }
  }
}

std::function<Ids(std::string_view)> twin_of(const std::string& kind, const std::string& json) {
  if (kind == "bpe") {
    return [twin = BpeReference(std::move(bpe_rules_from_json(json)).value())](std::string_view text) {
      Ids ids;
      twin.encode_plain(text, ids);
      return ids;
    };
  }
  return [twin = UnigramReference(std::move(unigram_rules_from_json(json)).value())](std::string_view text) {
    Ids ids;
    twin.encode_plain(text, ids);
    return ids;
  };
}

TEST(Subword, TheFastPathAndThePlainTwinAgree) {
  const std::vector<Json> rows = golden_rows();
  Random random(11);
  for (const Variant& variant : variants()) {
    const auto tokenizer = Tokenizer::from_json(variant.json.dump());
    ASSERT_TRUE(tokenizer.ok());
    const auto twin = twin_of(variant.kind, variant.json.dump());
    for (int i = 0; i < 250; ++i) {
      std::string text;
      for (int part = 0; part < 3; ++part) {
        const std::string whole = text_of(rows[1 + random.below(rows.size() - 1)]);
        const std::size_t start = random.below(whole.size() + 1);
        text += whole.substr(start, random.below(40));  // may cut characters
      }
      Ids ids;
      (*tokenizer)->encode_plain(text, ids);
      EXPECT_EQ(twin(text), ids) << variant.name << ": " << text;
      Ids again;
      (*tokenizer)->encode_plain(text, again);  // from the memory of words
      EXPECT_EQ(ids, again);
    }
  }
}

TEST(Subword, PatternsCutAsTheirAlternativesSay) {
  const std::vector<char32_t> alphabet = {U' ', U' ', U'\n', U'\r', U'\t',  0xa0, 0x3000, U'\'', U'\'',
                                          U's', U'T', U'l',  U'L',  U'e',   U'r', 0x17f,  U'1',  U'2',
                                          0xbd, U'.', U'!',  0x301, 0x4e2d, 0xe9, 0x1f600};
  Random random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::size_t count = 1 + random.below(8); count > 0; --count)
      unicode::append_utf8(alphabet[random.below(alphabet.size())], text);
    for (const SplitPattern pattern : {SplitPattern::kGpt2, SplitPattern::kLlama3, SplitPattern::kQwen2}) {
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = piece_end(pattern, text, at);
        ASSERT_GT(end, at);
        ASSERT_EQ(end, piece_end_reference(pattern, text, at)) << text << " from byte " << at;
        at = end;
      }
    }
  }
}

TEST(Subword, CompositionKeepsWhatIsInert) {
  for (char32_t c = 0; c <= 0x10ffff; c += c < 0x3400 ? 1 : 7) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    BpeRules rules;
    rules.nfc = true;
    std::string text = "e";
    unicode::append_utf8(c, text);
    if (!unicode::is_inert(c)) continue;
    ASSERT_EQ(bpe_normalize(rules, text), text) << std::hex << static_cast<unsigned>(c);
  }
  EXPECT_FALSE(unicode::is_inert(0x301) || unicode::is_inert(0x1161) || unicode::is_inert(0x212b));
  EXPECT_EQ(unicode::compose(U'e', 0x301), char32_t{0xe9});
  EXPECT_EQ(unicode::compose(0x1112, 0x1161), char32_t{0xd558});
}

// Two cuts with equal sums, but for the last bit of how the reference reads decimal fractions.
TEST(Subword, ScoresAreReadAsTheReferenceReadsThem) {
  const auto tokenizer = Tokenizer::from_json(R"({"version": "1.0", "model": {"type": "Unigram", "unk_id": 0, "vocab": [
    ["<unk>", 0.0], ["▁know", -7.3697123527526855], ["!", -6.1245903968811035], ["!!", -8.831485748291016],
    ["!!!", -9.136290550231934], ["!!!!", -10.876029014587402], ["!!!!!", -11.170136451721191],
    ["!!!!!!", -11.805253982543945]]}, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁"}})");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  Ids ids;
  (*tokenizer)->encode_plain("know!!!!!!!!!", ids);
  EXPECT_EQ(ids, (Ids{1, 7, 4}));
}

double seconds_of(const Tokenizer& tokenizer, const std::string& text) {
  const std::clock_t start = std::clock();
  Ids ids;
  tokenizer.encode_plain(text, ids);
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

TEST(Subword, AMegabyteOfOneThingIsFast) {
  for (const Variant& variant : variants()) {
    if (variant.name != "roberta" && variant.name != "modernbert" && variant.name != "xlmr" && variant.name != "whole")
      continue;
    const auto tokenizer = Tokenizer::from_json(variant.json.dump());
    ASSERT_TRUE(tokenizer.ok());
    for (const std::string unit : {"a", " ", "e\xcc\x81", "中", "\xff"}) {
      std::string text;
      while (text.size() < 1'000'000) text += unit;
      EXPECT_LT(seconds_of(**tokenizer, text), 2.0) << variant.name << " on a megabyte of " << unit;
    }
  }
}

using Change = std::function<void(Json&)>;

void expect_refused(const Json& base, const std::vector<std::pair<std::string, Change>>& hostile) {
  ASSERT_TRUE(Tokenizer::from_json(base.dump()).ok());
  for (const auto& [words, change] : hostile) {
    Json json = base;
    change(json);
    const auto tokenizer = Tokenizer::from_json(json.dump());
    ASSERT_FALSE(tokenizer.ok()) << words;
    EXPECT_EQ(tokenizer.error().kind(), ErrorKind::kBadData);
    EXPECT_NE(tokenizer.error().message().find(words), std::string::npos)
        << words << " is not in: " << tokenizer.error().message();
    EXPECT_LT(tokenizer.error().message().size(), 300U);
  }
}

TEST(Subword, HostileBpeFilesGiveOneClearError) {
  expect_refused(
      base_file("bpe"),
      {{"`normalizer` is \"NFKC\"", [](Json& j) { j["normalizer"]["type"] = "NFKC"; }},
       {"`normalizer.normalizers` must be a list", [](Json& j) { j["normalizer"]["type"] = "Sequence"; }},
       {"must be ByteLevel", [](Json& j) { j["pre_tokenizer"] = nullptr; }},
       {"must be ByteLevel", [](Json& j) { j["pre_tokenizer"]["type"] = "Whitespace"; }},
       {"`pre_tokenizer.use_regex` must be true", [](Json& j) { j["pre_tokenizer"]["use_regex"] = false; }},
       {"only the patterns of GPT-2",
        [](Json& j) {
          j["pre_tokenizer"] = {{"type", "Sequence"},
                                {"pretokenizers",
                                 {{{"type", "Split"}, {"pattern", {{"Regex", "(a+)+"}}}},
                                  {{"type", "ByteLevel"}, {"add_prefix_space", false}}}}};
        }},
       {"`model.dropout`", [](Json& j) { j["model"]["dropout"] = 0.1; }},
       {"`model.end_of_word_suffix`", [](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }},
       {"`model.continuing_subword_prefix`", [](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }},
       {"`model.byte_fallback`", [](Json& j) { j["model"]["byte_fallback"] = true; }},
       {"`model.unk_token` is \"<nope>\"", [](Json& j) { j["model"]["unk_token"] = "<nope>"; }},
       {"`model.merges` must be a list", [](Json& j) { j["model"].erase("merges"); }},
       {"number 1, that is no pair", [](Json& j) { j["model"]["merges"][0] = "abc"; }},
       {"number 1, that is no pair", [](Json& j) { j["model"]["merges"][0] = "a b c"; }},
       {"number 1, that is no pair", [](Json& j) { j["model"]["merges"][0] = {"a"}; }},
       {"needs the token \"nope\"", [](Json& j) { j["model"]["merges"][0] = "nope a"; }},
       {"needs the token \"zqx",
        [](Json& j) {
          j["model"]["vocab"]["zqx"] = j["model"]["vocab"].size();
          j["model"]["merges"][0] = {"zqx", "a"};
        }},
       {"longer than 1024 bytes", [](Json& j) { j["model"]["vocab"][std::string(1025, 'x')] = 5000; }},
       {"`model.vocab` must be", [](Json& j) { j["model"]["vocab"] = 3; }},
       {"`post_processor` is \"Magic\"", [](Json& j) { j["post_processor"]["type"] = "Magic"; }},
       {"`post_processor.sep`",
        [](Json& j) {
          j["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", {"x", 1}}};
        }},
       {"says id", [](Json& j) { j["added_tokens"].back()["id"] = 4; }}});
}

TEST(Subword, HostileUnigramFilesGiveOneClearError) {
  const auto charsmap = [](const std::string& base64) {
    return [base64](Json& j) { j["normalizer"]["precompiled_charsmap"] = base64; };
  };
  expect_refused(base_file("unigram"),
                 {{"`normalizer` is \"Lowercase\"", [](Json& j) { j["normalizer"]["type"] = "Lowercase"; }},
                  {"must be a base64 string", charsmap("a*==")},
                  {"must be a base64 string", charsmap("AAA")},
                  {"`normalizer.precompiled_charsmap` is cut short", charsmap("")},
                  {"`normalizer.precompiled_charsmap` is cut short", charsmap("/////w==")},
                  {"has an empty trie", charsmap("AAAAAA==")},
                  // One unit whose children lie on themselves: a trie without end.
                  {"must be the Regex",
                   [](Json& j) {
                     j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "(a+)+"}}}, {"content", ""}};
                   }},
                  {"must be Metaspace", [](Json& j) { j["pre_tokenizer"] = nullptr; }},
                  {"`pre_tokenizer.replacement`",
                   [](Json& j) {
                     j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "ab"}};
                   }},
                  {"`pre_tokenizer.prepend_scheme`",
                   [](Json& j) {
                     j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "often"}};
                   }},
                  {"does not agree",
                   [](Json& j) {
                     j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}};
                   }},
                  {"`model.byte_fallback`", [](Json& j) { j["model"]["byte_fallback"] = true; }},
                  {"`model.vocab` must be a list", [](Json& j) { j["model"]["vocab"] = Json::object(); }},
                  {"`model.vocab` is empty", [](Json& j) { j["model"]["vocab"] = Json::array(); }},
                  {"entry 7 must be a pair",
                   [](Json& j) {
                     j["model"]["vocab"][7] = {"a", "b"};
                   }},
                  {"entry 7 is empty",
                   [](Json& j) {
                     j["model"]["vocab"][7] = {"", 0.5};
                   }},
                  {"has two ids", [](Json& j) { j["model"]["vocab"][8] = j["model"]["vocab"][7]; }},
                  {"longer than 512 bytes",
                   [](Json& j) {
                     j["model"]["vocab"][7] = {std::string(513, 'x'), 0.5};
                   }},
                  {"`unk_id`", [](Json& j) { j["model"]["unk_id"] = nullptr; }},
                  {"`unk_id`", [](Json& j) { j["model"]["unk_id"] = 1 << 20; }},
                  {"`model` is \"Whatever\"", [](Json& j) { j["model"]["type"] = "Whatever"; }}});
}

// The golden BPE as RoBERTa's files.
struct BpeFiles {
  Json vocabulary = base_file("bpe")["model"]["vocab"];
  std::string merges = "#version: 0.2\n";
  BpeFiles() {
    for (const char* name : {"<s>", "<pad>", "</s>", "<unk>"}) vocabulary[name] = vocabulary.size();
    const Json file = base_file("bpe");
    for (const Json& merge : file["model"]["merges"]) merges += merge.get<std::string>() + "\n";
  }
};

TEST(Subword, RobertasFilesGiveTheSameTokenizer) {
  const BpeFiles files;
  const auto size = static_cast<std::int32_t>(files.vocabulary.size());
  const auto plain = bpe_rules_from_files(files.vocabulary.dump(), files.merges, "");
  ASSERT_TRUE(plain.ok()) << plain.error().message();
  EXPECT_EQ(plain->before, (Ids{size - 4}));
  EXPECT_EQ(plain->after, (Ids{size - 2}));
  EXPECT_EQ(plain->added.back().content, "<mask>");
  EXPECT_EQ(plain->added.back().id, size);
  EXPECT_TRUE(!plain->add_prefix_space && plain->trim_spans && plain->pair && plain->pair->between.size() == 2);
  // The same as a tokenizer.json.
  Json json = base_file("bpe");
  json["model"]["vocab"] = files.vocabulary;
  json["normalizer"] = nullptr;
  json["added_tokens"] = Json::array();
  const std::vector<std::pair<std::string, int>> added = {
      {"<s>", size - 4}, {"<pad>", size - 3}, {"</s>", size - 2}, {"<unk>", size - 1}, {"<mask>", size}};
  for (const auto& [content, id] : added) {
    json["added_tokens"].push_back({{"id", id},
                                    {"content", content},
                                    {"single_word", false},
                                    {"rstrip", false},
                                    {"lstrip", content == "<mask>"},
                                    {"normalized", false},
                                    {"special", true}});
  }
  json["post_processor"] = {{"type", "RobertaProcessing"},
                            {"sep", {"</s>", size - 2}},
                            {"cls", {"<s>", size - 4}},
                            {"trim_offsets", false},
                            {"add_prefix_space", true}};
  json["pre_tokenizer"]["add_prefix_space"] = true;
  const auto wanted = bpe_rules_from_json(json.dump());
  ASSERT_TRUE(wanted.ok()) << wanted.error().message();
  const auto found = bpe_rules_from_files(
      files.vocabulary.dump(), files.merges,
      R"({"add_prefix_space": true, "trim_offsets": false, "tokenizer_class": "RobertaTokenizerFast",
          "mask_token": {"content": "<mask>", "lstrip": true, "normalized": false}})");
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->fingerprint(), wanted->fingerprint());
  EXPECT_FALSE(found->trim_spans);
}

TEST(Subword, RobertasFilesFailByName) {
  const BpeFiles files;
  const std::string vocabulary = files.vocabulary.dump();
  const std::vector<std::array<std::string, 4>> hostile = {
      {"vocab.json: ", "[]", files.merges, ""},
      {"vocab.json: empty vocabulary", "{}", files.merges, ""},
      {"vocab.json: gives \"a\" an id that is not", R"({"a": -1})", "", ""},
      {"vocab.json: gives id 0 to", R"({"a": 0, "b": 0})", "", ""},
      {"vocab.json: the special token \"<s>\" is not", R"({"a": 0})", "", ""},
      {"merges.txt:2: must be two tokens", vocabulary, "#version: 0.2\nabc\n", ""},
      {"merges.txt:1: must be two tokens", vocabulary, "a b c", ""},
      {"merges.txt:1: needs the token \"nope\"", vocabulary, "nope a\n", ""},
      {"tokenizer_config.json: `tokenizer_class` is \"GPT2Tokenizer\"", vocabulary, files.merges,
       R"({"tokenizer_class": "GPT2Tokenizer"})"},
      {"tokenizer_config.json: `truncation_side`", vocabulary, files.merges, R"({"truncation_side": "left"})"}};
  for (const auto& [words, tokens, merges, config] : hostile) {
    const auto rules = bpe_rules_from_files(tokens, merges, config);
    ASSERT_FALSE(rules.ok()) << words;
    EXPECT_EQ(rules.error().kind(), ErrorKind::kBadData);
    EXPECT_NE(rules.error().message().find(words), std::string::npos)
        << words << " is not in: " << rules.error().message();
  }
}

TEST(Subword, FingerprintsSeeWhatDecidesIds) {
  std::vector<std::string> seen;
  for (const Variant& variant : variants()) {
    const auto tokenizer = Tokenizer::from_json(variant.json.dump());
    ASSERT_TRUE(tokenizer.ok());
    for (const std::string& other : seen) EXPECT_NE((*tokenizer)->fingerprint(), other) << variant.name;
    seen.push_back((*tokenizer)->fingerprint());
  }
  for (const std::string kind : {"bpe", "unigram"}) {
    Json json = base_file(kind);
    const std::string before = (*Tokenizer::from_json(json.dump()))->fingerprint();
    if (kind == "bpe") {
      json["model"]["merges"].erase(json["model"]["merges"].size() - 1);
    } else {
      json["model"]["vocab"][100][1] = -3.25;
    }
    EXPECT_NE((*Tokenizer::from_json(json.dump()))->fingerprint(), before);
  }
}

}  // namespace
}  // namespace smidgen
