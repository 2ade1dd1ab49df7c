#include "smidgen/learn/embeddings.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace smidgen {
namespace {

const std::string kTiny = std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert";

TEST(EmbedAll, EqualsOneTextAtATimeForAnyNumberOfThreads) {
  const auto encoder = Encoder::load(kTiny);
  ASSERT_TRUE(encoder.ok()) << encoder.error().message();
  std::vector<std::string> owned;
  for (std::size_t i = 0; i < 90; ++i) {
    std::string text;
    for (std::size_t word = 0; word < i * 7 % 45; ++word) text += "a b the cat " + std::to_string(i) + " ";
    owned.push_back(text);
  }
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  Encoder::Scratch scratch;
  std::vector<float> vector(encoder->dimensions());
  for (const std::size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    double last = 0;
    Watcher watcher;
    watcher.progress = [&](const ProgressEvent& event) { last = event.fraction; };
    const auto all = embed_all(*encoder, texts, pool, watcher);
    ASSERT_TRUE(all.ok());
    EXPECT_EQ(last, 1);
    std::uint64_t cut = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      cut += encoder->embed_text(texts[i], scratch, vector.data()) ? 1 : 0;
      EXPECT_TRUE(std::equal(vector.begin(), vector.end(), all->row(i).begin())) << i;
    }
    EXPECT_EQ(all->rows_cut, cut);
    EXPECT_GT(cut, 0U);
  }
}

TEST(EmbedAll, StopsWhenCancelled) {
  const auto encoder = Encoder::load(kTiny);
  ASSERT_TRUE(encoder.ok());
  const std::vector<std::string_view> texts(500, "a cat");
  ThreadPool pool(2);
  Watcher watcher;
  watcher.cancelled = [] { return true; };
  const auto all = embed_all(*encoder, texts, pool, watcher);
  ASSERT_FALSE(all.ok());
  EXPECT_EQ(all.error().kind(), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace smidgen
