// Wanted values: those of seqeval 1.2 (whose rules are conlleval's), for the same tags.
#include "smidgen/model/tag_entities.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

using Tags = std::vector<std::string>;

TEST(TagEntities, AreThoseOfTheScript) {
  EXPECT_EQ(entities_of(Tags{"B-PER", "I-PER", "O", "B-LOC"}), (std::vector<Entity>{{0, 1, "PER"}, {3, 3, "LOC"}}));
  EXPECT_EQ(entities_of(Tags{"B-LOC", "B-LOC", "I-LOC"}), (std::vector<Entity>{{0, 0, "LOC"}, {1, 2, "LOC"}}));
  EXPECT_EQ(entities_of(Tags{"I-LOC", "I-PER", "I-PER"}), (std::vector<Entity>{{0, 0, "LOC"}, {1, 2, "PER"}}));
  EXPECT_EQ(entities_of(Tags{"O", "I-LOC", "O", "I-LOC"}), (std::vector<Entity>{{1, 1, "LOC"}, {3, 3, "LOC"}}));
  EXPECT_EQ(entities_of(Tags{"B-A", "I-A", "E-A", "I-A", "S-A", "I-A"}),
            (std::vector<Entity>{{0, 2, "A"}, {3, 3, "A"}, {4, 4, "A"}, {5, 5, "A"}}));
  EXPECT_EQ(entities_of(Tags{"NOUN", "NOUN", "VERB"}), (std::vector<Entity>{{0, 1, "NOUN"}, {2, 2, "VERB"}}));
  EXPECT_TRUE(entities_of(Tags{"O", "O"}).empty());
}

}  // namespace
}  // namespace smidgen
