// Encoder::Climb against embed(), and against encoders that end at the inner layer.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/model/encoder.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/";

using Sequences = std::vector<std::vector<std::int32_t>>;

Sequences random_sequences(const Encoder& encoder, std::size_t count) {
  Random random(7);
  Sequences sequences(count);
  for (auto& ids : sequences)
    for (std::size_t i = 1 + random.below(encoder.tokens_max()); i-- > 0;)
      ids.push_back(static_cast<std::int32_t>(random.below(encoder.vocabulary_size())));
  return sequences;
}

std::vector<std::span<const std::int32_t>> spans(const Sequences& sequences) {
  return {sequences.begin(), sequences.end()};
}

struct Case {
  std::string folder;
  Precision precision;
};

class EveryBody : public testing::TestWithParam<Case> {
 protected:
  Encoder load() const {
    auto encoder = Encoder::load_body(GetParam().folder, {.precision = GetParam().precision});
    EXPECT_TRUE(encoder.ok()) << encoder.error().message();
    return std::move(*encoder);
  }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8})
    for (const char* name : {"tiny_bert", "architectures/electra-tokens", "architectures/modernbert-tokens",
                             "architectures/roberta-tokens"})
      all.push_back({kGolden + name, precision});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Bodies, EveryBody, testing::ValuesIn(cases()), [](const auto& tested) {
  std::string name =
      fs::path(tested.param.folder).filename().string() + "_" + std::string(precision_name(tested.param.precision));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_P(EveryBody, GivesTheSameInParts) {
  const Encoder encoder = load();
  const std::size_t n = encoder.dimensions(), layers = encoder.config().body.layers;
  const Sequences sequences = random_sequences(encoder, 40);
  const auto all = spans(sequences);
  Encoder::Scratch scratch;
  std::vector<float> whole(all.size() * n), part(whole.size());
  encoder.embed(all, scratch, whole.data());
  for (std::size_t exit = 1; exit < layers; ++exit) {
    Encoder::Climb climb;
    encoder.start(all, climb);
    encoder.climb(exit, scratch, climb, part.data());
    EXPECT_EQ(climb.layers(), exit);
    const std::vector<float> at_exit = part;
    // Every third leaves; what goes on does not see it.
    std::vector<std::uint32_t> kept;
    for (std::uint32_t i = 0; i < all.size(); ++i)
      if (i % 3 != 1) kept.push_back(i);
    encoder.keep(kept, climb);
    ASSERT_EQ(climb.size(), kept.size());
    encoder.climb(layers, scratch, climb, part.data());
    for (std::size_t i = 0; i < kept.size(); ++i)
      for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(part[i * n + j], whole[kept[i] * n + j]) << exit << " " << i;
    // Alone or among others: the same at the exit.
    encoder.start(std::span(all).subspan(5, 1), climb);
    encoder.climb(exit, scratch, climb, part.data());
    for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(part[j], at_exit[5 * n + j]);
  }
}

// In f32 only: int8 measures its smoothing layer by layer, and the shorter encoder would have to be given the first
// layer's.
TEST(Climb, AnExitIsTheEncoderThatEndsThere) {
  const fs::path folder = fs::path(testing::TempDir()) / ("smidgen_climb_" + std::to_string(getpid()));
  for (const char* name : {"tiny_bert", "architectures/electra-tokens", "architectures/roberta-tokens"}) {
    fs::remove_all(folder);
    fs::copy(kGolden + name, folder, fs::copy_options::recursive);
    const auto encoder = Encoder::load_body(kGolden + name);
    ASSERT_TRUE(encoder.ok()) << encoder.error().message();
    std::string config = *read_file((folder / "config.json").string(), 1 << 20);
    const std::string key = "\"num_hidden_layers\": 2";
    const std::size_t at = config.find(key);
    ASSERT_NE(at, std::string::npos) << name;
    config.replace(at + key.size() - 1, 1, "1");
    std::ofstream(folder / "config.json") << config;
    const auto shorter = Encoder::load_body(folder.string());
    ASSERT_TRUE(shorter.ok()) << shorter.error().message();
    const Sequences sequences = random_sequences(*encoder, 10);
    Encoder::Scratch scratch;
    std::vector<float> wanted(10 * encoder->dimensions()), got(wanted.size());
    shorter->embed(spans(sequences), scratch, wanted.data());
    Encoder::Climb climb;
    encoder->start(spans(sequences), climb);
    encoder->climb(1, scratch, climb, got.data());
    EXPECT_EQ(got, wanted) << name;
  }
  fs::remove_all(folder);
}

TEST(Climb, MayLoseEverySequence) {
  const auto encoder = Encoder::load_body(kGolden + "tiny_bert");
  const Sequences sequences = random_sequences(*encoder, 3);
  Encoder::Scratch scratch;
  Encoder::Climb climb;
  std::vector<float> out(3 * encoder->dimensions());
  encoder->start(spans(sequences), climb);
  encoder->keep(std::vector<std::uint32_t>{0, 2}, climb);  // before any layer, too
  encoder->climb(1, scratch, climb, out.data());
  encoder->keep({}, climb);
  EXPECT_EQ(climb.size(), 0U);
  encoder->climb(2, scratch, climb, out.data());
}

}  // namespace
}  // namespace smidgen
