#include "smidgen/base/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "smidgen/base/json_write.h"

namespace smidgen {
namespace {

TEST(Json, RefusesWhatItMust) {
  for (const char* bad : {"", "{", "{\"a\":1,\"a\":2}", "[{\"x\":{\"b\":1,\"b\":1}}]", "\"\\ud800\"", "1e400", "[1]x",
                          "{\"a\":\"\xff\"}"}) {
    const auto result = JsonDocument::parse(bad);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().kind(), ErrorKind::kBadData);
  }
  EXPECT_FALSE(JsonDocument::parse(std::string(100000, '[')).ok());
}

TEST(Json, LargeNumbersBecomeStrings) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"a":18446744073709551616,"b":[-9223372036854775809 ,1e400,-1.5E+999]})",
       R"({"a":"18446744073709551616","b":["-9223372036854775809" ,"1e400","-1.5E+999"]})"},
      {R"({"a":18446744073709551615,"b":-9223372036854775808,"c":1e308,"d":0.1})", nullptr},
      {R"({"a":"18446744073709551616","b\\":"\"18446744073709551616"})", nullptr},
      {"[018446744073709551616,18446744073709551616-1,1.e999,.1e999,1e999e,--1e999]", nullptr},
      {"\"\\", nullptr},
      {"\"1e999", nullptr},
      {"", nullptr}};
  for (const auto& [json, wanted] : cases) {
    EXPECT_EQ(quote_large_numbers(json), wanted == nullptr ? json : wanted);
    EXPECT_EQ(JsonDocument::parse(quote_large_numbers(json)).ok(), std::string_view(json).starts_with("{\""));
  }
}

TEST(Json, TypedMembersNameTheKey) {
  const auto document = JsonDocument::parse(R"({"n":5,"x":0.5,"s":"hi","b":true,"z":null})");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(*json_integer(document->root(), "n", 0, 9), 5);
  EXPECT_EQ(json_integer(document->root(), "n", 0, 4).error().what(), "`n` must be an integer in 0..4");
  EXPECT_EQ(*json_number(document->root(), "x", 0, 1), 0.5);
  EXPECT_EQ(*json_string(document->root(), "s"), "hi");
  EXPECT_TRUE(*json_bool(document->root(), "b"));
  EXPECT_FALSE(json_has(document->root(), "z"));
  EXPECT_FALSE(json_bool(document->root(), "missing").ok());
}

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonWrite, AlwaysValidUtf8) {
  EXPECT_EQ(quoted("a\"b\\\n\x01"), R"("a\"b\\\n\u0001")");
  EXPECT_EQ(quoted("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
  EXPECT_EQ(quoted("\xff"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(quoted("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") << "a surrogate is three bad bytes";
  EXPECT_EQ(quoted("\xf0\x9f\x98"), "\"\xef\xbf\xbd\"") << "a cut sequence is one bad subpart";
}

TEST(JsonWrite, NumbersReadBack) {
  std::string out;
  append_json_number(out, 0.1);
  out += ' ';
  append_json_number(out, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(out, "0.1 null");
}

}  // namespace
}  // namespace smidgen
