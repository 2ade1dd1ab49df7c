#include "smidgen/model/static.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";
constexpr std::size_t kDimensions = 21;  // not a multiple of the lanes

const std::vector<std::string_view> kTexts = {
    "a", "", "hello world the cat", "[CLS] the cat [SEP]", "one two three a b", "\xff broken"};

std::vector<float> random_vectors(std::size_t vocabulary) {
  Random random(3);
  std::vector<float> vectors(vocabulary * kDimensions);
  for (float& value : vectors) value = static_cast<float>(random.normal());
  std::fill_n(vectors.begin(), kDimensions, 0.0F);  // token 0 is dropped
  return vectors;
}

SoftmaxHead random_head(std::size_t labels) {
  Random random(4);
  SoftmaxHead head{labels, kDimensions, std::vector<float>(labels * kDimensions), std::vector<float>(labels)};
  for (float& value : head.weights) value = static_cast<float>(random.normal());
  return head;
}

std::unique_ptr<StaticRung> tiny_rung(std::size_t labels) {
  auto model = StaticModel::create(StaticTable::quantize(random_vectors(64), kDimensions), kTiny);
  EXPECT_TRUE(model.ok()) << model.error().message();
  auto rung = StaticRung::create(std::make_shared<const StaticModel>(std::move(*model)), random_head(labels));
  EXPECT_TRUE(rung.ok());
  return std::move(*rung);
}

std::vector<float> score(const Rung& rung, std::span<const std::string_view> texts) {
  TextBatch batch(texts);
  std::vector<std::uint32_t> rows(texts.size());
  std::iota(rows.begin(), rows.end(), 0U);
  std::vector<float> out(texts.size() * rung.labels());
  rung.score(batch, rows, *rung.make_scratch(), out);
  return out;
}

class StaticFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("smidgen_static_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    ASSERT_TRUE(tiny_rung(3)->save(folder_.string()).ok());
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST(StaticTable, QuantizesToHalfAStep) {
  const std::vector<float> vectors = random_vectors(30);
  const StaticTable table = StaticTable::quantize(vectors, kDimensions);
  EXPECT_EQ(table.scales[0], 0);
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const float scale = table.scales[i / kDimensions];
    EXPECT_NEAR(static_cast<float>(table.vectors[i]) * scale, vectors[i], 0.5001F * scale);
  }
}

TEST(StaticTable, EmbedIsTheDirectionOfTheSum) {
  const StaticTable table = StaticTable::quantize(random_vectors(30), kDimensions);
  const std::vector<std::int32_t> ids = {3, 29, 0, 3, 17};
  std::vector<double> sum(kDimensions);
  double square = 0;
  for (std::size_t j = 0; j < kDimensions; ++j) {
    for (const std::int32_t id : ids) {
      const auto row = static_cast<std::size_t>(id);
      sum[j] += static_cast<double>(table.scales[row]) * table.vectors[row * kDimensions + j];
    }
    square += sum[j] * sum[j];
  }
  std::vector<float> out(kDimensions);
  table.embed(ids, out);
  for (std::size_t j = 0; j < kDimensions; ++j) EXPECT_NEAR(out[j], sum[j] / std::sqrt(square), 1e-6);
  table.embed(std::vector<std::int32_t>{0, 0}, out);
  for (const float value : out) EXPECT_EQ(value, 0);
}

TEST(StaticRung, AnAnswerDoesNotDependOnItsNeighbours) {
  const auto rung = tiny_rung(4);
  const std::vector<float> together = score(*rung, kTexts);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const std::vector<float> alone = score(*rung, std::span(kTexts).subspan(i, 1));
    for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(alone[k], together[i * 4 + k]) << i;
  }
}

TEST_F(StaticFolder, SavedAndLoadedGivesTheSameBits) {
  const auto loaded = load_rung(RungKind::kStatic, folder_.string(), 3, 0);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ((*loaded)->kind(), RungKind::kStatic);
  EXPECT_EQ(score(**loaded, kTexts), score(*tiny_rung(3), kTexts));
}

TEST_F(StaticFolder, RefusesFilesThatDoNotFit) {
  const std::string folder = folder_.string();
  EXPECT_FALSE(StaticRung::load(folder, 4).ok());
  auto write = [&](const std::string& config) { std::ofstream(folder_ / "config.json") << config; };
  for (const char* config : {"", "{}", R"({"hidden_dim":22})", R"({"hidden_dim":0})", R"({"hidden_dim":"21"})",
                             R"({"hidden_dim":1000000000000})"}) {
    write(config);
    const auto model = StaticModel::load(folder);
    ASSERT_FALSE(model.ok()) << config;
    EXPECT_EQ(model.error().kind(), ErrorKind::kBadData) << model.error().message();
  }
  write(R"({"hidden_dim":21})");
  ASSERT_TRUE(StaticModel::load(folder).ok());

  StaticTable table = StaticTable::quantize(random_vectors(64), kDimensions);
  auto save = [&](std::size_t vocabulary, DType type) {
    const std::size_t width = type == DType::kI8 ? 1 : 4;
    const std::vector<std::uint8_t> bytes(vocabulary * kDimensions * width);
    ASSERT_TRUE(write_safetensors(
                    folder + "/model.safetensors",
                    {{"embeddings", type, {vocabulary, kDimensions}, as_bytes(std::span<const std::uint8_t>(bytes))},
                     {"weights", DType::kF32, {64}, as_bytes(std::span<const float>(table.scales))}})
                    .ok());
  };
  save(63, DType::kI8);  // fewer rows than weights
  EXPECT_FALSE(StaticModel::load(folder).ok());
  save(64, DType::kF32);
  EXPECT_FALSE(StaticModel::load(folder).ok());
  save(64, DType::kI8);
  EXPECT_TRUE(StaticModel::load(folder).ok());
  table.scales[9] = std::numeric_limits<float>::infinity();
  save(64, DType::kI8);
  const auto model = StaticModel::load(folder);
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message().find("weights"), std::string::npos) << model.error().message();
}

// RoBERTa's folders may have vocab.json and merges.txt alone.
TEST(StaticModel, SavesATokenizerOfTwoFiles) {
  const fs::path folder = fs::path(testing::TempDir()) / ("smidgen_static_bpe_" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder / "copy");
  std::ofstream(folder / "vocab.json") << R"({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6})";
  std::ofstream(folder / "merges.txt") << "#version: 0.2\na b\n";
  const auto model = StaticModel::create(StaticTable::quantize(random_vectors(64), kDimensions), folder.string());
  ASSERT_TRUE(model.ok()) << model.error().message();
  ASSERT_TRUE(model->save((folder / "copy").string()).ok());
  const auto loaded = StaticModel::load((folder / "copy").string());
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(loaded->tokenizer().fingerprint(), model->tokenizer().fingerprint());
  fs::remove_all(folder);
}

TEST(StaticModel, RefusesATableSmallerThanTheTokenizer) {
  const auto model = StaticModel::create(StaticTable::quantize(random_vectors(40), kDimensions), kTiny);
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message().find("the tokenizer has 64 tokens, the table only 40 vectors"), std::string::npos)
      << model.error().message();
}

}  // namespace
}  // namespace smidgen
