#include "smidgen/text/tokenizer_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "smidgen/base/file.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";  // lower case, Chinese apart

std::string tiny_json() {
  return *read_file(kTiny + "/tokenizer.json", 1 << 20);
}

TEST(TokenizerConfig, RefusesWhatWouldGiveOtherIds) {
  const auto said = [](std::string_view config, const std::string& json = tiny_json()) {
    const Status status = check_tokenizer_config(config, json);
    return status.ok() ? "nothing" : std::string(status.error().what());
  };
  for (const char* agrees :
       {"{}", R"({"truncation_side": "right", "do_lower_case": true, "strip_accents": null})",
        R"({"do_lower_case": true, "strip_accents": true, "tokenize_chinese_chars": true, "padding_side": "left"})",
        R"({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false})"})
    EXPECT_EQ(said(agrees), "nothing") << agrees;
  EXPECT_EQ(said(R"({"truncation_side": "left", "tokenizer_class": "PreTrainedTokenizerFast"})"),
            "`truncation_side` must be \"right\"; other sides are not reproduced");
  EXPECT_EQ(said(R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false})"),
            "`do_lower_case` comes to false, `normalizer.lowercase` of tokenizer.json to true");
  EXPECT_EQ(said(R"({"do_lower_case": true, "strip_accents": false})"),
            "`strip_accents` comes to false, `normalizer.strip_accents` of tokenizer.json to true");
  EXPECT_EQ(said(R"({"tokenize_chinese_chars": false})"),
            "`tokenize_chinese_chars` comes to false, `normalizer.handle_chinese_chars` of tokenizer.json to true");
  EXPECT_EQ(said(R"({"do_lower_case": 1})"), "`do_lower_case` must be true or false");
  std::string json = tiny_json();
  const std::string accents = "\"strip_accents\": null";
  ASSERT_NE(json.find(accents), std::string::npos);
  json.replace(json.find(accents), accents.size(), "\"strip_accents\": false");
  EXPECT_EQ(said("{}", json), "nothing");
  EXPECT_EQ(said(R"({"strip_accents": null})", json),  // as lower case is
            "`strip_accents` comes to true, `normalizer.strip_accents` of tokenizer.json to false");
}

TEST(TokenizerConfig, DeepNestingIsLeftOut) {
  const std::string path = testing::TempDir() + "smidgen_deep_config_" + std::to_string(getpid());
  constexpr std::size_t kDeep = 1000000;
  std::ofstream(path) << R"({"truncation_side": "left", "a": )" << std::string(kDeep, '[') << std::string(kDeep, ']')
                      << "}";
  const auto text = read_tokenizer_config(path);
  fs::remove(path);
  ASSERT_TRUE(text.ok());
  EXPECT_LT(text->size(), 1000U);
  EXPECT_FALSE(check_tokenizer_config(*text, tiny_json()).ok()) << *text;
}

TEST(TokenizerConfig, IsReadBesideEveryVocabulary) {
  const fs::path folder = fs::path(testing::TempDir()) / ("smidgen_tokenizer_config_" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::copy(kTiny, folder, fs::copy_options::recursive);
  const std::string path = (folder / "tokenizer_config.json").string();
  const auto load = [&](const std::string& config) {
    std::ofstream(path) << config;
    return Tokenizer::load(folder.string());
  };
  const std::string no_limit = R"({"model_max_length": 1000000000000000019884624838656, "do_lower_case": true})";
  for (const char* without : {"", "tokenizer.json"}) {
    if (*without != '\0') fs::remove(folder / without);
    EXPECT_TRUE(load(no_limit).ok()) << load(no_limit).error().message();
    const auto left = load(R"({"truncation_side": "left"})");
    ASSERT_FALSE(left.ok());
    EXPECT_EQ(left.error().kind(), ErrorKind::kBadData);
    EXPECT_EQ(left.error().file(), path);
    for (const auto& [text, reason] : {std::pair("", "empty file"), std::pair("[]", "is no JSON object")}) {
      const auto broken = load(text);
      ASSERT_FALSE(broken.ok());
      EXPECT_EQ(broken.error().what(), reason);
    }
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace smidgen
