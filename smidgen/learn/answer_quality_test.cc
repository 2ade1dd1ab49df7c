// Wanted values: what the functions of evaluate-v1.1.py and evaluate-v2.0.py give for the same strings.
#include "smidgen/learn/answer_quality.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

AnswerQuality quality(std::string_view answer, const std::vector<std::string>& right) {
  std::vector<KnownAnswer> known;
  for (const std::string& text : right) known.push_back({text, 0, 0});
  return answer_quality(answer, known);
}

TEST(AnswerQuality, NormalizesAsTheScriptsDo) {
  EXPECT_EQ(normalize_answer("The  Eiffel-Tower,\tin (an) Île!"), "eiffeltower in île");
  EXPECT_EQ(normalize_answer("a.b the_end theme"), "ab theend theme");
  EXPECT_EQ(normalize_answer("an\u00a0a—the–x"), "— –x");  // dashes are no ASCII punctuation, but end words
  EXPECT_EQ(normalize_answer("A-team"), "ateam");
  EXPECT_EQ(normalize_answer("the"), "");
  EXPECT_EQ(normalize_answer(""), "");
}

TEST(AnswerQuality, CountsWordsAsABag) {
  EXPECT_EQ(quality("the Norman dukes", {"Norman Dukes"}).exact, 1);
  EXPECT_EQ(quality("Norman", {"Norman dukes"}).exact, 0);
  EXPECT_DOUBLE_EQ(quality("Norman", {"Norman dukes"}).f1, 2.0 / 3);  // p 1, r 1/2
  EXPECT_DOUBLE_EQ(quality("x x y", {"x y y z"}).f1, 4.0 / 7);        // shared: x, y
  EXPECT_EQ(quality("blue", {"red"}).f1, 0);
  EXPECT_DOUBLE_EQ(quality("in 1066", {"1067", "1066"}).f1, 2.0 / 3);  // the best of them
  EXPECT_EQ(quality("1066", {"1067", "1066"}).exact, 1);
}

TEST(AnswerQuality, KnowsWhenThePassageDoesNotSay) {
  EXPECT_EQ(quality("", {}).exact, 1);
  EXPECT_EQ(quality("", {}).f1, 1);
  EXPECT_EQ(quality("x", {}).f1, 0);
  EXPECT_EQ(quality("", {"x"}).f1, 0);
  EXPECT_EQ(quality("the", {"a"}).f1, 1);  // both without words
}

}  // namespace
}  // namespace smidgen
