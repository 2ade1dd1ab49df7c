// Wanted values: those of seqeval 1.2 (whose rules are conlleval's), for the same tags.
#include "smidgen/learn/tag_quality.h"

#include <gtest/gtest.h>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

using Tags = std::vector<std::string>;

TEST(TagQuality, CountsWholeEntities) {
  TagCounts counts;
  counts.add(Tags{"B-PER", "I-PER", "O", "B-LOC"}, Tags{"B-PER", "I-PER", "I-PER", "B-LOC"});  // a last word is missing
  counts.add(Tags{"B-ORG", "O"}, Tags{"B-LOC", "O"});                                          // another type
  EXPECT_EQ(counts.known, 3U);
  EXPECT_EQ(counts.said, 3U);
  EXPECT_EQ(counts.right, 1U);
  EXPECT_DOUBLE_EQ(counts.f1(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(counts.accuracy(), 4.0 / 6);
  EXPECT_TRUE(counts.has_entities());
}

TEST(TagQuality, SaysWhenThereIsNothingToJudgeBy) {
  TagCounts counts;
  counts.add(Tags{"O", "O"}, Tags{"O", "O"});
  EXPECT_FALSE(counts.has_entities());
  EXPECT_EQ(counts.f1(), 0);  // as precision and recall are
  EXPECT_EQ(counts.precision(), 0);
  EXPECT_EQ(counts.recall(), 0);
  EXPECT_EQ(counts.accuracy(), 1);
  counts.add(Tags{"B-A"}, Tags{"O"});
  EXPECT_TRUE(counts.has_entities());
}

TEST(TagQuality, AWordWithoutATagIsWrongAndOfNoEntity) {
  TagCounts counts;
  counts.add(Tags{kUntagged, "B-A"}, Tags{"B-B", "B-A"});
  EXPECT_EQ(counts.words_right, 1U);
  EXPECT_EQ(counts.said, 1U);
  EXPECT_EQ(counts.right, 1U);
  EXPECT_EQ(counts.known, 2U);
}

// Every pair against every other, which is what counting by merging must equal.
TEST(TagQuality, CountsEqualThoseOfAllPairs) {
  Random random(4);
  const Tags names = {"O", "B-A", "I-A", "B-B", "I-B", "NOUN"};
  for (int trial = 0; trial < 200; ++trial) {
    Tags said, known;
    for (int i = 0; i < 30; ++i) {
      known.push_back(names[random.below(names.size())]);
      said.push_back(random.below(3) > 0 ? known.back() : names[random.below(names.size())]);
    }
    TagCounts counts;
    counts.add(said, known);
    std::size_t right = 0;
    for (const Entity& a : entities_of(said))
      for (const Entity& b : entities_of(known)) right += a == b ? 1 : 0;
    ASSERT_EQ(counts.right, right);
  }
}

}  // namespace
}  // namespace smidgen
