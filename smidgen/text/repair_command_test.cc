#include "smidgen/text/repair_command.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

TEST(RepairCommand, HasTheNamesOfTheUser) {
  EXPECT_EQ(repair_command("gunzip -c", "m.csv.gz", "m.csv"), "gunzip -c m.csv.gz > m.csv");
  EXPECT_EQ(repair_command("tr -d x", "my mails.csv", "it's.csv", true), "tr -d x < 'my mails.csv' > 'it'\\''s.csv'");
  EXPECT_EQ(repair_command("tr -d x", "<stdin>", "y", true), "tr -d x");
}

TEST(RepairCommand, NamesKeepTheirFormat) {
  EXPECT_EQ(tagged_name("data/m.csv", "utf8"), "data/m.utf8.csv");
  EXPECT_EQ(tagged_name("data.d/m", "utf8"), "data.d/m.utf8");
  EXPECT_EQ(tagged_name("data.d/.m", "utf8"), "data.d/.m.utf8");
  EXPECT_EQ(with_extension("m.json", "jsonl"), "m.jsonl");
  EXPECT_EQ(with_extension("data.d/m.csv.gz", ""), "data.d/m.csv");
  EXPECT_EQ(with_extension("m", "jsonl"), "m.jsonl");
}

}  // namespace
}  // namespace smidgen
