#include "smidgen/text/short_words.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>

#include "smidgen/base/probe_run.h"
#include "smidgen/text/bpe_model.h"

namespace smidgen {
namespace {

ShortWords::Word word_of(std::string_view word, std::int32_t id) {
  return {ShortWords::key_of(word), static_cast<std::uint32_t>(word.size()), id};
}

double seconds_since(std::clock_t begin) {
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

TEST(ShortWords, FindsTheWordAndNothingLikeIt) {
  using namespace std::string_view_literals;
  const ShortWords words({word_of("a", 1), word_of("a\0"sv, 2), word_of("unbelievableness", 3), word_of("a", 4)});
  const auto find = [&](std::string_view word) { return words.find(ShortWords::key_of(word), word.size()); };
  EXPECT_EQ(find("a"), 1);
  EXPECT_EQ(find("a\0"sv), 2);
  EXPECT_EQ(find("a\0\0"sv), -1);
  EXPECT_EQ(find("unbelievableness"), 3);
  EXPECT_EQ(find("unbelievablenes"), -1);
  EXPECT_EQ(find("b"), -1);
  EXPECT_EQ(ShortWords().find(ShortWords::key_of("a"), 1), -1);
}

// Words whose product with the first multiplier is next to nothing: all of them belong in the first place.
TEST(ShortWords, WordsChosenToCrowdItTakeNoLonger) {
  constexpr std::uint64_t kWords = 200'000;
  std::uint64_t inverse = 1;  // of the multiplier modulo 2^64, by Newton's method
  for (int i = 0; i < 6; ++i) inverse *= 2 - kFirstMultiplier * inverse;
  ASSERT_EQ(inverse * kFirstMultiplier, 1U);
  std::vector<ShortWords::Word> words;
  for (std::uint64_t i = 0; i < kWords; ++i) words.push_back({{i * inverse, 0}, 8, static_cast<std::int32_t>(i)});
  const std::clock_t begin = std::clock();
  const ShortWords table(words);
  for (const ShortWords::Word& word : words) ASSERT_EQ(table.find(word.key, word.length), word.id);
  EXPECT_LT(seconds_since(begin), 2);  // 0.05 s; crowded 34 s
}

// Of each first token the second whose pair belongs furthest to the front, so that a 256th of the table holds them all.
TEST(BpeModel, MergesChosenToCrowdItTakeNoLonger) {
  constexpr std::int32_t kTokens = 200'000;
  BpeRules rules;
  rules.tokens = {"a", "b", "ab"};
  while (rules.tokens.size() < kTokens) rules.tokens.push_back("c" + std::to_string(rules.tokens.size()));
  rules.model_end = kTokens;
  rules.merges = {{0, 1, 2}};
  for (std::uint64_t first = 3; first < kTokens; ++first) {
    std::uint64_t best = 0, lowest = ~0ULL;
    for (std::uint64_t second = 3; second < 3 + 256; ++second) {
      const std::uint64_t place = (first << 32 | second) * kFirstMultiplier;
      if (place < lowest) best = second, lowest = place;
    }
    rules.merges.push_back({static_cast<std::int32_t>(first), static_cast<std::int32_t>(best), 2});
  }
  const std::clock_t begin = std::clock();
  const BpeModel model(rules);
  std::vector<std::int32_t> ids;
  model.encode("aba", ids);
  EXPECT_LT(seconds_since(begin), 2);  // 0.1 s; crowded 217 s
  EXPECT_EQ(ids, (std::vector<std::int32_t>{2, 0}));
}

}  // namespace
}  // namespace smidgen
