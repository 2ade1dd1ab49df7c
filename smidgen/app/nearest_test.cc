#include "smidgen/app/nearest.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

using Names = std::vector<std::string>;

const Names kNames = {"accuracy", "test",        "text-column", "label-column",  "labels-from",
                      "group",    "large-model", "large-usd",   "large-answers", "out"};

TEST(Nearest, IsATypingMistakeAndNoMore) {
  EXPECT_EQ(nearest("acuracy", kNames), "accuracy");
  EXPECT_EQ(nearest("ouy", kNames), "out");
  EXPECT_EQ(nearest("zzz", kNames), std::nullopt);
  EXPECT_EQ(nearest("x", {"p", "q"}), std::nullopt);  // every letter another
  EXPECT_EQ(nearest("", kNames), std::nullopt);
}

TEST(LikelyNames, ABeginningGoesBeforeASpelling) {
  EXPECT_EQ(likely_names("text", kNames), Names{"text-column"});
  EXPECT_EQ(likely_names("label", kNames), Names{"label-column"});  // a whole word before a part of one
  EXPECT_EQ(likely_names("labels", kNames), Names{"labels-from"});
  EXPECT_EQ(likely_names("acc", kNames), Names{"accuracy"});
  EXPECT_EQ(likely_names("large", kNames), (Names{"large-model", "large-usd", "large-answers"}));
}

TEST(LikelyNames, ThenWhatTheWordBeginsWith) {
  EXPECT_EQ(likely_names("group-column", kNames), Names{"group"});
  EXPECT_EQ(likely_names("output", kNames), Names{"out"});
  EXPECT_EQ(likely_names("tets", kNames), Names{"test"});
  EXPECT_TRUE(likely_names("wholly-else", kNames).empty());
  EXPECT_TRUE(likely_names("", kNames).empty());
}

TEST(DidYouMean, IsASentence) {
  EXPECT_EQ(did_you_mean({"--a"}), "did you mean --a?");
  EXPECT_EQ(did_you_mean({"--a", "--b"}), "did you mean --a or --b?");
  EXPECT_EQ(did_you_mean({"--a", "--b", "--c"}), "did you mean --a, --b or --c?");
}

}  // namespace
}  // namespace smidgen
