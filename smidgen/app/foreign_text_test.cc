#include "smidgen/app/foreign_text.h"

#include <gtest/gtest.h>

#include "smidgen/app/figures.h"

namespace smidgen {
namespace {

TEST(ForeignText, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(valid_utf8("na\xc3\xafve \xf0\x9f\x98\x80"), "na\xc3\xafve \xf0\x9f\x98\x80");
  EXPECT_EQ(valid_utf8("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(valid_utf8("\xc3("), "\xef\xbf\xbd(");
  EXPECT_EQ(valid_utf8("a\xe2\x80"), "a\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(valid_utf8("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");                                  // overlong
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");                  // surrogate
  EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // above U+10FFFF
}

TEST(ForeignText, CannotMoveTheCursorOrReorderTheLine) {
  EXPECT_EQ(for_terminal("\x1b[2Ja\nb\tc\x7f"), "\\u001b[2Ja\\nb\\tc\\u007f");
  EXPECT_EQ(for_terminal("\xc2\x9b"
                         "1m"),
            "\\u009b1m");
  EXPECT_EQ(for_terminal("a\xe2\x80\xae"
                         "b\xe2\x80\xa8"),
            "a\\u202eb\\u2028");
  EXPECT_EQ(for_terminal("\xc3\xa9\xc3\xa9\xc3\xa9", 3), "\xc3\xa9\xc3\xa9\xc3\xa9");
  EXPECT_EQ(for_terminal("\xc3\xa9\xc3\xa9\xc3\xa9", 2), "\xc3\xa9\xc3\xa9...");
}

TEST(ForeignText, ShowsMarkdownAsPlainText) {
  EXPECT_EQ(for_markdown("a|b *c* <i> & [x](http://y) `z`"),
            "a\\|b \\*c\\* &lt;i> &amp; \\[x\\](http&#58;//y) \\`z\\`");
  EXPECT_EQ(for_markdown("# not a title"), "\\# not a title");
  EXPECT_EQ(for_markdown("1. not a list"), "1\\. not a list");
  EXPECT_EQ(for_markdown("two\nlines"), "two\\\\nlines");
  EXPECT_EQ(for_markdown("Fine, 0.95 - and more."), "Fine, 0.95 - and more.");
}

TEST(ForeignText, NamesFilesAndWords) {
  EXPECT_EQ(base_name("/home/me/tickets.smidgen/"), "tickets.smidgen");
  EXPECT_EQ(base_name("tickets"), "tickets");
  EXPECT_EQ(base_name("/"), "/");
}

TEST(Figures, NeverRoundUpWhatIsPromised) {
  EXPECT_EQ(rounded_down(0.9496, 3), "0.949");
  EXPECT_EQ(rounded_down(0.94999999, 3), "0.949");
  EXPECT_EQ(rounded_down(1.0, 3), "1.000");
  EXPECT_EQ(rounded_up(0.9501, 3), "0.951");
  // Every k / 1000 keeps its own digits in spite of binary fractions.
  for (int k = 0; k <= 1000; ++k) {
    EXPECT_EQ(std::stod(rounded_down(k / 1000.0, 3)), k / 1000.0);
    EXPECT_EQ(std::stod(rounded_up(k / 1000.0, 3)), k / 1000.0);
  }
  EXPECT_EQ(answered_percent(0.99996), "99.9 %");
  EXPECT_EQ(escalated_percent(0.99996), "0.1 %");
  EXPECT_EQ(answered_percent(0.964), "96.4 %");
  EXPECT_EQ(escalated_percent(0.964), "3.6 %");
  EXPECT_EQ(level_percent(1 - 0.05), "95 %");
  EXPECT_EQ(level_percent(0.975), "97.5 %");
  EXPECT_EQ(level_percent(0.9999999), "99.999 %");
}

TEST(Figures, ReadWell) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1'234'567), "1,234,567");
  EXPECT_EQ(microseconds(8.44), "8.4 us");
  EXPECT_EQ(microseconds(34), "34 us");
  EXPECT_EQ(microseconds(2140), "2.1 ms");
  EXPECT_EQ(microseconds(0), "-");
  EXPECT_EQ(byte_size(6'200'000), "6.2 MB");
  EXPECT_EQ(byte_size(999'600), "1.0 MB");
  EXPECT_EQ(byte_size(12), "12 B");
  EXPECT_EQ(seconds_text(0.01), "< 0.1 s");
  EXPECT_EQ(seconds_text(200), "3 min 20 s");
  EXPECT_EQ(dollars(0.000093, 0.000093), "0.0001");
  EXPECT_EQ(dollars(0.00001, 0.00001), "< 0.0001");
  EXPECT_EQ(dollars(1234.5, 1234.5), "1,234.50");
  EXPECT_EQ(counted(1, "row", "rows"), "1 row");
  EXPECT_EQ(counted(2000, "row", "rows"), "2,000 rows");
}

}  // namespace
}  // namespace smidgen
