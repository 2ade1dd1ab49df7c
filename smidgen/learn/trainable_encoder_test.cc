// The training pass: its embeddings are those of inference, its gradients those of the reference framework
// (tests/golden/make_gradients.py) and of finite differences, and threads change no bit.
#include "smidgen/learn/trainable_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "smidgen/base/random.h"
#include "smidgen/model/encoder.h"
#include "smidgen/tensor/safetensors.h"
#include "tests/golden_gradients.h"
#include "tests/kernels/emulated_kernels.h"

namespace smidgen {
namespace {

const std::string kGolden = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden";
const std::string kTiny = kGolden + "/tiny_bert";

// sum(embedding * direction): its derivative is the direction.
class DirectionLoss : public EmbeddingLoss {
 public:
  DirectionLoss(std::vector<float> directions, std::size_t dimensions)
      : directions_(std::move(directions)), dimensions_(dimensions) {}
  double run(std::size_t first, std::size_t count, const float* embeddings, float* d_embeddings) override {
    double loss = 0;
    for (std::size_t i = 0; i < count * dimensions_; ++i) {
      d_embeddings[i] = directions_[first * dimensions_ + i];
      loss += static_cast<double>(embeddings[i]) * d_embeddings[i];
    }
    return loss;
  }

 private:
  std::vector<float> directions_;
  std::size_t dimensions_;
};

struct Batch {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> lengths;
};
Batch random_batch(Random& random, std::size_t sequences) {
  Batch batch;
  for (std::size_t i = 0; i < sequences; ++i) {
    batch.lengths.push_back(1 + random.below(30));
    for (std::size_t j = 0; j < batch.lengths.back(); ++j)
      batch.ids.push_back(static_cast<std::int32_t>(random.below(64)));
  }
  return batch;
}
std::vector<float> random_directions(Random& random, std::size_t sequences) {
  std::vector<float> directions(sequences * 24);
  for (float& value : directions) value = static_cast<float>(random.normal());
  return directions;
}

TEST(TrainableEncoder, EmbedsAsInferenceDoes) {
  Random random(1);
  const Batch batch = random_batch(random, 12);
  ThreadPool pool(2);
  auto trainable = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
  ASSERT_TRUE(trainable.ok()) << trainable.error().message();
  std::vector<float> got(12 * 24), wanted(12 * 24);
  trainable->embed(batch.ids, batch.lengths, got.data());
  const auto encoder = Encoder::load_body(kTiny);
  ASSERT_TRUE(encoder.ok());
  std::vector<std::span<const std::int32_t>> sequences;
  std::size_t at = 0;
  for (const std::size_t length : batch.lengths) {
    sequences.push_back(std::span(batch.ids).subspan(at, length));
    at += length;
  }
  Encoder::Scratch scratch;
  encoder->embed(sequences, scratch, wanted.data());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], 2e-6);
}

class TrainableEncoderIsa : public testing::TestWithParam<const Kernels*> {};
INSTANTIATE_TEST_SUITE_P(Isa, TrainableEncoderIsa, testing::ValuesIn(available_and_emulated_kernels()),
                         [](const auto& tested) { return std::string(tested.param->name); });

TEST_P(TrainableEncoderIsa, GradientsEqualTheReference) {
  const auto file = Safetensors::open(kGolden + "/tiny_bert_gradients.safetensors");
  ASSERT_TRUE(file.ok());
  const auto integers = [&](const char* name) { return golden_integers(*file, name); };
  const std::vector<std::int32_t> ids = integers("ids"), counts = integers("lengths");
  const std::vector<std::size_t> lengths(counts.begin(), counts.end());
  DirectionLoss loss(*file->floats("directions", {lengths.size(), 24}), 24);
  ThreadPool pool(2);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, *GetParam(), pool);
  ASSERT_TRUE(encoder.ok());
  EXPECT_NEAR(encoder->gradients(ids, lengths, loss, 0, 0), file->floats("loss", {1})->front(), 1e-5);
  expect_golden_gradients(*encoder, *file);
}

TEST_P(TrainableEncoderIsa, GradientsInBf16PointTheSameWay) {
  Random random(6);
  const Batch batch = random_batch(random, 20);
  const std::vector<float> directions = random_directions(random, 20);
  ThreadPool pool(2);
  std::vector<std::vector<float>> gradients;
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    auto encoder = TrainableEncoder::load(kTiny, precision, *GetParam(), pool);
    ASSERT_TRUE(encoder.ok());
    DirectionLoss loss(directions, 24);
    encoder->gradients(batch.ids, batch.lengths, loss, 0.1, 5);
    gradients.push_back(all_gradients(*encoder));
  }
  expect_same_direction(gradients[0], gradients[1], 0.999, 0.02);
}

TEST(TrainableEncoder, GradientsAreTheDerivativeUnderDropout) {
  Random random(2);
  const Batch batch = random_batch(random, 6);
  const std::vector<float> directions = random_directions(random, 6);
  ThreadPool pool(1);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kScalarKernels, pool);
  ASSERT_TRUE(encoder.ok());
  DirectionLoss loss(directions, 24);
  const auto run = [&] { return encoder->gradients(batch.ids, batch.lengths, loss, 0.2, 77); };
  run();
  // Along a random direction in the space of all parameters but the words, whose gradient lies apart.
  for (int trial = 0; trial < 4; ++trial) {
    run();
    auto views = encoder->parameters();
    std::vector<std::vector<float>> moves;
    double claimed = 0;
    for (const auto& view : views) {
      std::vector<float> move(view.value.size());
      for (std::size_t i = 0; i < move.size(); ++i) {
        move[i] = static_cast<float>(random.normal());
        claimed += static_cast<double>(view.gradient[i]) * move[i];
      }
      moves.push_back(std::move(move));
    }
    const auto loss_at = [&](float step) {
      for (std::size_t v = 0; v < views.size(); ++v)
        for (std::size_t i = 0; i < moves[v].size(); ++i) views[v].value[i] += step * moves[v][i];
      encoder->refresh();
      const double value = run();
      for (std::size_t v = 0; v < views.size(); ++v)
        for (std::size_t i = 0; i < moves[v].size(); ++i) views[v].value[i] -= step * moves[v][i];
      encoder->refresh();
      return value;
    };
    const double slope = (loss_at(1e-4F) - loss_at(-1e-4F)) / 2e-4;
    EXPECT_NEAR(claimed, slope, 1e-3 * std::max(1.0, std::fabs(slope)));
  }
}

std::vector<float> trained(std::size_t threads, Precision precision) {
  Random random(3);
  ThreadPool pool(threads);
  auto encoder = TrainableEncoder::load(kTiny, precision, kernels(), pool);
  UpdateRates rates;
  rates.rate = 1e-3;
  rates.layer_decay = 0.9;
  for (int step = 0; step < 5; ++step) {
    const Batch batch = random_batch(random, 20);
    DirectionLoss loss(random_directions(random, 20), 24);
    encoder->gradients(batch.ids, batch.lengths, loss, 0.1, static_cast<std::uint64_t>(step));
    encoder->update(rates, 0);
  }
  std::vector<float> all;
  for (const auto& view : encoder->parameters()) all.insert(all.end(), view.value.begin(), view.value.end());
  return all;
}

TEST(TrainableEncoder, TakesTheWeightsOfAnother) {
  ThreadPool pool(2);
  Random random(3);
  const auto load = [&] { return std::move(TrainableEncoder::load(kTiny, Precision::kBf16, kernels(), pool)).value(); };
  TrainableEncoder moved = load(), other = load();
  UpdateRates rates;
  rates.rate = 1e-3;
  const Batch batch = random_batch(random, 20);
  for (int step = 0; step < 3; ++step) {
    DirectionLoss loss(random_directions(random, 20), 24);
    moved.gradients(batch.ids, batch.lengths, loss, 0, 0);
    moved.update(rates, 0);
  }
  const auto embedded = [&](TrainableEncoder& encoder) {
    std::vector<float> out(20 * 24);
    encoder.embed(batch.ids, batch.lengths, out.data());
    return out;
  };
  EXPECT_NE(embedded(other), embedded(moved));
  other.take_weights(moved.weights());
  EXPECT_EQ(embedded(other), embedded(moved));
  EXPECT_EQ(other.weights(), moved.weights());
}

TEST(TrainableEncoder, ThreadsChangeNoBit) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
    const std::vector<float> one = trained(1, precision), three = trained(3, precision);
    ASSERT_EQ(one.size(), three.size());
    EXPECT_EQ(std::memcmp(one.data(), three.data(), one.size() * sizeof(float)), 0);
  }
}

// Words that are met once, often, or last: each step's gradients are put through AdamW over the whole table as well.
TEST(TrainableEncoder, WordVectorsMoveAsInDenseAdamW) {
  constexpr int kSteps = 40;
  Random random(6);
  ThreadPool pool(1);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
  ASSERT_TRUE(encoder.ok());
  const auto words = [&] { return encoder->parameters().back(); };
  const std::vector<double> start(words().value.begin(), words().value.end());
  std::vector<double> dense = start, first(start.size()), second(start.size());
  for (int step = 1; step <= kSteps; ++step) {
    Batch batch = random_batch(random, 6);
    for (std::int32_t& id : batch.ids) id = id % 7 == 0 ? 60 + step % 4 : id % 5;
    if (step == 3) batch.ids[0] = 40;
    DirectionLoss loss(random_directions(random, 6), 24);
    encoder->gradients(batch.ids, batch.lengths, loss, 0, 0);
    const auto view = words();
    const std::vector<float> gradient(view.gradient.begin(), view.gradient.end());
    UpdateRates rates;
    rates.rate = 1e-3 * (kSteps - step) / kSteps;  // the last is 0, as in a schedule
    rates.weight_decay = 0;
    const double scale = encoder->update(rates, 0);
    for (std::size_t i = 0; i < dense.size(); ++i) {
      const double g = static_cast<double>(gradient[i]) * scale;
      first[i] = 0.9 * first[i] + 0.1 * g;
      second[i] = 0.999 * second[i] + 0.001 * g * g;
      dense[i] -= rates.rate * first[i] / (1 - std::pow(0.9, step)) /
                  (std::sqrt(second[i] / (1 - std::pow(0.999, step))) + 1e-8);
    }
  }
  encoder->weights();  // words get what they are owed
  const auto view = words();
  double apart = 0, moved = 0;
  for (std::size_t i = 0; i < dense.size(); ++i) {
    apart = std::max(apart, std::fabs(static_cast<double>(view.value[i]) - dense[i]));
    moved = std::max(moved, std::fabs(dense[i] - start[i]));
  }
  EXPECT_GT(moved, 5e-3);
  EXPECT_LT(apart, 1e-5);
}

TEST(TrainableEncoder, LossFallsAlongItsGradient) {
  Random random(4);
  const Batch batch = random_batch(random, 8);
  DirectionLoss loss(random_directions(random, 8), 24);
  ThreadPool pool(2);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
  const double before = encoder->gradients(batch.ids, batch.lengths, loss, 0, 0);
  for (int step = 0; step < 10; ++step) {
    UpdateRates rates;
    rates.rate = 3e-4;
    encoder->update(rates, 0);
    encoder->gradients(batch.ids, batch.lengths, loss, 0, 0);
  }
  EXPECT_LT(encoder->gradients(batch.ids, batch.lengths, loss, 0, 0), before - 1);
}

TEST(TrainableEncoder, SavedWeightsLoadAndEmbedTheSame) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / "smidgen_trainable_encoder";
  fs::remove_all(folder);
  fs::copy(kTiny, folder, fs::copy_options::recursive);
  Random random(5);
  const Batch batch = random_batch(random, 8);
  DirectionLoss loss(random_directions(random, 8), 24);
  ThreadPool pool(2);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
  encoder->gradients(batch.ids, batch.lengths, loss, 0, 0);
  UpdateRates rates;
  rates.rate = 1e-3;
  encoder->update(rates, 0);
  ASSERT_TRUE(encoder->save_weights((folder / "model.safetensors").string()).ok());
  auto again = TrainableEncoder::load(folder.string(), Precision::kF32, kernels(), pool);
  ASSERT_TRUE(again.ok()) << again.error().message();
  std::vector<float> got(8 * 24), wanted(8 * 24);
  encoder->embed(batch.ids, batch.lengths, wanted.data());
  again->embed(batch.ids, batch.lengths, got.data());
  EXPECT_EQ(got, wanted);
  const auto old = Safetensors::open(kTiny + "/model.safetensors");
  const auto saved = Safetensors::open((folder / "model.safetensors").string());
  EXPECT_EQ(saved->names(), old->names());
  fs::remove_all(folder);
}

}  // namespace
}  // namespace smidgen
