#include "smidgen/model/smoothing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/model/encoder.h"

namespace smidgen {
namespace {

class SmoothingFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "smoothing_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string message_for(const std::string& text) const {
    EXPECT_TRUE(write_file_atomic(folder_ + "/" + Smoothing::kFileName, text).ok());
    const auto loaded = Smoothing::load(folder_, 1, 3);
    return loaded.ok() ? "loaded" : loaded.error().message();
  }
  std::string folder_;
};

LinearWeights random_weights(std::size_t in, std::size_t out) {
  Random random(3);
  LinearWeights weights{in, out, {}, {}};
  for (std::size_t i = 0; i < in * out; ++i) weights.weight.push_back(static_cast<float>(random.normal()));
  return weights;
}

TEST(SmoothingExponentsTest, ALargeColumnIsMadeSmallerAndATypicalOneStays) {
  const LinearWeights weights = random_weights(64, 32);
  std::vector<float> largest(64, 2.0F);
  largest[7] = 40.0F;
  largest[9] = 0.0F;
  const SmoothingExponents exponents = smoothing_exponents(largest, weights);
  EXPECT_EQ(exponents[7], 3);  // 0.65 log2(20) = 2.8
  EXPECT_EQ(exponents[9], 0);
  EXPECT_EQ(std::count_if(exponents.begin(), exponents.end(), [](int e) { return std::abs(e) > 1; }), 1);
}

TEST(SmoothingExponentsTest, ColumnsWithoutASizeAndExtremeOnesStayInRange) {
  LinearWeights weights = random_weights(4, 2);
  weights.weight[0] = weights.weight[4] = 0.0F;
  const SmoothingExponents exponents = smoothing_exponents(std::vector<float>{1.0F, 1e30F, 1e-30F, 1.0F}, weights);
  EXPECT_EQ(exponents[0], 0);
  EXPECT_EQ(exponents[1], kSmoothingExponentMax);
  EXPECT_EQ(exponents[2], -kSmoothingExponentMax);
}

TEST(SmoothingExponentsTest, SmoothingChangesNoProduct) {
  LinearWeights weights = random_weights(8, 3);
  const LinearWeights before = weights;
  const SmoothingExponents exponents = {3, -2, 0, 12, -12, 1, -1, 5};
  const std::vector<float> factors = smooth(exponents, weights);
  for (std::size_t i = 0; i < weights.weight.size(); ++i)
    EXPECT_EQ(weights.weight[i] * factors[i % 8], before.weight[i]);  // powers of two: exactly
  EXPECT_NE(weights.weight[0], before.weight[0]);
}

TEST_F(SmoothingFile, IsReadAsItWasWrittenAndMayBeAbsent) {
  EXPECT_FALSE(Smoothing::load(folder_, 1, 3)->has_value());
  const Smoothing written{{{0, -12, 12}, {1, 2, 3}}};
  ASSERT_TRUE(written.save(folder_).ok());
  const auto loaded = Smoothing::load(folder_, 1, 3);
  ASSERT_TRUE(loaded.ok() && loaded->has_value());
  EXPECT_EQ((*loaded)->inputs, written.inputs);
}

TEST_F(SmoothingFile, EveryMisfitIsOneErrorThatNamesTheFile) {
  const std::pair<const char*, const char*> bad[] = {
      {R"({"format":2,"inputs":[[0,0,0],[0,0,0]]})", "`format`"},
      {R"({"format":1})", "list of 2 lists"},
      {R"({"format":1,"inputs":[[0,0,0]]})", "list of 2 lists"},
      {R"({"format":1,"inputs":[[0,0,0],[0,0]]})", "lists of 3 integers"},
      {R"({"format":1,"inputs":[[0,0,0],[0,0,13]]})", "-12..12"},
      {R"({"format":1,"inputs":[[0,0,0],[0,0,1.5]]})", "-12..12"},
      {R"({"format":1,"inputs":[[0,0,0],[0,0,"1"]]})", "-12..12"},
      {R"({"format":1,"inputs":[[0,0,0],)", "int8_smoothing.json"},
  };
  for (const auto& [text, part] : bad) {
    EXPECT_NE(message_for(text).find(part), std::string::npos) << text << ": " << message_for(text);
    EXPECT_NE(message_for(text).find(Smoothing::kFileName), std::string::npos) << message_for(text);
  }
}

// A saved encoder carries what was found, and computes the same numbers from it.
TEST_F(SmoothingFile, ASavedEncoderKeepsItsSmoothing) {
  const std::string source = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";
  const auto found = Encoder::load_body(source, {.precision = Precision::kInt8});
  ASSERT_TRUE(found.ok()) << found.error().message();
  ASSERT_TRUE(found->save(folder_).ok());
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/" + Smoothing::kFileName));
  const std::string other = folder_ + "/other";
  std::filesystem::create_directories(other);
  ASSERT_TRUE(found->save_for_other_weights(other).ok());
  EXPECT_TRUE(std::filesystem::exists(other + "/config.json"));
  EXPECT_FALSE(std::filesystem::exists(other + "/" + Smoothing::kFileName));
  const auto kept = Encoder::load_body(folder_, {.precision = Precision::kInt8});
  ASSERT_TRUE(kept.ok()) << kept.error().message();
  const std::vector<std::int32_t> ids = {2, 5, 9, 30, 3};
  const std::span<const std::int32_t> sequence(ids);
  std::vector<float> a(found->dimensions()), b(kept->dimensions());
  Encoder::Scratch scratch;
  found->embed({&sequence, 1}, scratch, a.data());
  kept->embed({&sequence, 1}, scratch, b.data());
  EXPECT_EQ(a, b);
  const auto f32 = Encoder::load_body(folder_);  // which the file does not concern
  ASSERT_TRUE(f32.ok());
  f32->embed({&sequence, 1}, scratch, b.data());
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace smidgen
