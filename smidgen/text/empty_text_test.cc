#include "smidgen/text/empty_text.h"

#include <gtest/gtest.h>

#include <string>

#include "smidgen/text/dataset.h"

namespace smidgen {
namespace {

TEST(EmptyText, IsWhatNormalisesToNothing) {
  for (const std::string text : {"", " ", " \t\r\n", "\u00a0", "\u3000 \u200b", "\ufeff", "\u00ad\u200d\u2060"}) {
    EXPECT_TRUE(is_empty_text(text)) << text.size();
    EXPECT_TRUE(normalise_for_unit(text).empty()) << text.size();
  }
  for (const std::string text :
       {"a", " . ", "\u00e9", "\u200b\u4e2d", "\u0301", "\U0001f600", "\xff", "\x01", "\x7f"}) {
    EXPECT_EQ(is_empty_text(text), normalise_for_unit(text).empty()) << text;
  }
  EXPECT_FALSE(is_empty_text("\u200b\u4e2d"));
  EXPECT_FALSE(is_empty_text("    ."));
}

TEST(EmptyText, AgreesForEveryCharacter) {
  for (std::uint32_t c = 0; c < 0x3100; ++c) {
    std::string text;
    if (c < 0x80) {
      text = {static_cast<char>(c)};
    } else if (c < 0x800) {
      text = {static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3f))};
    } else {
      text = {static_cast<char>(0xe0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3f)),
              static_cast<char>(0x80 | (c & 0x3f))};
    }
    text = " " + text + " ";
    ASSERT_EQ(is_empty_text(text), normalise_for_unit(text).empty()) << std::hex << c;
  }
}

}  // namespace
}  // namespace smidgen
