#include "smidgen/model/encoder_rung.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

const std::vector<std::string_view> kTexts = {
    "a",
    "",
    "hello world",
    "[CLS] the cat [SEP] sat [MASK]",
    "one two three four five six seven eight nine ten eleven twelve",
    "\xff\xfe broken bytes",
    "naive caf\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z",
};

SoftmaxHead random_head(std::size_t labels, std::size_t dimensions) {
  Random random(4);
  SoftmaxHead head{labels, dimensions, std::vector<float>(labels * dimensions), std::vector<float>(labels)};
  for (float& value : head.weights) value = static_cast<float>(random.normal());
  for (float& value : head.bias) value = static_cast<float>(random.normal());
  return head;
}

std::unique_ptr<EncoderRung> tiny_rung(std::size_t labels, std::size_t tokens_max = 0) {
  EncoderOptions options;
  options.tokens_max = tokens_max;
  auto encoder = Encoder::load(kTiny, options);
  EXPECT_TRUE(encoder.ok()) << encoder.error().message();
  const std::size_t dimensions = encoder->dimensions();
  auto rung =
      EncoderRung::create(std::make_shared<const Encoder>(std::move(*encoder)), random_head(labels, dimensions));
  EXPECT_TRUE(rung.ok());
  return std::move(*rung);
}

std::vector<float> score(const Rung& rung, std::span<const std::string_view> texts, std::uint64_t* cut = nullptr) {
  TextBatch batch(texts);
  std::vector<std::uint32_t> rows(texts.size());
  std::iota(rows.begin(), rows.end(), 0U);
  std::vector<float> out(texts.size() * rung.labels());
  const auto scratch = rung.make_scratch();
  rung.score(batch, rows, *scratch, out);
  if (cut != nullptr) *cut = scratch->rows_cut;
  return out;
}

TEST(SoftmaxHead, LogProbabilitiesMatchTheDefinition) {
  const SoftmaxHead head = random_head(5, 37);
  Random random(5);
  std::vector<float> x(37), out(5);
  for (float& value : x) value = static_cast<float>(random.normal());
  head.log_probabilities(x, out);
  double logits[5], sum = 0;
  for (std::size_t k = 0; k < 5; ++k) {
    logits[k] = static_cast<double>(head.bias[k]);
    for (std::size_t j = 0; j < 37; ++j) {
      logits[k] += static_cast<double>(head.weights[k * 37 + j]) * static_cast<double>(x[j]);
    }
    sum += std::exp(logits[k]);
  }
  for (std::size_t k = 0; k < 5; ++k) EXPECT_NEAR(out[k], logits[k] - std::log(sum), 2e-5);
}

TEST(SoftmaxHead, StaysFiniteForAnyNumbers) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (std::vector<float> logits : {std::vector<float>{inf, 0, 1},
                                    {-inf, -inf, -inf},
                                    {nan, 1, 2},
                                    {inf, inf, -inf},
                                    {nan, nan, nan},
                                    {3e38F, -3e38F, 0},
                                    {0, 100, 300}}) {
    log_softmax(logits);
    double sum = 0;
    for (const float value : logits) {
      EXPECT_GE(value, kLogProbabilityMin);
      EXPECT_LE(value, 1e-6F);
      sum += std::exp(static_cast<double>(value));
    }
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

TEST(SoftmaxHead, RefusesWrongSizesAndNotANumber) {
  const std::string path = testing::TempDir() + "smidgen_head_" + std::to_string(getpid()) + ".safetensors";
  SoftmaxHead head = random_head(3, 4);
  ASSERT_TRUE(head.save(path).ok());
  const auto same = SoftmaxHead::load(path, 3, 4);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->weights, head.weights);
  EXPECT_EQ(same->bias, head.bias);
  const auto wrong = SoftmaxHead::load(path, 4, 4);
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message().find("weight"), std::string::npos) << wrong.error().message();
  head.weights[5] = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(head.save(path).ok());
  const auto bad = SoftmaxHead::load(path, 3, 4);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().kind(), ErrorKind::kBadData);
  fs::remove(path);
  EXPECT_EQ(SoftmaxHead::load(path, 3, 4).error().kind(), ErrorKind::kNoInput);
}

TEST(SpecialTokens, WrapEqualsEncode) {
  const auto tokenizer = Tokenizer::load(kTiny);
  ASSERT_TRUE(tokenizer.ok());
  const SpecialTokens specials(**tokenizer);
  ASSERT_TRUE(specials.known());
  for (const std::string_view text : kTexts) {
    for (const std::size_t tokens_max : {2, 3, 5, 9, 40, 1000}) {
      std::vector<std::int32_t> plain, wrapped, encoded;
      (*tokenizer)->encode_plain(text, plain);
      const bool cut = specials.wrap(plain, tokens_max, wrapped);
      EXPECT_EQ(cut, (*tokenizer)->encode(text, tokens_max, encoded)) << text << " " << tokens_max;
      EXPECT_EQ(wrapped, encoded) << text << " " << tokens_max;
    }
  }
}

TEST(EncoderRung, ScoresAreTheHeadOfTheEmbedding) {
  const auto rung = tiny_rung(4);
  const std::vector<float> scores = score(*rung, kTexts);
  Encoder::Scratch scratch;
  std::vector<float> vector(rung->encoder().dimensions()), own(4);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    rung->encoder().embed_text(kTexts[i], scratch, vector.data());
    rung->head().log_probabilities(vector, own);
    for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(scores[i * 4 + k], own[k]) << i;
  }
}

TEST(EncoderRung, AnAnswerDoesNotDependOnItsNeighbours) {
  const auto rung = tiny_rung(3);
  const std::vector<float> together = score(*rung, kTexts);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const std::vector<float> alone = score(*rung, std::span(kTexts).subspan(i, 1));
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(alone[k], together[i * 3 + k]) << i;
  }
}

TEST(EncoderRung, CountsRowsCut) {
  std::uint64_t cut = 0;
  score(*tiny_rung(2, 6), kTexts, &cut);
  std::uint64_t expected = 0;
  const auto tokenizer = Tokenizer::load(kTiny);
  for (const std::string_view text : kTexts) {
    std::vector<std::int32_t> ids;
    expected += (*tokenizer)->encode(text, 6, ids) ? 1 : 0;
  }
  EXPECT_EQ(cut, expected);
  EXPECT_GE(cut, 2U);
}

TEST(EncoderRung, SavedAndLoadedGivesTheSameBits) {
  const auto rung = tiny_rung(5, 12);
  const fs::path folder = fs::path(testing::TempDir()) / ("smidgen_encoder_rung_" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  ASSERT_TRUE(rung->save(folder.string()).ok());
  const auto loaded = EncoderRung::load(folder.string(), 5, 12);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(score(**loaded, kTexts), score(*rung, kTexts));
  EXPECT_EQ((*loaded)->tokens_max(), 12U);
  const auto wrong = EncoderRung::load(folder.string(), 6, 12);
  EXPECT_FALSE(wrong.ok());
  fs::remove_all(folder);
}

TEST(EncoderRung, RefusesAHeadOfAnotherSize) {
  auto encoder = Encoder::load(kTiny);
  ASSERT_TRUE(encoder.ok());
  const auto rung = EncoderRung::create(std::make_shared<const Encoder>(std::move(*encoder)), random_head(2, 7));
  ASSERT_FALSE(rung.ok());
  EXPECT_EQ(rung.error().message(), "the head takes 7 numbers, the encoder gives 24");
}

TEST(TextBatch, TokenizesOncePerFingerprint) {
  const auto tokenizer = Tokenizer::load(kTiny);
  ASSERT_TRUE(tokenizer.ok());
  TextBatch batch(kTexts);
  const std::vector<std::int32_t>& first = batch.tokens(2, **tokenizer);
  EXPECT_EQ(&first, &batch.tokens(2, **tokenizer));
  std::vector<std::int32_t> plain;
  (*tokenizer)->encode_plain(kTexts[2], plain);
  EXPECT_EQ(first, plain);
}

}  // namespace
}  // namespace smidgen
