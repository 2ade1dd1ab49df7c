// Heads against the reference are in encoder_body_test.cc, for every architecture; here is what config.json may say and
// how a folder is refused.
#include "smidgen/model/encoder_heads.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "smidgen/base/file.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/architectures/";

std::string replaced(const std::string& model, const std::string& from, const std::string& to) {
  std::string text = *read_file(kGolden + model + "/config.json", 1 << 20);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string refusal(const std::string& json) {
  const auto body = BodyConfig::from_json(json);
  const auto head = HeadConfig::from_json(json, *body);
  return head.ok() ? "accepted" : head.error().message();
}

TEST(HeadConfig, ReadsKindAndLabels) {
  const std::string json = replaced("bert-tokens", "\"LABEL_3\"", "\"B-PER\"");
  const auto head = HeadConfig::from_json(json, *BodyConfig::from_json(json));
  ASSERT_TRUE(head.ok()) << head.error().message();
  EXPECT_EQ(head->kind, HeadKind::kTokens);
  EXPECT_EQ(head->labels, (std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2", "B-PER", "LABEL_4"}));
  const std::string counted = replaced("bert-tokens", "\"id2label\"", "\"num_labels\": 3, \"other\"");
  EXPECT_EQ(HeadConfig::from_json(counted, *BodyConfig::from_json(counted))->labels.size(), 3U);
  const std::string silent = replaced("bert-tokens", "\"id2label\"", "\"other\"");
  EXPECT_EQ(HeadConfig::from_json(silent, *BodyConfig::from_json(silent))->labels.size(), 2U);
}

TEST(HeadConfig, RefusesByFieldName) {
  const struct {
    const char *model, *from, *to, *message;
  } cases[] = {
      {"bert-tokens", "BertForTokenClassification", "BertForMaskedLM", "`architectures` names \"BertForMaskedLM\""},
      {"bert-tokens", "[\"BertForTokenClassification\"]", "\"BertForTokenClassification\"", "`architectures` must be"},
      {"bert-tokens", "[\"BertForTokenClassification\"]", "[]", "`architectures` must be"},
      {"bert-tokens", "\"3\":", "\"7\":", "`id2label` must map \"0\" .. \"4\" to names"},
      {"bert-tokens", "\"3\":", "\"03\":", "accepted"},
      {"bert-tokens", "\"3\":", "\"3x\":", "`id2label` must map"},
      {"bert-tokens", "\"3\":", "\"00\":", "`id2label` must map"},
      {"bert-tokens", "\"LABEL_3\"", "3", "`id2label` must map"},
      {"bert-questions", "\"model_type\"", "\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}, \"model_type\"",
       "`id2label` has 3 entries"},
      {"modernbert-mean", "\"classifier_pooling\": \"mean\"", "\"classifier_pooling\": \"max\"",
       "`classifier_pooling`"},
      {"modernbert-mean", "\"classifier_activation\": \"relu\"", "\"classifier_activation\": \"elu\"",
       "`classifier_activation` \"elu\" is not supported"},
      {"modernbert-mean", "\"classifier_bias\": true", "\"classifier_bias\": 1", "`classifier_bias` must be true or"},
  };
  for (const auto& test : cases) {
    const std::string message = refusal(replaced(test.model, test.from, test.to));
    EXPECT_NE(message.find(test.message), std::string::npos) << test.to << ": " << message;
  }
}

TEST(HeadedEncoder, NamesFileAndTensorThatAreWrong) {
  const fs::path folder = fs::path(testing::TempDir()) / ("smidgen_heads_" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::copy(kGolden + "roberta-tokens", folder, fs::copy_options::recursive);
  ASSERT_TRUE(HeadedEncoder::load(folder.string()).ok());
  std::ofstream(folder / "config.json") << replaced("roberta-tokens", "TokenClassification", "SequenceClassification");
  const auto other = HeadedEncoder::load(folder.string());
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message().find("has no tensor \"classifier.dense.weight\""), std::string::npos)
      << other.error().message();
  std::ofstream(folder / "config.json") << replaced("roberta-tokens", "\"3\": \"LABEL_3\", ", "");
  EXPECT_NE(HeadedEncoder::load(folder.string()).error().message().find(folder.string() + "/config.json: `id2label`"),
            std::string::npos);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace smidgen
