#include "smidgen/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

TEST(Utf8, NamesTheFirstBadByte) {
  EXPECT_FALSE(first_invalid_utf8(""));
  EXPECT_FALSE(first_invalid_utf8(std::string_view("a\0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 15)));
  const std::string before(100, 'x');
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xc3", "\xc3(", "\xe2\x82("})
    EXPECT_EQ(first_invalid_utf8(before + bad), 100U) << bad;
}

TEST(Utf8, AgreesWithThePlainLoop) {
  Random random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    const std::size_t length = random.below(90);
    while (text.size() < length) {
      static constexpr const char* kPieces[] = {"a",  "\xc3\xa9",    "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                                "zz", "\xef\xbf\xbd"};
      text += kPieces[random.below(6)];
    }
    if (!text.empty() && random.below(2) == 0) text[random.below(text.size())] = static_cast<char>(random.below(256));
    ASSERT_EQ(first_invalid_utf8(text), first_invalid_utf8_reference(text));
  }
}

}  // namespace
}  // namespace smidgen
