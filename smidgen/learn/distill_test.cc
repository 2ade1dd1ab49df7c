#include "smidgen/learn/distill.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "smidgen/learn/principal_axes.h"

namespace smidgen {
namespace {

namespace fs = std::filesystem;

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

TEST(Distill, FollowsTheRecipe) {
  const auto encoder = Encoder::load(kTiny);
  ASSERT_TRUE(encoder.ok()) << encoder.error().message();
  ThreadPool pool(2);
  DistillOptions options;
  options.dimensions = 10;
  const auto table = distill(*encoder, options, pool, {});
  ASSERT_TRUE(table.ok()) << table.error().message();
  ASSERT_EQ(table->vocabulary, encoder->tokenizer().vocabulary_size());
  ASSERT_EQ(table->dimensions, 10U);

  // The plain twin: one token at a time, with the ids as text would give them.
  const Tokenizer& tokenizer = encoder->tokenizer();
  std::vector<std::int32_t> kept, around;
  tokenizer.encode("", 1000, around);
  ASSERT_EQ(around.size(), 2U);
  std::vector<float> raw;
  Encoder::Scratch scratch;
  std::vector<float> vector(encoder->dimensions());
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(tokenizer.vocabulary_size()); ++id) {
    if (tokenizer.is_special(id) || tokenizer.token(id).starts_with("[")) {
      EXPECT_EQ(table->scales[static_cast<std::size_t>(id)], 0) << tokenizer.token(id);
      continue;
    }
    kept.push_back(id);
    const std::vector<std::int32_t> ids = {around[0], id, around[1]};
    const std::span<const std::int32_t> sequence = ids;
    encoder->embed({&sequence, 1}, scratch, vector.data());
    raw.insert(raw.end(), vector.begin(), vector.end());
  }
  const auto axes = principal_axes(raw, encoder->dimensions(), pool);
  ASSERT_TRUE(axes.ok());
  double harmonic = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) harmonic += 1 / static_cast<double>(i + 2);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto id = static_cast<std::size_t>(kept[i]);
    const double weight = 1e-4 / (1e-4 + 1 / (static_cast<double>(i + 2) * harmonic));
    for (std::size_t k = 0; k < 10; ++k) {
      double expected = 0;
      for (std::size_t j = 0; j < encoder->dimensions(); ++j) {
        expected += (static_cast<double>(raw[i * encoder->dimensions() + j]) - axes->mean[j]) *
                    axes->eigen.vectors[k * encoder->dimensions() + j];
      }
      EXPECT_NEAR(static_cast<double>(table->scales[id]) * table->vectors[id * 10 + k], weight * expected,
                  0.51 * static_cast<double>(table->scales[id]) + 1e-7);
    }
  }
}

TEST(Distill, CacheGivesTheSameTableAndSurvivesDamage) {
  const auto encoder = Encoder::load(kTiny);
  ASSERT_TRUE(encoder.ok());
  ThreadPool pool(1);
  const fs::path folder = fs::path(testing::TempDir()) / ("smidgen_distill_" + std::to_string(getpid()));
  fs::remove_all(folder);
  DistillOptions options;
  options.dimensions = 8;
  options.cache_folder = folder.string();
  std::size_t forwards = 0;
  Watcher watcher;
  watcher.progress = [&](const ProgressEvent&) { ++forwards; };
  const auto first = distill(*encoder, options, pool, watcher);
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_GT(forwards, 0U);
  forwards = 0;
  const auto second = distill(*encoder, options, pool, watcher);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(forwards, 0U);
  EXPECT_EQ(second->vectors, first->vectors);
  EXPECT_EQ(second->scales, first->scales);
  ASSERT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
  fs::resize_file(fs::directory_iterator(folder)->path(), 100);
  const auto third = distill(*encoder, options, pool, watcher);
  ASSERT_TRUE(third.ok());
  EXPECT_GT(forwards, 0U);
  EXPECT_EQ(third->vectors, first->vectors);
  options.sif = 1e-2;  // weights are not cached
  const auto other = distill(*encoder, options, pool, {});
  EXPECT_NE(other->scales, first->scales);
  fs::remove_all(folder);
}

TEST(Distill, StopsWhenCancelled) {
  const auto encoder = Encoder::load(kTiny);
  ASSERT_TRUE(encoder.ok());
  ThreadPool pool(1);
  Watcher watcher;
  watcher.cancelled = [] { return true; };
  const auto table = distill(*encoder, {}, pool, watcher);
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.error().kind(), ErrorKind::kCancelled);
}

TEST(EmbedAllStatic, EqualsOneTextAtATime) {
  const auto encoder = Encoder::load(kTiny);
  ASSERT_TRUE(encoder.ok());
  ThreadPool pool(2);
  auto table = distill(*encoder, {}, pool, {});  // fewer dimensions than asked for: the encoder's own
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->dimensions, encoder->dimensions());
  const auto model = StaticModel::create(std::move(*table), kTiny);
  ASSERT_TRUE(model.ok());
  std::vector<std::string> owned;
  for (std::size_t i = 0; i < 600; ++i) owned.push_back("a cat " + std::to_string(i));
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  const auto all = embed_all(*model, texts, pool, {});
  ASSERT_TRUE(all.ok());
  std::vector<float> vector(model->table().dimensions);
  for (const std::size_t i : {std::size_t{0}, std::size_t{255}, std::size_t{256}, std::size_t{599}}) {
    std::vector<std::int32_t> ids;
    model->tokenizer().encode_plain(texts[i], ids);
    model->table().embed(ids, vector);
    EXPECT_TRUE(std::equal(vector.begin(), vector.end(), all->row(i).begin())) << i;
  }
}

}  // namespace
}  // namespace smidgen
