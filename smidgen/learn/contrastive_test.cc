// Contrastive fine-tuning on the tiny encoder: the losses by hand and their derivatives, what the sampler draws,
// learning what a frozen body cannot, the same numbers for any number of threads.
#include "smidgen/learn/contrastive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "smidgen/learn/head_trainer.h"

namespace smidgen {
namespace {

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

double loss_of(const std::vector<std::uint32_t>& labels, const std::vector<float>& x) {
  ContrastLoss loss(labels);
  loss.begin(x);
  std::vector<float> ignored(x.size());
  return loss.run(0, labels.size(), x.data(), ignored.data());
}

TEST(ContrastLoss, ItsDerivativeIsThatOfFiniteDifferences) {
  constexpr std::size_t kWidth = 7;
  const std::vector<std::uint32_t> labels = {2, 0, 1, 2, 0, 2, 3};  // 1 and 3 have no partner
  Random random(1);
  std::vector<float> x(labels.size() * kWidth), d(x.size());
  for (float& value : x) value = static_cast<float>(random.normal());  // of any length, as without normalisation
  {
    ContrastLoss loss(labels);
    loss.begin(x);
    double value = loss.run(3, 4, &x[3 * kWidth], &d[3 * kWidth]);  // in parts, as shards do
    value += loss.run(0, 3, x.data(), d.data());
    EXPECT_NEAR(value, loss_of(labels, x), 1e-9);
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::vector<float> up = x, down = x;
      up[i] += 5e-3F;
      down[i] -= 5e-3F;
      const double slope = (loss_of(labels, up) - loss_of(labels, down)) / static_cast<double>(up[i] - down[i]);
      EXPECT_NEAR(static_cast<double>(d[i]), slope, 2e-4) << i;
    }
  }
}

TEST(ContrastLoss, IsWhatItsFormulaSays) {
  // Three rows in the plane: 0 and 1 at a right angle and of one label, 2 against 0.
  const std::vector<std::uint32_t> labels = {0, 0, 1};
  const std::vector<float> x = {1, 0, 0, 3, -2, 0};
  // Equal: (0 - 1)^2 / 2. Different: ((-1)^2 + 0^2) / 2 / 2.
  EXPECT_NEAR(loss_of(labels, x), 0.5 + 0.25, 1e-6);
  EXPECT_NEAR(loss_of({0, 1, 2}, x), 1.0 / 3 / 2, 1e-6) << "no pair of equal labels";
  EXPECT_NEAR(loss_of({1, 1, 1}, x), (1.0 + 4 + 1) / 3 / 2, 1e-6) << "no other";
}

TEST(BatchSampler, DrawsLabelsAndRowsInTurn) {
  std::vector<std::uint32_t> labels;
  for (std::uint32_t label = 0; label < 10; ++label)
    for (std::uint32_t i = 0; i < (label == 9 ? 1U : 6U); ++i) labels.push_back(label);
  BatchSampler sampler(labels, 12, 8, 1), again(labels, 12, 8, 1), other(labels, 12, 8, 2);
  std::map<std::uint32_t, std::size_t> label_drawn, row_drawn;
  bool differs = false;
  for (std::size_t batch = 0; batch < 300; ++batch) {
    std::vector<std::uint32_t> rows = sampler.next();
    EXPECT_EQ(rows, again.next());
    differs = differs || rows != other.next();
    ASSERT_GE(rows.size(), 7U);
    ASSERT_LE(rows.size(), 8U);
    std::map<std::uint32_t, std::size_t> of_label;
    for (const std::uint32_t row : rows) {
      ++of_label[labels[row]];
      ++row_drawn[row];
    }
    EXPECT_EQ(of_label.size(), 4U);
    for (const auto& [label, count] : of_label) {
      EXPECT_EQ(count, label == 9 ? 1U : 2U);
      ++label_drawn[label];
    }
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(std::unique(rows.begin(), rows.end()), rows.end());
  }
  EXPECT_TRUE(differs);
  for (std::uint32_t label = 0; label < 10; ++label) EXPECT_NEAR(static_cast<double>(label_drawn[label]), 120, 6);
  for (std::uint32_t row = 0; row < 54; ++row) EXPECT_NEAR(static_cast<double>(row_drawn[row]), 40, 6);
}

TEST(BatchSampler, FewLabelsShareTheBatch) {
  const std::vector<std::uint32_t> labels = {0, 0, 0, 0, 0, 1, 1, 1};
  BatchSampler sampler(labels, 2, 32, 1);
  EXPECT_EQ(sampler.next().size(), 8U);  // all there are
  BatchSampler small(labels, 2, 4, 1);
  EXPECT_EQ(small.next().size(), 4U);
}

// Which of two words comes first: a mean of word vectors cannot tell, attention with positions can.
TokenRows order_task(std::size_t rows, std::uint64_t seed) {
  Random random(seed);
  TokenRows task;
  for (std::size_t i = 0; i < rows; ++i) {
    const bool swapped = random.below(2) == 1;
    const auto filler = static_cast<std::int32_t>(20 + random.below(30));
    task.ids.push_back({2, swapped ? 8 : 9, filler, swapped ? 9 : 8, 3});
    task.labels.push_back(swapped ? 1 : 0);
  }
  return task;
}

struct Outcome {
  ContrastReport report;
  std::vector<float> embeddings;  // of 64 other rows
};
Outcome run_task(std::size_t threads, Precision precision, std::size_t steps = 120) {
  ThreadPool pool(threads);
  auto encoder = TrainableEncoder::load(kTiny, precision, kernels(), pool);
  ContrastOptions options;
  options.steps = steps;
  options.rate = 2e-3;
  const auto report = contrast(*encoder, order_task(48, 2), 2, options, {});
  EXPECT_TRUE(report.ok());
  return {*report, embed_rows(*encoder, order_task(64, 3).ids)};
}

// Mean cosine of rows of one label, less that of rows of different ones.
double apart(const std::vector<float>& x, const std::vector<std::uint32_t>& labels) {
  const std::size_t n = x.size() / labels.size();
  const auto dot = [&](std::size_t i, std::size_t j) {
    double sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += static_cast<double>(x[i * n + k]) * static_cast<double>(x[j * n + k]);
    return sum;
  };
  double sum[2] = {0, 0}, count[2] = {0, 0};
  for (std::size_t i = 0; i < labels.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const std::size_t same = labels[i] == labels[j] ? 1 : 0;
      ++count[same];
      sum[same] += dot(i, j) / std::sqrt(dot(i, i) * dot(j, j));
    }
  return sum[1] / count[1] - sum[0] / count[0];
}

TEST(Contrast, PutsTextsOfALabelTogether) {
  const std::vector<std::uint32_t> labels = order_task(64, 3).labels;
  const Outcome untouched = run_task(1, Precision::kF32, 0), moved = run_task(1, Precision::kF32);
  EXPECT_EQ(moved.report.steps, 120U);
  EXPECT_LT(moved.report.last_loss, 0.5 * moved.report.first_loss);
  EXPECT_LT(apart(untouched.embeddings, labels), 0.3);
  EXPECT_GT(apart(moved.embeddings, labels), 0.8) << "rows it has not seen";
}

TEST(Contrast, ThreadsChangeNoBit) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16})
    EXPECT_EQ(run_task(1, precision, 20).embeddings, run_task(3, precision, 20).embeddings);
}

TEST(Contrast, StopsWhenAsked) {
  ThreadPool pool(1);
  auto encoder = TrainableEncoder::load(kTiny, Precision::kF32, kernels(), pool);
  Watcher watcher;
  std::size_t asked = 0;
  watcher.cancelled = [&] { return ++asked == 3; };
  const auto stopped = contrast(*encoder, order_task(48, 2), 2, {}, watcher);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().kind(), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace smidgen
