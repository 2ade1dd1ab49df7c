#include "smidgen/text/unicode_tables.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "smidgen/base/sha256.h"

namespace smidgen::unicode {
namespace {

std::string hexadecimal(const std::vector<char32_t>& text) {
  std::ostringstream out;
  for (std::size_t i = 0; i < text.size(); ++i)
    out << (i == 0 ? "" : ",") << std::hex << static_cast<unsigned>(text[i]);
  return out.str();
}

// The line of `c` as make_unicode_tables.py --digest writes it.
std::string line_of(char32_t c) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string line;
  const auto number = [&](unsigned value) {
    int shift = 28;
    while (shift > 0 && value >> shift == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) line += kDigits[value >> shift & 15];
  };
  number(static_cast<unsigned>(c));
  line += ' ';
  number(record(c).flags);
  line += ' ';
  number(record(c).order);
  std::vector<char32_t> decomposed, lowered;
  append_decomposed(c, decomposed);
  append_lower(c, lowered);
  for (const auto* mapped : {&decomposed, &lowered}) {
    for (std::size_t i = 0; i < mapped->size(); ++i) {
      line += i == 0 ? ' ' : ',';
      number(static_cast<unsigned>((*mapped)[i]));
    }
  }
  return line + '\n';
}

TEST(UnicodeTables, EveryCodePointIsAsTheReferenceSaysIt) {
  std::ifstream file(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/unicode_tables.txt");
  std::string word, wanted, line;
  file >> word >> wanted;
  std::getline(file, line);
  int samples = 0;
  for (; std::getline(file, line); ++samples) {
    const auto c = static_cast<char32_t>(std::stoul(line, nullptr, 16));
    EXPECT_EQ(line_of(c), line + "\n");
  }
  EXPECT_GT(samples, 20);
  std::string all;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c < 0xd800 || c > 0xdfff) all += line_of(c);
  }
  EXPECT_EQ(sha256_hex(all), wanted);
}

TEST(UnicodeTables, MarksAreOrderedBetweenStarters) {
  const auto decomposed = [](const std::vector<char32_t>& in) {
    std::vector<char32_t> out;
    decompose(in, out);
    return hexadecimal(out);
  };
  EXPECT_EQ(decomposed({'a', 0x301, 0x323}), "61,323,301");  // classes 230 and 220
  EXPECT_EQ(decomposed({'a', 0x323, 0x301}), "61,323,301");
  EXPECT_EQ(decomposed({'a', 0x301, 0x300}), "61,301,300");  // equal classes keep their order
  EXPECT_EQ(decomposed({0x1e69}), "73,323,307");
  EXPECT_EQ(decomposed({0xe9, 0x323}), "65,323,301");
  EXPECT_EQ(decomposed({0x301, 'b', 0x323}), "301,62,323");  // a starter between them
  EXPECT_EQ(decomposed({0xac01}), "1100,1161,11a8");
  EXPECT_EQ(decomposed({}), "");
}

// What Python's bytes.decode(errors="replace") gives.
TEST(UnicodeTables, BadBytesBecomeOneReplacementPerMaximalSubpart) {
  const auto points = [](std::string_view bytes) {
    std::vector<char32_t> out;
    decode(bytes, out);
    return hexadecimal(out);
  };
  EXPECT_EQ(points("a\xff"
                   "b"),
            "61,fffd,62");
  EXPECT_EQ(points("\xe2\x82"), "fffd");
  EXPECT_EQ(points("\xe2\x82\xac"), "20ac");
  EXPECT_EQ(points("\xf0\x9f\x98x"), "fffd,78");
  EXPECT_EQ(points("\xed\xa0\x80"), "fffd,fffd,fffd");           // a surrogate
  EXPECT_EQ(points("\xf4\x90\x80\x80"), "fffd,fffd,fffd,fffd");  // above 10FFFF
  EXPECT_EQ(points("\xc0\xaf"), "fffd,fffd");                    // overlong
  EXPECT_EQ(points("\xe0\x80\x80"), "fffd,fffd,fffd");
  EXPECT_EQ(points("\xf4\x8f\xbf\xbf"), "10ffff");
  EXPECT_EQ(repair_utf8("x\xc3"), "x\xef\xbf\xbd");
  EXPECT_TRUE(is_utf8("\xe2\x82\xac"));
  EXPECT_FALSE(is_utf8("\xe2\x82"));
}

TEST(UnicodeTables, EveryCodePointSurvivesUtf8) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    std::string bytes;
    append_utf8(c, bytes);
    const Decoded decoded = decode_one(bytes, 0);
    ASSERT_TRUE(decoded.valid && decoded.c == c && decoded.length == bytes.size())
        << std::hex << static_cast<unsigned>(c);
  }
}

}  // namespace
}  // namespace smidgen::unicode
