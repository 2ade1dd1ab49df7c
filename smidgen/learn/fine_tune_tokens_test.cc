// Spans: gradients of encoder, token types and head against the reference framework
// (tests/golden/make_span_gradients.py) and finite differences; threads and a kill change no bit.
#include "smidgen/learn/fine_tune_tokens.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "smidgen/base/random.h"
#include "smidgen/model/encoder_body.h"
#include "smidgen/tensor/safetensors.h"
#include "tests/golden_gradients.h"

namespace smidgen {
namespace {

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden";
const std::string kTiny = kGolden + "/tiny_bert";
constexpr std::size_t kWidth = 24;

SoftmaxHead some_head(Random& random) {
  SoftmaxHead head{2, kWidth, std::vector<float>(2 * kWidth), std::vector<float>(2)};
  for (float& weight : head.weights) weight = static_cast<float>(0.3 * random.normal());
  for (float& bias : head.bias) bias = static_cast<float>(0.3 * random.normal());
  return head;
}

// Windows whose answer follows the word 7, which stands once in each, or is missing.
SpanRows some_rows(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  SpanRows rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t length = 6 + random.below(20), answer = random.below(4) == 0 ? 0 : 3 + random.below(length - 3);
    std::vector<std::int32_t> ids = {2};
    while (ids.size() < length) ids.push_back(static_cast<std::int32_t>(8 + random.below(50)));
    if (answer > 0) ids[answer] = 7;
    rows.types.emplace_back(length, std::uint8_t{1});
    std::fill_n(rows.types.back().begin(), 3, std::uint8_t{0});
    rows.ids.push_back(std::move(ids));
    rows.starts.push_back(static_cast<std::uint32_t>(answer));
    rows.ends.push_back(static_cast<std::uint32_t>(answer));
  }
  return rows;
}

struct Batch {
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> types;
  std::vector<std::size_t> lengths;
  std::vector<std::uint32_t> starts, ends;
  TypedSequences sequences() const { return {ids, types, lengths}; }
};

Batch joined(const SpanRows& rows) {
  Batch batch{{}, {}, {}, rows.starts, rows.ends};
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    batch.ids.insert(batch.ids.end(), rows.ids[i].begin(), rows.ids[i].end());
    batch.types.insert(batch.types.end(), rows.types[i].begin(), rows.types[i].end());
    batch.lengths.push_back(rows.ids[i].size());
  }
  return batch;
}

// Keeps the states; minimises nothing.
class StatesOf : public TokenLoss {
 public:
  explicit StatesOf(const Batch& batch) : batch_(batch), states(batch.ids.size() * kWidth) {}
  double run(std::size_t first, std::size_t count, const float* from, float* d_states) override {
    std::size_t before = 0, tokens = 0;
    for (std::size_t i = 0; i < first; ++i) before += batch_.lengths[i];
    for (std::size_t i = first; i < first + count; ++i) tokens += batch_.lengths[i];
    std::copy_n(from, tokens * kWidth, states.begin() + static_cast<std::ptrdiff_t>(before * kWidth));
    std::fill_n(d_states, tokens * kWidth, 0.0F);
    return 0;
  }

 private:
  const Batch& batch_;

 public:
  std::vector<float> states;
};

TEST(SpanTuning, StatesAreThoseOfInference) {
  const Batch batch = joined(some_rows(9, 1));
  ThreadPool pool(2);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool, true);
  ASSERT_TRUE(encoder.ok()) << encoder.error().message();
  StatesOf got(batch);
  encoder->token_gradients(batch.sequences(), got, 0, 0);
  const auto file = Safetensors::open(kTiny + "/model.safetensors");
  ASSERT_TRUE(file.ok());
  const auto body = EncoderBody::load(encoder->config().body, *file, kernels());
  ASSERT_TRUE(body.ok()) << body.error().message();
  EncoderBody::Scratch scratch;
  body->forward({batch.ids, batch.types, batch.lengths}, scratch);
  for (std::size_t i = 0; i < got.states.size(); ++i) ASSERT_NEAR(got.states[i], scratch.output().f32()[i], 1e-5) << i;
}

class SpanTuningIsa : public testing::TestWithParam<const Kernels*> {};
INSTANTIATE_TEST_SUITE_P(Isa, SpanTuningIsa, testing::ValuesIn(available_kernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

TEST_P(SpanTuningIsa, GradientsEqualTheReference) {
  const auto file = Safetensors::open(kGolden + "/tiny_bert_span_gradients.safetensors");
  ASSERT_TRUE(file.ok());
  const auto integers = [&](const char* name) { return golden_integers(*file, name); };
  const auto kinds = integers("types"), lengths = integers("lengths"), starts = integers("starts"),
             ends = integers("ends");
  const Batch batch{integers("ids"),
                    {kinds.begin(), kinds.end()},
                    {lengths.begin(), lengths.end()},
                    {starts.begin(), starts.end()},
                    {ends.begin(), ends.end()}};
  const SoftmaxHead head{2, kWidth, *file->floats("head weight", {2, kWidth}), *file->floats("head bias", {2})};
  ThreadPool pool(2);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, *GetParam(), pool, true);
  ASSERT_TRUE(encoder.ok());
  SpanLoss loss(head, batch.lengths, batch.starts, batch.ends);
  EXPECT_NEAR(encoder->token_gradients(batch.sequences(), loss, 0, 0), file->floats("loss", {1})->front(), 1e-5);
  std::vector<float> d_weights(2 * kWidth), d_bias(2);
  loss.head_gradients(d_weights, d_bias);
  expect_gradient("head weight", d_weights, *file->floats("gradient qa_outputs.weight", {2, kWidth}));
  expect_gradient("head bias", d_bias, *file->floats("gradient qa_outputs.bias", {2}));
  expect_golden_gradients(*encoder, *file);
  const auto views = encoder->parameters();
  EXPECT_TRUE(std::any_of(views.begin(), views.end(),
                          [](const auto& view) { return view.name.find("token_type") != std::string::npos; }));
}

TEST_P(SpanTuningIsa, GradientsInBf16PointTheSameWay) {
  Random random(3);
  const Batch batch = joined(some_rows(16, 2));
  const SoftmaxHead head = some_head(random);
  ThreadPool pool(2);
  std::vector<std::vector<float>> gradients;
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    auto encoder = TrainableEncoder::load(kTiny, precision, *GetParam(), pool, true);
    ASSERT_TRUE(encoder.ok());
    SpanLoss loss(head, batch.lengths, batch.starts, batch.ends);
    encoder->token_gradients(batch.sequences(), loss, 0.1, 5);
    gradients.push_back(all_gradients(*encoder));
  }
  expect_same_direction(gradients[0], gradients[1], 0.998, 0.03);
}

TEST(SpanTuning, GradientsAreTheDerivativeUnderDropout) {
  Random random(4);
  const Batch batch = joined(some_rows(6, 3));
  SoftmaxHead head = some_head(random);
  ThreadPool pool(1);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kScalarKernels, pool, true);
  ASSERT_TRUE(encoder.ok());
  std::vector<float> d_weights(2 * kWidth), d_bias(2);
  const auto run = [&] {
    SpanLoss loss(head, batch.lengths, batch.starts, batch.ends);
    const double value = encoder->token_gradients(batch.sequences(), loss, 0.2, 77);
    loss.head_gradients(d_weights, d_bias);
    return value;
  };
  for (int trial = 0; trial < 4; ++trial) {
    run();
    std::vector<std::pair<std::span<float>, std::vector<float>>> moves;  // values, and where they go
    double claimed = 0;
    const auto add = [&](std::span<float> values, std::span<const float> gradient) {
      std::vector<float> move(values.size());
      for (std::size_t i = 0; i < move.size(); ++i) {
        move[i] = static_cast<float>(random.normal());
        claimed += static_cast<double>(gradient[i]) * move[i];
      }
      moves.emplace_back(values, std::move(move));
    };
    for (const auto& view : encoder->parameters()) add(view.value, view.gradient);
    add(head.weights, std::vector<float>(d_weights));
    add(head.bias, std::vector<float>(d_bias));
    const auto loss_at = [&](float step) {
      for (auto& [values, move] : moves)
        for (std::size_t i = 0; i < move.size(); ++i) values[i] += step * move[i];
      encoder->refresh();
      const double value = run();
      for (auto& [values, move] : moves)
        for (std::size_t i = 0; i < move.size(); ++i) values[i] -= step * move[i];
      encoder->refresh();
      return value;
    };
    // Steps so long that the rounding of a loss (1e-7 of it) does not show; their curvature cancels (Richardson).
    const auto central = [&](float step) { return (loss_at(step) - loss_at(-step)) / (2 * static_cast<double>(step)); };
    const double slope = (4 * central(4e-4F) - central(8e-4F)) / 3;
    EXPECT_NEAR(claimed, slope, 1e-3 * std::max(1.0, std::fabs(slope)));
  }
}

struct Tuned {
  FineTuneReport report;
  SoftmaxHead head;
  std::vector<float> weights;
};

Tuned tune(std::size_t threads, const FineTuneOptions& options, const Watcher& watcher = {}) {
  ThreadPool pool(threads);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool, true);
  Tuned tuned{{}, random_head(2, kWidth, 1), {}};
  const SpanRows rows = some_rows(200, 5);
  auto report = fine_tune(*encoder, tuned.head, rows, options, watcher);
  if (report.ok()) tuned.report = *std::move(report);
  for (const auto& view : encoder->parameters())
    tuned.weights.insert(tuned.weights.end(), view.value.begin(), view.value.end());
  return tuned;
}

FineTuneOptions quick() {
  FineTuneOptions options;
  options.epochs = 15;
  options.batch_rows = 16;
  options.rate = 3e-3;
  options.head_rate = 1e-2;
  return options;
}

TEST(SpanTuning, LearnsWhereTheAnswerStandsAndWhenThereIsNone) {
  const Tuned tuned = tune(2, quick());
  ASSERT_EQ(tuned.report.epochs.size(), 15U);
  EXPECT_LT(tuned.report.epochs.front().accuracy, 0.6);
  EXPECT_GT(tuned.report.epochs.back().accuracy, 0.95);
  EXPECT_LT(tuned.report.epochs.back().loss, 0.3);
}

TEST(SpanTuning, ThreadsChangeNoBit) {
  FineTuneOptions options = quick();
  options.epochs = 2;
  const Tuned one = tune(1, options), three = tune(3, options);
  EXPECT_EQ(one.weights, three.weights);
  EXPECT_EQ(one.head.weights, three.head.weights);
  EXPECT_EQ(one.report.epochs.back().loss, three.report.epochs.back().loss);
}

TEST(SpanTuning, GoesOnWhereItWasStopped) {
  FineTuneOptions options = quick();
  options.epochs = 3;
  const Tuned whole = tune(2, options);
  options.checkpoint = testing::TempDir() + "/smidgen_span_" + std::to_string(::getpid()) + ".checkpoint";
  std::filesystem::remove(options.checkpoint);
  Watcher watcher;
  int steps = 0;
  watcher.cancelled = [&] { return ++steps >= 17; };
  tune(2, options, watcher);
  const Tuned again = tune(2, options);
  EXPECT_EQ(again.report.resumed_steps, 17U);
  EXPECT_EQ(again.weights, whole.weights);
  EXPECT_EQ(again.head.weights, whole.head.weights);
  std::filesystem::remove(options.checkpoint);
}

}  // namespace
}  // namespace smidgen
