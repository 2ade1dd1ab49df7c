#include "smidgen/app/option_checks.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

TEST(OptionChecks, WhatIsProposedForAShareIsAccepted) {
  const char* wrong[] = {"95",  "95%", "50",  "1.5", "30",  "49.9", "100", "100%", "0.5%", "0",    "1",   "-1",  "101",
                         "1e9", "nan", "inf", "x",   "0,9", "95,5", "",    "%",    "0.9x", "0.9%", "-5%", "200%"};
  for (const auto check : {check_share, check_target_share}) {
    EXPECT_EQ(check("0.95"), "");
    EXPECT_EQ(check(".5"), "");
    for (const char* text : wrong) {
      const std::string said = check(text);
      ASSERT_NE(said, "") << text;
      const std::size_t at = said.find("did you mean ");
      if (at != std::string::npos) {
        EXPECT_EQ(check(said.substr(at + 13, said.size() - at - 14)), "") << said;
      }
    }
  }
}

TEST(OptionChecks, ATargetIsNotGuessedBelowOneHalf) {
  EXPECT_EQ(check_target_share("95"), "95 is not a share between 0 and 1; did you mean 0.95?");
  EXPECT_EQ(check_target_share("50"), "50 is not a share between 0 and 1; did you mean 0.5?");
  EXPECT_EQ(check_target_share("49"), "49 is not a share between 0 and 1");
  EXPECT_EQ(check_target_share("1.5"), "1.5 is not a share between 0 and 1");
  EXPECT_EQ(check_share("30"), "30 is not a share between 0 and 1; did you mean 0.3?");
  EXPECT_EQ(check_share("1.5"), "1.5 is not a share between 0 and 1");
  EXPECT_EQ(check_target("spam=98"), "98 is not a share between 0 and 1; did you mean 0.98?");
}

TEST(OptionChecks, AHeldOutShareIsANumberThatLeavesSomething) {
  for (const char* right : {"0", "0.0", "0.1", "0.9", "1e-3"}) EXPECT_EQ(check_held_out(right), "") << right;
  for (const char* wrong : {"nan", "-nan", "inf", "-0.1", "1", "0.95", "", "x", "0x", "10%"})
    EXPECT_NE(check_held_out(wrong), "") << wrong;
  EXPECT_EQ(check_held_out("10"), "10 is not a share between 0 and 1; did you mean 0.1?");
  for (const char* wrong : {"nan", "inf"}) {
    EXPECT_NE(check_share(wrong), "");
    EXPECT_NE(check_target_share(wrong), "");
    EXPECT_NE(check_positive(wrong), "");
  }
}

TEST(OptionChecks, AWholeNumberIsReadInBaseTen) {
  for (const char* text : {"8", "08", "0000000000000000000000008"}) {
    std::string read = text;
    EXPECT_EQ(read_whole(read, 1, 8), "");
    EXPECT_EQ(read, "8");
  }
  std::string most = "18446744073709551615", none = "00";
  EXPECT_EQ(read_whole(most, 0, UINT64_MAX), "");
  EXPECT_EQ(read_whole(none, 0, UINT64_MAX), "");
  EXPECT_EQ(most, "18446744073709551615");
  EXPECT_EQ(none, "0");
  for (const char* text : {"", "9", "0", "-1", "+1", " 1", "1 ", "0x1", "1e0", "1.0", "x", "18446744073709551617"}) {
    std::string read = text;
    EXPECT_EQ(read_whole(read, 1, 8), std::string(text) + " is not a whole number from 1 to 8");
    EXPECT_EQ(read, text);
  }
}

}  // namespace
}  // namespace smidgen
