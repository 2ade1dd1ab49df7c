// Ids against the reference implementation: tests/golden/tokenizer_ids.jsonl, made by make_tokenizer_golden.py.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "smidgen/base/file.h"
#include "smidgen/base/sha256.h"
#include "smidgen/text/bert_reference.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {
namespace {

using Json = nlohmann::json;

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/";

std::vector<Json> golden_rows() {
  std::vector<Json> rows;
  std::ifstream file(kGolden + "tokenizer_ids.jsonl");
  for (std::string line; std::getline(file, line);) rows.push_back(Json::parse(line));
  return rows;
}

std::string text_of(const Json& row) {
  std::string text;
  if (row.contains("text")) return row["text"];
  if (row.contains("hex")) {
    const std::string hex = row["hex"];
    for (std::size_t i = 0; i < hex.size(); i += 2) text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return text;
  }
  for (int i = 0; i < row["times"].get<int>(); ++i) text += row["unit"].get<std::string>();
  return text;
}

void expect_ids(const Json& expected, const std::vector<std::int32_t>& ids, const std::string& where) {
  if (expected.is_array()) {
    EXPECT_EQ(expected.get<std::vector<std::int32_t>>(), ids) << where;
    return;
  }
  std::string joined;
  for (const std::int32_t id : ids) joined += (joined.empty() ? "" : " ") + std::to_string(id);
  EXPECT_EQ(expected["count"].get<std::size_t>(), ids.size()) << where;
  EXPECT_EQ(expected["sha256"].get<std::string>(), sha256_hex(joined)) << where;
}

std::map<std::string, std::string> variant_files() {
  const std::vector<Json> rows = golden_rows();
  const auto base = read_file(kGolden + "tokenizer.json", 1 << 20);
  std::map<std::string, std::string> files;
  for (const auto& [name, changes] : rows.at(0)["variants"].items()) {
    Json json = Json::parse(*base);
    json.update(changes);
    files[name] = json.dump();
  }
  return files;
}

TEST(TokenizerGolden, EveryVariantGivesTheReferenceIds) {
  const std::vector<Json> rows = golden_rows();
  ASSERT_GT(rows.size(), 300U);
  for (const auto& [name, json] : variant_files()) {
    const auto tokenizer = Tokenizer::from_json(json);
    ASSERT_TRUE(tokenizer.ok()) << name << ": " << tokenizer.error().message();
    for (std::size_t i = 1; i < rows.size(); ++i) {
      std::vector<std::int32_t> ids;
      EXPECT_FALSE((*tokenizer)->encode(text_of(rows[i]), 1 << 20, ids));
      expect_ids(rows[i]["ids"][name], ids, name + " text on line " + std::to_string(i + 1));
    }
  }
}

TEST(TokenizerGolden, ThePlainTwinAgrees) {
  const std::vector<Json> rows = golden_rows();
  for (const auto& [name, json] : variant_files()) {
    const auto tokenizer = Tokenizer::from_json(json);
    auto rules = bert_rules_from_json(json);
    ASSERT_TRUE(tokenizer.ok() && rules.ok());
    const BertReference reference(std::move(rules).value());
    for (std::size_t i = 1; i < rows.size(); ++i) {
      if (rows[i].contains("times")) continue;  // the twin copies what is left and right of each added token
      std::vector<std::int32_t> fast, slow;
      (*tokenizer)->encode_plain(text_of(rows[i]), fast);
      reference.encode_plain(text_of(rows[i]), slow);
      EXPECT_EQ(slow, fast) << name << " text on line " << i + 1;
    }
  }
}

std::string model_folder() {
  if (const char* folder = std::getenv("SMIDGEN_TEST_MODEL")) return folder;
  return cache_directory() + "/models/all-MiniLM-L6-v2";
}

TEST(TokenizerGolden, MiniLmGivesTheReferenceIds) {
  const std::string folder = model_folder();
  if (!std::filesystem::exists(folder + "/tokenizer.json"))
    GTEST_SKIP() << "no model at " << folder << ": run `smidgen pull`, or set SMIDGEN_TEST_MODEL to its folder";
  const auto tokenizer = Tokenizer::load(folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 30522U);
  const std::vector<Json> rows = golden_rows();
  for (std::size_t i = 1; i < rows.size(); ++i) {
    std::vector<std::int32_t> whole, cut, plain, added;
    EXPECT_FALSE((*tokenizer)->encode(text_of(rows[i]), 1 << 20, whole));
    expect_ids(rows[i]["ids"]["minilm"], whole, "minilm text on line " + std::to_string(i + 1));
    EXPECT_EQ((*tokenizer)->encode(text_of(rows[i]), 16, cut), whole.size() > 16);
    expect_ids(rows[i]["ids"]["minilm_16"], cut, "minilm_16 text on line " + std::to_string(i + 1));
    (*tokenizer)->encode_plain(text_of(rows[i]), plain);
    EXPECT_EQ((*tokenizer)->add_special_tokens(plain, 16, added), whole.size() > 16);
    EXPECT_EQ(added, cut);
  }
}

TEST(TokenizerGolden, MiniLmVocabularyFileGivesTheSameTokenizer) {
  const std::string folder = model_folder();
  if (!std::filesystem::exists(folder + "/vocab.txt"))
    GTEST_SKIP() << "no model at " << folder << ": run `smidgen pull`, or set SMIDGEN_TEST_MODEL to its folder";
  const auto json = read_file(folder + "/tokenizer.json", 1 << 24);
  const auto vocabulary = read_file(folder + "/vocab.txt", 1 << 24);
  const auto config = read_file(folder + "/tokenizer_config.json", 1 << 20);
  ASSERT_TRUE(json.ok() && vocabulary.ok() && config.ok());
  const auto from_json = bert_rules_from_json(*json);
  const auto from_vocabulary = bert_rules_from_vocabulary(*vocabulary, *config);
  ASSERT_TRUE(from_json.ok() && from_vocabulary.ok()) << from_vocabulary.error().message();
  EXPECT_EQ(from_json->fingerprint(), from_vocabulary->fingerprint());
}

}  // namespace
}  // namespace smidgen
