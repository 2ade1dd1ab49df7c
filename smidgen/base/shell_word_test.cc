#include "smidgen/base/shell_word.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

TEST(ShellWord, IsQuotedOnlyWhenItMustBe) {
  EXPECT_EQ(shell_word("a/b.smidgen"), "a/b.smidgen");
  EXPECT_EQ(shell_word("my mails.csv"), "'my mails.csv'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word("a\nb"), "'a\nb'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace smidgen
