#include "smidgen/text/tokenizer.h"

#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/text/bert_reference.h"
#include "smidgen/text/bert_tokenizer.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

const std::vector<std::string> kTokens = {"[PAD]",  "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un",  "##aff",
                                          "##able", "card",  ".",     "!",     "a",      "##a", "é",
                                          "中",     "##s",   "cafe",  "b",     "##b",    "["};

Json added_token(int id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"special", true}, {"single_word", false},
          {"lstrip", false}, {"normalized", false}, {"rstrip", false}};
}

Json base_json() {
  Json json = Json::parse(R"({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
                   "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
      "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                         "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100, "vocab": {}}})");
  for (std::size_t i = 0; i < kTokens.size(); ++i) json["model"]["vocab"][kTokens[i]] = i;
  for (int i = 0; i < 5; ++i) json["added_tokens"].push_back(added_token(i, kTokens[static_cast<std::size_t>(i)]));
  return json;
}

std::unique_ptr<Tokenizer> make(const Json& json) {
  auto tokenizer = Tokenizer::from_json(json.dump());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  return tokenizer.ok() ? std::move(tokenizer).value() : nullptr;
}

Ids plain(const Tokenizer& tokenizer, std::string_view text) {
  Ids ids;
  tokenizer.encode_plain(text, ids);
  return ids;
}

TEST(Tokenizer, EncodesWordsPiecesAndSpecialTokens) {
  const auto tokenizer = make(base_json());
  EXPECT_EQ(plain(*tokenizer, "Unaffable CARD."), (Ids{5, 6, 7, 8, 9}));
  EXPECT_EQ(plain(*tokenizer, ""), Ids{});
  EXPECT_EQ(plain(*tokenizer, "Café中card"), (Ids{16, 14, 8}));
  EXPECT_EQ(plain(*tokenizer, "unknown"), Ids{1});
  EXPECT_EQ(plain(*tokenizer, "card[SEP]s [sep]"), (Ids{8, 3, 1, 19, 1, 1}));
  EXPECT_EQ(plain(*tokenizer, "ca\x01rd\xff"), Ids{8});
  Ids ids = {42};
  EXPECT_FALSE(tokenizer->encode("card!", 4, ids));
  EXPECT_EQ(ids, (Ids{42, 2, 8, 10, 3}));
  ids.clear();
  EXPECT_TRUE(tokenizer->encode("card!", 3, ids));
  EXPECT_EQ(ids, (Ids{2, 8, 3}));
  ids.clear();
  EXPECT_TRUE(tokenizer->encode("card", 2, ids));
  EXPECT_EQ(ids, (Ids{2, 3}));
  ids.clear();
  EXPECT_FALSE(tokenizer->encode(" ", 2, ids));
  EXPECT_EQ(ids, (Ids{2, 3}));
}

TEST(Tokenizer, SaysWhatItsTokensAre) {
  Json json = base_json();
  json["model"]["vocab"]["far"] = 40;
  json["added_tokens"].push_back(added_token(41, "<extra>"));
  EXPECT_FALSE(Tokenizer::from_json(json.dump()).ok());  // the reference would number it 21
  json["model"]["vocab"].erase("far");
  json["added_tokens"].back()["id"] = 20;
  const auto tokenizer = make(json);
  EXPECT_EQ(tokenizer->vocabulary_size(), 21U);
  EXPECT_EQ(tokenizer->token(8), "card");
  EXPECT_EQ(tokenizer->token(20), "<extra>");
  EXPECT_EQ(tokenizer->token(-1), "");
  EXPECT_EQ(tokenizer->token(1000), "");
  EXPECT_EQ(tokenizer->unknown_id(), 1);
  for (const int id : {0, 1, 2, 3, 4, 20}) EXPECT_TRUE(tokenizer->is_special(id)) << id;
  for (const int id : {5, 8, 19, -1, 1000}) EXPECT_FALSE(tokenizer->is_special(id)) << id;
  EXPECT_EQ(plain(*tokenizer, "a<extra>a"), (Ids{11, 20, 11}));
}

std::string spelled(const Tokenizer& tokenizer, const std::string& text) {
  Ids ids;
  std::vector<TextSpan> spans;
  tokenizer.encode_spans(text, ids, spans);
  EXPECT_EQ(ids, plain(tokenizer, text));
  std::string all;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    all += std::to_string(ids[i]) + "=" + text.substr(spans.at(i).begin, spans[i].end - spans[i].begin) + "|";
  }
  return all;
}

TEST(Tokenizer, SpansAreBytesOfTheGivenText) {
  const auto tokenizer = make(base_json());
  EXPECT_EQ(spelled(*tokenizer, ""), "");
  EXPECT_EQ(spelled(*tokenizer, "  UNaffable\tcards. [SEP] "), "5=UN|6=aff|7=able|8=card|15=s|9=.|3=[SEP]|");
  EXPECT_EQ(spelled(*tokenizer, "CAFE\u0301 中qq"), "16=CAFE|14=中|1=qq|");
  EXPECT_EQ(spelled(*tokenizer, "a\xff b\xe4\xb8 a"), "11=a|17=b|11=a|");  // U+FFFD is dropped by clean_text
  Json cased = base_json();
  cased["normalizer"]["clean_text"] = false;
  EXPECT_EQ(spelled(*make(cased), "a \xe4\xb8 \xff\xff."), "11=a|1=\xe4\xb8|1=\xff\xff|9=.|");
}

TEST(Tokenizer, PairsCutTheSecondText) {
  const auto tokenizer = make(base_json());
  EncodedPair pair;
  EXPECT_EQ(tokenizer->pair_template(), nullptr);  // the file has no template of pairs
  EXPECT_NE(tokenizer->join_pair({}, {}, 9, pair).error().message().find("`post_processor`"), std::string::npos);
  Json json = base_json();
  json["post_processor"]["pair"] = Json::parse(R"([{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
    {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}])");
  const auto paired = make(json);
  const Ids first = {11, 17}, second = {5, 6, 7};
  ASSERT_TRUE(paired->join_pair(first, second, 8, pair).ok());
  EXPECT_EQ(pair.ids, (Ids{2, 11, 17, 3, 5, 6, 7, 3}));
  EXPECT_EQ(pair.segments, (Ids{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_FALSE(pair.cut);
  ASSERT_TRUE(paired->join_pair(first, second, 6, pair).ok());
  EXPECT_EQ(pair.ids, (Ids{2, 11, 17, 3, 5, 3}));
  EXPECT_EQ(pair.segments, (Ids{0, 0, 0, 0, 1, 1}));
  EXPECT_TRUE(pair.cut && pair.first_begin == 1 && pair.first_count == 2 && pair.second_begin == 4);
  EXPECT_EQ(pair.second_count, 1U);
  EXPECT_TRUE(paired->join_pair(first, {}, 5, pair).ok());
  EXPECT_NE(paired->join_pair(first, second, 5, pair).error().message().find("leaves no room"), std::string::npos);
  EXPECT_FALSE(paired->join_pair(first, {}, 4, pair).ok());
  // BertProcessing, with which the same pair comes out, and none at all.
  json["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};
  EXPECT_EQ(*make(json)->pair_template(), *paired->pair_template());
  json["post_processor"] = nullptr;
  ASSERT_TRUE(make(json)->join_pair(first, second, 5, pair).ok());
  EXPECT_EQ(pair.ids, (Ids{11, 17, 5, 6, 7}));
  EXPECT_EQ(pair.segments, (Ids{0, 0, 1, 1, 1}));
}

TEST(Tokenizer, FingerprintSeesWhatDecidesIds) {
  const auto fingerprint = [](const Json& json) { return make(json)->fingerprint(); };
  const std::string base = fingerprint(base_json());
  EXPECT_EQ(base.size(), 64U);
  EXPECT_EQ(fingerprint(base_json()), base);
  const std::vector<std::function<void(Json&)>> changes = {
      [](Json& j) { j["normalizer"]["lowercase"] = false; },
      [](Json& j) { j["normalizer"]["strip_accents"] = false; },
      [](Json& j) { j["model"]["max_input_chars_per_word"] = 99; },
      [](Json& j) { j["model"]["vocab"]["new"] = 20; },
      [](Json& j) { j["model"]["unk_token"] = "[PAD]"; },
      [](Json& j) { j["added_tokens"][4]["lstrip"] = true; },
      [](Json& j) { j["post_processor"] = nullptr; },
  };
  for (const auto& change : changes) {
    Json json = base_json();
    change(json);
    EXPECT_NE(fingerprint(json), base) << json.dump().substr(0, 300);
  }
  Json same = base_json();
  same["padding"] = {{"strategy", "BatchLongest"}};
  same["truncation"] = {{"max_length", 9}, {"direction", "Right"}};
  EXPECT_EQ(fingerprint(same), base);
}

// Every way to break a file, with words its error must hold.
const std::vector<std::pair<std::string, std::function<void(Json&)>>> kHostile = {
    {"`model` is missing", [](Json& j) { j.erase("model"); }},
    {"`model` is missing", [](Json& j) { j["model"] = 3; }},
    {"`model` is \"Word\"", [](Json& j) { j["model"]["type"] = "Word"; }},
    {"`model` has no readable `type`", [](Json& j) { j["model"]["type"] = 7; }},
    {"`normalizer` is \"NFKC\"",
     [](Json& j) {
       j["normalizer"] = {{"type", "NFKC"}};
     }},
    {"`normalizer` must be an object", [](Json& j) { j["normalizer"] = "x"; }},
    {"`clean_text`", [](Json& j) { j["normalizer"].erase("clean_text"); }},
    {"`lowercase`", [](Json& j) { j["normalizer"]["lowercase"] = "yes"; }},
    {"`strip_accents`", [](Json& j) { j["normalizer"]["strip_accents"] = 1; }},
    {"`pre_tokenizer` is missing", [](Json& j) { j["pre_tokenizer"] = nullptr; }},
    {"`pre_tokenizer` is \"Whitespace\"", [](Json& j) { j["pre_tokenizer"]["type"] = "Whitespace"; }},
    {"`post_processor` is \"RobertaProcessing\"", [](Json& j) { j["post_processor"]["type"] = "RobertaProcessing"; }},
    {"sequence A exactly once", [](Json& j) { j["post_processor"]["single"].erase(1); }},
    {"sequence A exactly once",
     [](Json& j) {
       j["post_processor"]["single"].push_back({{"Sequence", {{"id", "A"}}}});
     }},
    {"sequence A exactly once", [](Json& j) { j["post_processor"]["single"][1]["Sequence"]["id"] = "B"; }},
    {"does not define \"[CLS]\"", [](Json& j) { j["post_processor"]["special_tokens"].erase("[CLS]"); }},
    {"more than 16 special tokens",
     [](Json& j) { j["post_processor"]["special_tokens"]["[CLS]"]["ids"] = std::vector<int>(17, 2); }},
    {"more than 16 special tokens",  // before and after together
     [](Json& j) {
       j["post_processor"]["special_tokens"]["[CLS]"]["ids"] = std::vector<int>(8, 2);
       j["post_processor"]["special_tokens"]["[SEP]"]["ids"] = std::vector<int>(9, 3);
     }},
    {"`post_processor.single` has more than 32 pieces",
     [](Json& j) {
       j["post_processor"]["special_tokens"]["none"] = {
           {"id", "none"}, {"ids", Json::array()}, {"tokens", Json::array()}};
       for (int i = 0; i < 30; ++i) j["post_processor"]["single"].push_back({{"SpecialToken", {{"id", "none"}}}});
     }},
    {"`post_processor.pair` has more than 32 pieces",
     [](Json& j) {
       j["post_processor"]["pair"] = Json::array();
       for (int i = 0; i < 33; ++i) j["post_processor"]["pair"].push_back({{"Sequence", {{"id", "A"}}}});
     }},
    {"id 99, which is no token", [](Json& j) { j["post_processor"]["special_tokens"]["[SEP]"]["ids"] = {99}; }},
    {"not an integer", [](Json& j) { j["post_processor"]["special_tokens"]["[SEP]"]["ids"] = {-3}; }},
    {"pair of token and id",
     [](Json& j) {
       j["post_processor"] = {{"type", "BertProcessing"}, {"cls", {1}}};
     }},
    {"`model.vocab` must be", [](Json& j) { j["model"]["vocab"] = Json::array(); }},
    {"`model.vocab` is empty", [](Json& j) { j["model"]["vocab"] = Json::object(); }},
    {"\"evil\" an id that is not", [](Json& j) { j["model"]["vocab"]["evil"] = -1; }},
    {"\"evil\" an id that is not", [](Json& j) { j["model"]["vocab"]["evil"] = 84; }},  // 4 x 21 entries
    {"\"evil\" an id that is not", [](Json& j) { j["model"]["vocab"]["evil"] = 4000000000LL; }},
    {"\"evil\" an id that is not", [](Json& j) { j["model"]["vocab"]["evil"] = 20.5; }},
    {"\"evil\" an id that is not", [](Json& j) { j["model"]["vocab"]["evil"] = "20"; }},
    {"gives id 8 to", [](Json& j) { j["model"]["vocab"]["evil"] = 8; }},
    {"longer than 200 bytes", [](Json& j) { j["model"]["vocab"][std::string(201, 'x')] = 20; }},
    {"`model.unk_token` is \"[NOPE]\"", [](Json& j) { j["model"]["unk_token"] = "[NOPE]"; }},
    {"`unk_token`", [](Json& j) { j["model"]["unk_token"] = nullptr; }},
    {"`max_input_chars_per_word`", [](Json& j) { j["model"]["max_input_chars_per_word"] = -1; }},
    {"`max_input_chars_per_word`", [](Json& j) { j["model"]["max_input_chars_per_word"] = 1e9; }},
    {"`continuing_subword_prefix`", [](Json& j) { j["model"]["continuing_subword_prefix"] = std::string(65, '#'); }},
    {"`added_tokens` must be a list", [](Json& j) { j["added_tokens"] = Json::object(); }},
    {"\"[CLS]\" says id 3", [](Json& j) { j["added_tokens"][2]["id"] = 3; }},
    {"\"new\" says id 77", [](Json& j) { j["added_tokens"].push_back(added_token(77, "new")); }},
    {"\"[CLS]\" stands twice", [](Json& j) { j["added_tokens"].push_back(added_token(2, "[CLS]")); }},
    {"`lstrip`", [](Json& j) { j["added_tokens"][0].erase("lstrip"); }},
    {"`content`", [](Json& j) { j["added_tokens"][0]["content"] = std::string(201, 'x'); }},
    {"`id`", [](Json& j) { j["added_tokens"][0]["id"] = 1LL << 40; }},
    {"normalizes to nothing",
     [](Json& j) {
       j["added_tokens"].push_back(added_token(20, "\xcc\x81"));
       j["added_tokens"].back()["normalized"] = true;
     }},
    {"two added tokens normalize to \"abc\"",
     [](Json& j) {
       for (const int i : {20, 21}) {
         j["added_tokens"].push_back(added_token(i, i == 20 ? "ABC" : "abc"));
         j["added_tokens"].back()["normalized"] = true;
       }
     }},
    {"`truncation.direction`",
     [](Json& j) {
       j["truncation"] = {{"direction", "Left"}};
     }},
    {"`version`", [](Json& j) { j["version"] = "2.0"; }},
};

TEST(Tokenizer, HostileFilesGiveOneClearError) {
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  for (const auto& [words, change] : kHostile) {
    Json json = base_json();
    change(json);
    const auto tokenizer = Tokenizer::from_json(json.dump());
    ASSERT_FALSE(tokenizer.ok()) << words;
    EXPECT_EQ(tokenizer.error().kind(), ErrorKind::kBadData);
    EXPECT_NE(tokenizer.error().message().find(words), std::string::npos)
        << words << " is not in: " << tokenizer.error().message();
    EXPECT_LT(tokenizer.error().message().size(), 300U);
  }
  std::string twice = base_json().dump();
  twice.replace(twice.find("\"card\""), 6, "\"un\"");
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), std::string("null"), deep, twice,
                                  std::string("{\"version\":\"\xff\"}")}) {
    const auto tokenizer = Tokenizer::from_json(text);
    ASSERT_FALSE(tokenizer.ok()) << text.substr(0, 100);
    EXPECT_EQ(tokenizer.error().kind(), ErrorKind::kBadData);
  }
}

TEST(Tokenizer, EveryTruncationOfAFileIsAnError) {
  const std::string whole = base_json().dump();
  for (std::size_t size = 0; size < whole.size(); ++size)
    ASSERT_FALSE(Tokenizer::from_json(std::string_view(whole).substr(0, size)).ok()) << size;
  EXPECT_TRUE(Tokenizer::from_json(whole).ok());
}

TEST(Tokenizer, VocabularyFilesLoadAndFailByLine) {
  std::string vocabulary;
  for (const std::string& token : kTokens) vocabulary += token + "\r\n";
  const auto rules = bert_rules_from_vocabulary(vocabulary, "");
  ASSERT_TRUE(rules.ok()) << rules.error().message();
  const auto from_json = bert_rules_from_json(base_json().dump());
  EXPECT_EQ(rules->fingerprint(), from_json->fingerprint());
  const auto cased = bert_rules_from_vocabulary(
      vocabulary, R"({"do_lower_case": false, "tokenizer_class": "BertTokenizerFast", "unk_token": {"content": "[PAD]"},
                      "tokenize_chinese_chars": false})");
  ASSERT_TRUE(cased.ok()) << cased.error().message();
  EXPECT_FALSE(cased->lowercase || cased->strip_accents || cased->chinese_chars);
  EXPECT_EQ(cased->unknown_id, 0);

  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"", "", "vocab.txt: empty vocabulary"},
      {"a\nb\n", "", "\"[UNK]\" is not in the vocabulary"},
      {vocabulary + "card\n", "", "\"card\" has two ids, 8 and 20"},
      {vocabulary + "\xff\n", "", "vocab.txt:21: not UTF-8"},
      {vocabulary + "x\ry\n", "", "vocab.txt:21: a carriage return"},
      {vocabulary + std::string(300, 'x') + "\n", "", "longer than 200 bytes"},
      {vocabulary, "{", "tokenizer_config.json: not valid JSON"},
      {vocabulary, R"({"tokenizer_class": "T5Tokenizer"})", "`tokenizer_class` is \"T5Tokenizer\""},
      {vocabulary, R"({"do_lower_case": "no"})", "`do_lower_case` must be true or false"},
      {vocabulary, R"({"mask_token": "<mask>"})", "\"<mask>\" is not in the vocabulary"},
      {vocabulary, R"({"truncation_side": "left"})", "`truncation_side`"},
      {vocabulary, R"({"added_tokens_decoder": {"x": {"content": "y"}}})", "must have ids for keys"},
      {vocabulary, R"({"added_tokens_decoder": {"7": {"content": "y"}}})", "\"y\" says id 7"},
  };
  for (const auto& [text, config, words] : cases) {
    const auto bad = bert_rules_from_vocabulary(text, config);
    ASSERT_FALSE(bad.ok()) << words;
    EXPECT_NE(bad.error().message().find(words), std::string::npos) << words << " is not in: " << bad.error().message();
  }
}

TEST(Tokenizer, LoadsAFolderAndNamesTheFileInErrors) {
  const std::string folder = testing::TempDir() + "tokenizer_load_test";
  std::filesystem::remove_all(folder);
  const auto message = [&] {
    const auto tokenizer = Tokenizer::load(folder);
    return tokenizer.ok() ? std::string() : tokenizer.error().message();
  };
  EXPECT_NE(message().find(folder + ": no tokenizer: neither tokenizer.json nor vocab.txt"), std::string::npos);
  std::filesystem::create_directory(folder);
  ASSERT_TRUE(write_file_atomic(folder + "/vocab.txt", "a\n\xff\n").ok());
  EXPECT_NE(message().find(folder + "/vocab.txt:2: not UTF-8"), std::string::npos) << message();
  ASSERT_TRUE(write_file_atomic(folder + "/tokenizer.json", "{}").ok());
  EXPECT_NE(message().find(folder + "/tokenizer.json: tokenizer: `model` is missing"), std::string::npos);
  ASSERT_TRUE(write_file_atomic(folder + "/tokenizer.json", base_json().dump()).ok());
  EXPECT_EQ(message(), "");
  std::filesystem::remove_all(folder);
}

std::string random_text(Random& random) {
  static const std::vector<std::string> kParts = {
      "card", "un",       "aff",  "able",     "a",    "b",      "s",  " ",         " ",
      " ",    ".",        "!",    "[SEP]",    "[",    "[MASK]", "é",  "e\xcc\x81", "中",
      "가",   "\xcc\xa3", "\xff", "\xe2\x82", "\x01", "CARD",   "xy", "\xc2\xa0"};
  std::string text;
  for (std::uint64_t i = random.below(14); i > 0; --i) {
    switch (random.below(4)) {
      case 0:
        text += static_cast<char>(random.below(random.below(2) == 0 ? 128 : 256));
        break;
      case 1:
        unicode::append_utf8(static_cast<char32_t>(random.below(8) == 0 ? random.below(0xd800) : random.below(0x500)),
                             text);
        break;
      default:
        text += kParts[random.below(kParts.size())];
    }
  }
  return text;
}

TEST(Tokenizer, FastAndPlainAgreeOnRandomTexts) {
  const std::vector<std::function<void(Json&)>> changes = {
      [](Json&) {},
      [](Json& j) { j["normalizer"]["lowercase"] = false; },
      [](Json& j) { j["normalizer"] = nullptr; },
      [](Json& j) { j["model"]["max_input_chars_per_word"] = 4; },
      [](Json& j) { j["model"]["continuing_subword_prefix"] = ""; },
      [](Json& j) {
        j["added_tokens"].push_back(added_token(20, "rd c"));
        j["added_tokens"].push_back(added_token(8, "card"));
        j["added_tokens"].push_back(added_token(21, "É"));
        j["added_tokens"].push_back(added_token(22, "xY"));
        j["added_tokens"][3]["rstrip"] = j["added_tokens"][4]["lstrip"] = j["added_tokens"][6]["single_word"] = true;
        j["added_tokens"][7]["single_word"] = j["added_tokens"][8]["normalized"] = true;
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Json json = base_json();
    changes[i](json);
    auto rules = bert_rules_from_json(json.dump());
    ASSERT_TRUE(rules.ok()) << rules.error().message();
    const BertReference reference(*rules);
    const BertTokenizer tokenizer(std::move(rules).value());
    Random random(i);
    for (int row = 0; row < 5000; ++row) {
      const std::string text = random_text(random);
      Ids slow, cut, added;
      reference.encode_plain(text, slow);
      ASSERT_EQ(plain(tokenizer, text), slow) << i << ": " << testing::PrintToString(text);
      ASSERT_EQ(tokenizer.encode(text, 6, cut), tokenizer.add_special_tokens(slow, 6, added));
      ASSERT_EQ(cut, added);
    }
  }
}

double encode_seconds(const Tokenizer& tokenizer, const std::string& text) {
  const std::clock_t start = std::clock();
  EXPECT_LE(plain(tokenizer, text).size(), text.size());
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

// 1 MB of one character takes at most 1 s, even with tokens made to be walked again from every byte.
TEST(Tokenizer, AMegabyteOfOneCharacterIsFast) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
  GTEST_SKIP() << "times count in the release build only";
#endif
  const auto repeat = [](const std::string& unit, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += unit;
    return text;
  };
  Json json = base_json();
  json["model"]["max_input_chars_per_word"] = 100000;
  for (const std::string unit : {"a", "é", "中", "가", "\xcc\x81", "\xff", "\x01", "[", ".", " "})
    EXPECT_LT(encode_seconds(*make(json), repeat(unit, 1000000)), 1.0) << unit;
  json["model"]["vocab"]["##" + std::string(197, 'a') + "b"] = 20;
  json["added_tokens"].push_back(added_token(21, std::string(199, '[') + "x"));
  const auto hostile = make(json);
  EXPECT_LT(encode_seconds(*hostile, repeat("[", 100000)), 0.5);  // measured 0.1: a tenth of the text
  EXPECT_LT(encode_seconds(*hostile, repeat(std::string(49999, 'a') + " ", 100000)), 0.5);
}

TEST(Tokenizer, ThreadsShareOne) {
  const auto tokenizer = make(base_json());
  std::vector<std::vector<Ids>> found(4);
  {
    std::vector<std::jthread> threads;
    for (auto& rows : found) {
      threads.emplace_back([&] {
        Random random(9);
        for (int row = 0; row < 500; ++row) rows.push_back(plain(*tokenizer, random_text(random)));
      });
    }
  }
  for (const auto& rows : found) EXPECT_EQ(rows, found[0]);
}

}  // namespace
}  // namespace smidgen
