// Every architecture against transformers (tests/golden/make_architectures.py), and what a body promises beside its
// numbers.
#include "smidgen/model/encoder_body.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "smidgen/base/crew.h"
#include "smidgen/base/file.h"
#include "smidgen/model/encoder_heads.h"
#include "tests/kernels/emulated_kernels.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

// SMIDGEN_ARCHITECTURES: other models made by the same script, of the shapes people use (tests/architectures_test.py).
fs::path models_folder() {
  const char* set = std::getenv("SMIDGEN_ARCHITECTURES");
  return set != nullptr ? fs::path(set) : fs::path(SMIDGEN_SOURCE_DIR) / "tests" / "golden" / "architectures";
}
bool committed_models() {
  return std::getenv("SMIDGEN_ARCHITECTURES") == nullptr;
}
constexpr double kTolerance = 1e-4;  // the promise; the tiny models' hidden states are within 2e-5

// The tables a test runs: all for the tiny models, the best for large ones.
std::vector<const Kernels*> tables() {
  if (!committed_models()) return {available_kernels().back()};
  return available_and_emulated_kernels();
}

template <class T>
std::vector<T> integers(const Safetensors& file, const char* name) {
  const TensorView* view = file.find(name);
  std::vector<std::int32_t> raw(view->count());
  std::memcpy(raw.data(), view->bytes.data(), view->bytes.size());
  return {raw.begin(), raw.end()};
}

// A model of the golden folder, and what the reference gave for it.
struct Golden {
  BodyConfig config;
  std::optional<EncoderBody> body;
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> types;
  std::vector<std::size_t> lengths;
  std::vector<float> hidden;

  Golden(const std::string& name, const Kernels& kernels, Precision precision = Precision::kF32) {
    const std::string folder = (models_folder() / name).string();
    config = *BodyConfig::from_json(*read_file(folder + "/config.json", 1 << 20));
    const auto weights = Safetensors::open(folder + "/model.safetensors");
    auto loaded = EncoderBody::load(config, *weights, kernels, precision);
    EXPECT_TRUE(loaded.ok()) << loaded.error().message();
    body = *std::move(loaded);
    const auto expected = Safetensors::open(folder + "/expected.safetensors");
    ids = integers<std::int32_t>(*expected, "ids");
    types = integers<std::uint8_t>(*expected, "types");
    lengths = integers<std::size_t>(*expected, "lengths");
    hidden = *expected->floats("hidden", {ids.size(), config.hidden});
  }

  std::vector<float> run(const EncoderBody::Batch& batch) const {
    EncoderBody::Scratch scratch;
    body->forward(batch, scratch);
    const float* out = scratch.output().f32();
    return {out, out + batch.ids.size() * config.hidden};
  }
};

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, std::fabs(double{a[i]} - double{b[i]}));
  return largest;
}

std::vector<std::string> models() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(models_folder())) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

class EveryArchitecture : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Model, EveryArchitecture, testing::ValuesIn(models()), [](const auto& tested) {
  std::string name = tested.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_P(EveryArchitecture, EqualsTheReference) {
  for (const Kernels* kernels : tables()) {
    const Golden golden(GetParam(), *kernels);
    const double difference = largest_difference(golden.run({golden.ids, golden.types, golden.lengths}), golden.hidden);
    EXPECT_LT(difference, committed_models() ? 2e-5 : kTolerance) << kernels->name;
    RecordProperty(std::string("hidden_") + kernels->name, std::to_string(difference));
  }
}

TEST_P(EveryArchitecture, ItsHeadGivesTheLogitsOfTheReference) {
  for (const Kernels* kernels : tables()) {
    const Golden golden(GetParam(), *kernels);
    const std::string folder = (models_folder() / GetParam()).string();
    const auto encoder = HeadedEncoder::load(folder, kernels);
    ASSERT_TRUE(encoder.ok()) << encoder.error().message();
    HeadedEncoder::Scratch scratch;
    encoder->forward({golden.ids, golden.types, golden.lengths}, scratch);
    const Activations& logits = scratch.logits();
    const bool each = encoder->head_config().kind == HeadKind::kSequence;
    ASSERT_EQ(logits.rows(), each ? golden.lengths.size() : golden.ids.size());
    ASSERT_EQ(logits.width(), encoder->head_config().labels.size());
    const auto expected = Safetensors::open(folder + "/expected.safetensors");
    const auto wanted = expected->floats("logits", {logits.rows(), logits.width()});
    ASSERT_TRUE(wanted.ok()) << wanted.error().message();
    const std::span<const float> got(logits.f32(), logits.rows() * logits.width());
    EXPECT_LT(largest_difference(got, *wanted), kTolerance) << kernels->name;
    RecordProperty(std::string("logits_") + kernels->name, std::to_string(largest_difference(got, *wanted)));
    double spread = 0;  // of the reference: all logits alike would be no test
    for (const float value : *wanted) spread = std::max(spread, std::fabs(double{value} - double{wanted->front()}));
    EXPECT_GT(spread, 0.05);
  }
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

// The seeded weights are harder than trained ones: rows of 24 numbers, some of them far from the others.
TEST_P(EveryArchitecture, IsCloseToTheReferenceInLowPrecision) {
  for (const Kernels* kernels : tables())
    for (const auto& [precision, wanted] : {std::pair{Precision::kBf16, 0.9999}, std::pair{Precision::kInt8, 0.997}}) {
      const Golden golden(GetParam(), *kernels, precision);
      EXPECT_GT(cosine(golden.run({golden.ids, golden.types, golden.lengths}), golden.hidden), wanted)
          << kernels->name << ' ' << precision_name(precision);
    }
}

// The label of each sequence by a head of seven labels on the mean of its tokens.
std::vector<std::size_t> labels_of(const Golden& golden) {
  constexpr std::size_t kLabels = 7;
  const std::vector<float> hidden = golden.run({golden.ids, golden.types, golden.lengths});
  const std::size_t width = golden.config.hidden;
  std::vector<std::size_t> labels;
  std::size_t row = 0;
  for (const std::size_t length : golden.lengths) {
    std::vector<double> logits(kLabels);
    for (const std::size_t end = row + length; row < end; ++row)
      for (std::size_t i = 0; i < width; ++i)
        for (std::size_t label = 0; label < kLabels; ++label)
          logits[label] += hidden[row * width + i] * std::sin(static_cast<double>((i + 1) * (label + 3)));
    labels.push_back(static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return labels;
}

// What is certified on one processor runs on others: the integer sums are equal, the rest differs in the last place.
TEST_P(EveryArchitecture, GivesTheSameLabelsOnEveryPath) {
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    const std::vector<std::size_t> wanted = labels_of(Golden(GetParam(), *tables().front(), precision));
    for (const Kernels* kernels : tables())
      EXPECT_EQ(labels_of(Golden(GetParam(), *kernels, precision)), wanted)
          << kernels->name << ' ' << precision_name(precision);
  }
}

void expect_independence(const Golden& golden, const std::string& what) {
  const std::vector<float> together = golden.run({golden.ids, golden.types, golden.lengths});
  std::size_t first = 0;
  for (const std::size_t length : golden.lengths) {
    const std::span ids(golden.ids);
    const std::vector<float> alone =
        golden.run({ids.subspan(first, length), std::span(golden.types).subspan(first, length), std::span(&length, 1)});
    const float* there = together.data() + first * golden.config.hidden;
    ASSERT_TRUE(std::equal(alone.begin(), alone.end(), there)) << what << ", " << length << " tokens";
    first += length;
  }
}

TEST_P(EveryArchitecture, ASequenceDoesNotDependOnItsNeighbours) {
  for (const Kernels* kernels : tables())
    for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8})
      expect_independence(Golden(GetParam(), *kernels, precision),
                          kernels->name + (" " + std::string(precision_name(precision))));
}

TEST_P(EveryArchitecture, IsTheSameWhenSeveralCoresGoThroughItTogether) {
  for (const Kernels* table : tables())
    for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
      const Golden golden(GetParam(), *table, precision);
      const EncoderBody::Batch batch = {golden.ids, golden.types, golden.lengths};
      const std::vector<float> alone = golden.run(batch);
      for (const std::size_t cores : {2, 3}) {
        Crew crew(cores, /*for_all=*/true), late(cores);
        EncoderBody::Scratch scratch;
        for (int pass = 0; pass < 8; ++pass) {
          scratch.use(pass % 2 == 0 ? &crew : &late);
          golden.body->forward(batch, scratch);
          const std::span<const float> together(scratch.output().f32(), alone.size());
          ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin())) << table->name << ' ' << cores;
        }
        const std::size_t half = golden.config.layers / 2;  // in two parts
        golden.body->run(batch, 0, half, scratch);
        golden.body->run(batch, half, golden.config.layers, scratch);
        const std::span<const float> in_parts(golden.body->exit_rows(scratch), alone.size());
        ASSERT_TRUE(std::equal(alone.begin(), alone.end(), in_parts.begin())) << table->name << ' ' << cores;
      }
    }
}

TEST(EncoderBody, TheGoldenFolderHasEveryArchitecture) {
  if (!committed_models()) GTEST_SKIP() << "SMIDGEN_ARCHITECTURES names other models";
  std::vector<std::string_view> seen;
  for (const std::string& name : models()) {
    const auto config = BodyConfig::from_json(*read_file((models_folder() / name / "config.json").string(), 1 << 20));
    ASSERT_TRUE(config.ok()) << config.error().message();
    seen.push_back(to_string(config->architecture));
  }
  for (const char* name : {"bert", "distilbert", "roberta", "xlm-roberta", "electra", "modernbert"})
    EXPECT_NE(std::find(seen.begin(), seen.end(), name), seen.end()) << name;
}

TEST(EncoderBody, TokenTypesAreThoseOfTheFirstUnlessGiven) {
  if (!committed_models()) GTEST_SKIP() << "SMIDGEN_ARCHITECTURES names other models";
  const Golden golden("bert-questions", kScalarKernels);
  const std::vector<std::uint8_t> zeros(golden.ids.size(), 0);
  const std::vector<float> none = golden.run({golden.ids, {}, golden.lengths});
  EXPECT_EQ(none, golden.run({golden.ids, zeros, golden.lengths}));
  EXPECT_GT(largest_difference(none, golden.hidden), 0.01);
}

// The window changes something, so that EqualsTheReference tests it.
TEST(EncoderBody, LocalAttentionLooksNoFurtherThanItsWindow) {
  constexpr std::size_t kTokens = 11, kHeads = 2, kHeadDim = 4, kWindow = 3;
  std::vector<float> qkv(kTokens * 3 * kHeads * kHeadDim), workspace(attention_workspace(kTokens, kHeadDim));
  for (std::size_t i = 0; i < qkv.size(); ++i) qkv[i] = std::sin(static_cast<float>(i * i % 97));
  const auto attended = [&](std::size_t window) {
    std::vector<float> out(kTokens * kHeads * kHeadDim);
    AttentionCall call{qkv.data(), kTokens, kHeads, kHeadDim, kHeads * kHeadDim, 0.5F, out.data(), workspace.data()};
    window == 0 ? kScalarKernels.attention(call) : local_attention(kScalarKernels, call, window);
    return out;
  };
  EXPECT_LT(largest_difference(attended(0), attended(kTokens)), 1e-6);  // all are in the window: plain attention
  const std::vector<float> before = attended(kWindow);
  qkv[(kTokens - 1) * 3 * kHeads * kHeadDim + 2 * kHeads * kHeadDim] += 1;  // a value of the last token
  const std::vector<float> after = attended(kWindow);
  for (std::size_t i = 0; i < kTokens; ++i)
    EXPECT_EQ(before[i * kHeads * kHeadDim] != after[i * kHeads * kHeadDim], i + kWindow >= kTokens - 1) << i;
}

TEST(Rotary, ScoresDependOnDistancesOnly) {
  constexpr std::size_t kTokens = 9, kHeadDim = 6;
  const Rotary rotary(100, kTokens, kHeadDim);
  std::vector<float> qkv(kTokens * 3 * kHeadDim);
  for (std::size_t i = 0; i < qkv.size(); ++i) qkv[i] = static_cast<float>(i % kHeadDim) - 1.5F;  // all tokens alike
  rotary.rotate(qkv.data(), 0, 2, 1);
  rotary.rotate(qkv.data() + 2 * 3 * kHeadDim, 2, kTokens - 2, 1);
  const auto score = [&](std::size_t query, std::size_t key) {
    return std::inner_product(&qkv[query * 3 * kHeadDim], &qkv[query * 3 * kHeadDim] + kHeadDim,
                              &qkv[key * 3 * kHeadDim + kHeadDim], 0.0);
  };
  for (std::size_t i = 1; i + 3 < kTokens; ++i) EXPECT_NEAR(score(i, i + 3), score(0, 3), 1e-5);
  EXPECT_GT(std::fabs(score(0, 3) - score(0, 2)), 0.1);
  for (std::size_t i = 0; i < kHeadDim; ++i)
    EXPECT_EQ(qkv[4 * 3 * kHeadDim + 2 * kHeadDim + i], static_cast<float>(i) - 1.5F) << "values stay";
}

TEST(Activation, ByNameAndByFormula) {
  const float x[] = {-4, -1, -0.3F, 0, 0.2F, 1, 5};
  const auto all = [&](Activation activation) {
    std::vector<float> y(std::begin(x), std::end(x));
    activate(kScalarKernels, activation, y.data(), y.size());
    return y;
  };
  // torch 2.15: gelu(x), gelu(x, approximate="tanh").
  const float gelu[] = {-0.00012648F, -0.15865526F, -0.11462658F, 0, 0.11585194F, 0.84134471F, 4.99999905F};
  const float tanh_form[] = {-0.00007021F, -0.15880799F, -0.11462908F, 0, 0.11585142F, 0.84119201F, 4.99999952F};
  EXPECT_LT(largest_difference(all(*activation_by_name("gelu")), gelu), 1e-6);
  EXPECT_LT(largest_difference(all(*activation_by_name("gelu_new")), tanh_form), 1e-6);
  EXPECT_EQ(all(*activation_by_name("relu")), (std::vector<float>{0, 0, 0, 0, 0.2F, 1, 5}));
  EXPECT_FLOAT_EQ(all(*activation_by_name("tanh"))[1], std::tanh(-1.0F));
  EXPECT_FALSE(activation_by_name("silu"));
  EXPECT_FALSE(activation_by_name(""));
}

}  // namespace
}  // namespace smidgen
