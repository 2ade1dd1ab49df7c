// Exits: rungs that answer from inner layers, in one climb with the encoder above them, in memory and in a bundle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/base/sha256.h"
#include "smidgen/model/bundle_json.h"
#include "smidgen/model/classifier.h"
#include "smidgen/model/encoder_rung.h"
#include "smidgen/model/fake_rung.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

constexpr std::size_t kLabels = 3;
const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/";

std::vector<std::string> many_texts() {
  const std::vector<std::string> words = {"hello", "world", "the", "cat", "sat", "refund", "zebra", "a", "good", "!"};
  Random random(3);
  std::vector<std::string> texts = {"", "\xff\xfe broken bytes"};
  while (texts.size() < 150) {
    std::string text;
    for (std::size_t i = random.below(60); i-- > 0;) text += words[random.below(words.size())] + " ";
    texts.push_back(std::move(text));
  }
  return texts;
}

SoftmaxHead random_head(std::size_t dimensions, std::uint64_t seed) {
  Random random(seed);
  SoftmaxHead head{kLabels, dimensions, std::vector<float>(kLabels * dimensions), std::vector<float>(kLabels)};
  for (float& value : head.weights) value = static_cast<float>(random.normal());
  return head;
}

// linear, an exit after the first of two layers, and the encoder: each lets some rows leave.
Bundle with_exit(Precision precision) {
  Bundle bundle;
  bundle.info.task = "classification";
  bundle.info.labels = {"a", "b", "c"};
  bundle.info.precision = precision;
  bundle.info.policy.stages = {
      {{0.3F}, {}, 0.6}, {{0.2F, 1.0F}, {}, 0.7}, {{0.1F, 0.5F, 1.0F}, {0.1F, 0.0F, 0.0F}, 0.5}};
  auto loaded = Encoder::load(kGolden + "tiny_bert", {.precision = precision});
  EXPECT_TRUE(loaded.ok());
  const auto encoder = std::make_shared<const Encoder>(std::move(*loaded));
  bundle.info.rungs = {{"linear", RungKind::kLinear, "linear"},
                       {"exit_1", RungKind::kEncoder, "exit_1", encoder->tokens_max(), 1},
                       {"encoder", RungKind::kEncoder, "encoder", encoder->tokens_max()}};
  bundle.rungs.push_back(std::make_unique<FakeRung>(RungKind::kLinear, "linear", kLabels));
  bundle.rungs.push_back(std::move(*EncoderRung::create(encoder, random_head(encoder->dimensions(), 1), 1)));
  bundle.rungs.push_back(std::move(*EncoderRung::create(encoder, random_head(encoder->dimensions(), 2))));
  return bundle;
}

// What each rung says by itself, (texts, rungs, labels).
std::vector<float> scores_one_by_one(const Bundle& bundle, std::span<const std::string_view> texts) {
  std::vector<float> out(texts.size() * bundle.rungs.size() * kLabels);
  for (std::size_t row = 0; row < texts.size(); ++row)
    for (std::size_t rung = 0; rung < bundle.rungs.size(); ++rung) {
      TextBatch batch(texts.subspan(row, 1));
      const auto scratch = bundle.rungs[rung]->make_scratch();
      const std::uint32_t first = 0;
      bundle.rungs[rung]->score(batch, {&first, 1}, *scratch,
                                std::span(out).subspan((row * bundle.rungs.size() + rung) * kLabels, kLabels));
    }
  return out;
}

class EveryPrecision : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Exits, EveryPrecision, testing::Values(Precision::kF32, Precision::kBf16, Precision::kInt8),
                         [](const auto& tested) { return std::string(precision_name(tested.param)); });

TEST_P(EveryPrecision, OneClimbSaysWhatEachRungSaysAlone) {
  const Classifier classifier = Classifier::of(with_exit(GetParam()));
  const std::vector<std::string> owned = many_texts();
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  const std::vector<float> wanted = scores_one_by_one(classifier.bundle(), texts);
  auto session = classifier.session();
  std::vector<float> scores;
  session.score_all(texts, scores);
  EXPECT_EQ(scores, wanted);
  // In a cascade, where rows leave at every rung, in batches of every size, and again with the same session.
  std::vector<int> left_at(3);
  int escalated = 0;
  for (const std::size_t size : {texts.size(), std::size_t{1}, std::size_t{7}, std::size_t{64}}) {
    for (std::size_t first = 0; first < texts.size(); first += size) {
      const std::size_t count = std::min(size, texts.size() - first);
      const auto answers = session.classify(std::span(texts).subspan(first, count));
      for (std::size_t i = 0; i < count; ++i) {
        std::vector<float> probabilities(kLabels);
        const Decision want = classifier.bundle().info.policy.decide(
            std::span(wanted).subspan((first + i) * 3 * kLabels, 3 * kLabels), probabilities);
        ASSERT_EQ(answers[i].decision.stage, want.stage);
        ASSERT_EQ(answers[i].decision.confidence, want.confidence);
        ASSERT_EQ(answers[i].decision.escalated, want.escalated);
        ASSERT_EQ(std::vector<float>(answers[i].probabilities.begin(), answers[i].probabilities.end()), probabilities);
        ++left_at[want.stage];
        escalated += want.escalated ? 1 : 0;
      }
    }
  }
  for (const int rows : left_at) EXPECT_GT(rows, 100) << "the test must see every way out";
  EXPECT_GT(escalated, 20);
  EXPECT_LT(escalated, left_at[2]);
}

// A row that is cut is cut once, wherever it leaves.
TEST(Exits, CountCutRowsOnce) {
  Bundle bundle = with_exit(Precision::kF32);
  bundle.info.policy.stages[0].threshold = bundle.info.policy.stages[1].threshold = kNeverLeave;
  const Classifier classifier = Classifier::of(std::move(bundle));
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "cat ";
  const std::string_view view = text;
  auto session = classifier.session();
  session.classify({&view, 1});
  EXPECT_EQ(session.rows_cut(), 1U);
}

TEST(Exits, LieBelowTheLastLayer) {
  auto loaded = Encoder::load(kGolden + "tiny_bert");
  const auto encoder = std::make_shared<const Encoder>(std::move(*loaded));
  for (const std::size_t layers : {2, 3}) {
    const auto exit = EncoderRung::create(encoder, random_head(encoder->dimensions(), 1), layers);
    ASSERT_FALSE(exit.ok());
    EXPECT_EQ(exit.error().kind(), ErrorKind::kBadData);
    EXPECT_THAT(exit.error().message(), HasSubstr("`exit_after`"));
  }
}

class ExitBundle : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "smidgen_exits." + std::to_string(::getpid());
    fs::remove_all(root_);
    fs::create_directory(root_);
    folder_ = root_ + "/a.smidgen";
    made_ = with_exit(Precision::kInt8);
    made_.info.rungs.erase(made_.info.rungs.begin());  // the stand-in
    made_.rungs.erase(made_.rungs.begin());
    made_.info.policy.stages = {{{1.0F}, {}, 0.7}, {{0.5F, 1.0F}, {}, 0.0}};
    const Status saved = save(folder_, 0, 2);
    ASSERT_TRUE(saved.ok()) << saved.error().message();
  }
  void TearDown() override { fs::remove_all(root_); }

  // A bundle of rungs [first, last).
  Status save(const std::string& folder, std::size_t first, std::size_t last) const {
    BundleInfo info = made_.info;
    info.rungs = {made_.info.rungs.begin() + static_cast<std::ptrdiff_t>(first),
                  made_.info.rungs.begin() + static_cast<std::ptrdiff_t>(last)};
    if (last - first == 1) info.policy.stages = {{{1.0F}, {}, 0.0}};
    std::vector<const Rung*> rungs;
    for (std::size_t i = first; i < last; ++i) rungs.push_back(made_.rungs[i].get());
    return save_bundle(folder, true, info, rungs, std::nullopt, "# card\n");
  }
  std::string error_after(const std::function<void(json&)>& edit) const {
    const std::string path = folder_ + "/bundle.json", whole = *read_file(path, 1 << 20);
    json root = json::parse(whole);
    edit(root);
    std::ofstream(path, std::ios::binary) << root.dump();
    const auto bundle = Bundle::load(folder_);
    std::ofstream(path, std::ios::binary) << whole;
    if (bundle.ok()) return "no error";
    EXPECT_TRUE(bundle.error().kind() == ErrorKind::kBadData || bundle.error().kind() == ErrorKind::kNoInput);
    return bundle.error().message();
  }
  std::string root_, folder_;
  Bundle made_;
};

TEST_F(ExitBundle, HoldsTheEncoderOnceAndSaysTheSame) {
  const std::string exit_folder = folder_ + "/exit_1";
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(exit_folder)) names.push_back(entry.path().filename().string());
  EXPECT_EQ(names, std::vector<std::string>{"head.safetensors"});
  const auto loaded = Classifier::open(folder_);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(loaded->bundle().info.rungs[0].exit_after, 1U);
  EXPECT_EQ(loaded->bundle().info.rungs[1].exit_after, 0U);
  EXPECT_TRUE(loaded->bundle().rungs[1]->goes_on_from(*loaded->bundle().rungs[0]));
  const std::vector<std::string> owned = many_texts();
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  std::vector<float> got;
  loaded->session().score_all(texts, got);
  EXPECT_EQ(got, scores_one_by_one(made_, texts));
}

// Alone, or as the last of its encoder, an exit brings the encoder along.
TEST_F(ExitBundle, AnExitMayStandAlone) {
  const std::string alone = root_ + "/alone.smidgen";
  ASSERT_TRUE(save(alone, 0, 1).ok());
  const auto loaded = Classifier::open(alone);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_EQ(loaded->bundle().rungs[0]->exit_after(), 1U);
  const std::vector<std::string> owned = many_texts();
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  std::vector<float> got, both;
  loaded->session().score_all(texts, got);
  both = scores_one_by_one(made_, texts);
  for (std::size_t row = 0; row < texts.size(); ++row)
    for (std::size_t l = 0; l < kLabels; ++l) ASSERT_EQ(got[row * kLabels + l], both[row * 2 * kLabels + l]);
}

TEST_F(ExitBundle, WrongLayersAreRefusedByName) {
  for (const json& layers : {json(0), json(-1), json(1.5), json("1"), json(nullptr), json(2000), json::array({1})})
    EXPECT_THAT(error_after([&](json& m) { m["rungs"][0]["exit_after"] = layers; }), HasSubstr("`exit_after`"))
        << layers;
  for (const int layers : {2, 1000})
    EXPECT_THAT(error_after([&](json& m) { m["rungs"][0]["exit_after"] = layers; }),
                testing::AllOf(HasSubstr("exit_1"), HasSubstr("`exit_after` is"), HasSubstr("2 layers")));
  // Then it must hold an encoder of its own.
  EXPECT_NE(error_after([](json& m) { m["rungs"][0].erase("exit_after"); }), "no error");
  EXPECT_THAT(error_after([](json& m) { m["rungs"][1]["exit_after"] = 1; }),
              HasSubstr("`exit_after` must be rising: \"encoder\""));
  EXPECT_THAT(error_after([](json& m) {
                m["rungs"][1]["exit_after"] = 1;
                m["rungs"][0].erase("exit_after");
              }),
              HasSubstr("`exit_after` must be rising"));
  EXPECT_THAT(error_after([](json& m) {
                m["rungs"][0]["kind"] = "linear";
                m["rungs"][1].erase("exit_after");
              }),
              HasSubstr("\"exit_1\" is no encoder"));
  EXPECT_THAT(error_after([](json& m) { m["rungs"][0]["tokens_max"] = 5; }),
              testing::AllOf(HasSubstr("`tokens_max`"), HasSubstr("\"exit_1\"")));
  // Data, not a wrong command line.
  EXPECT_THAT(error_after([](json& m) { m["rungs"][0]["tokens_max"] = m["rungs"][1]["tokens_max"] = 100000; }),
              testing::AllOf(HasSubstr("bundle.json: tokens_max is 100000"), HasSubstr("the file is damaged")));
  EXPECT_TRUE(Bundle::load(folder_).ok());
}

TEST_F(ExitBundle, ADamagedHeadIsRefused) {
  const std::string path = folder_ + "/exit_1/head.safetensors", whole = *read_file(path, 1 << 20);
  std::string bad = whole;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  std::ofstream(path, std::ios::binary) << bad;
  EXPECT_THAT(error_after([](json&) {}), testing::AllOf(HasSubstr("exit_1/head.safetensors"), HasSubstr("SHA-256")));
  // Of other sizes, with its own right hash: what the hash cannot see.
  SoftmaxHead other{kLabels, 3, std::vector<float>(kLabels * 3), std::vector<float>(kLabels)};
  ASSERT_TRUE(other.save(path).ok());
  const std::string hash = *sha256_file(path);
  EXPECT_THAT(error_after([&](json& m) { m["files"]["exit_1/head.safetensors"] = hash; }),
              testing::AllOf(HasSubstr("exit_1"), HasSubstr("weight")));
  fs::remove(path);
  EXPECT_THAT(error_after([](json&) {}), HasSubstr("exit_1/head.safetensors"));
  EXPECT_THAT(error_after([](json& m) { m["files"].erase("exit_1/head.safetensors"); }), HasSubstr("head.safetensors"));
  std::ofstream(path, std::ios::binary) << whole;
  EXPECT_TRUE(Bundle::load(folder_).ok());
}

}  // namespace
}  // namespace smidgen
