#include "smidgen/base/settings.h"

#include <gtest/gtest.h>

namespace smidgen {
namespace {

TEST(Settings, ReadsKeysSectionsAndComments) {
  const auto settings = parse_settings(
      "\xef\xbb\xbf# a project\r\n\n  text-column =  my body # 1 \n[run]\n\ttop=3\r\n[ pick ]\ntop = 4", "s.conf");
  ASSERT_TRUE(settings.ok()) << settings.error().message();
  ASSERT_EQ(settings->size(), 3U);
  const Setting& first = settings->front();
  EXPECT_EQ(first.section + "|" + first.key + "|" + first.value + "|" + first.where, "|text-column|my body # 1|s.conf");
  EXPECT_EQ(first.line, 3U);
  EXPECT_EQ((*settings)[1].section + (*settings)[1].key + (*settings)[1].value, "runtop3");
  EXPECT_EQ((*settings)[2].section, "pick");
  EXPECT_EQ((*settings)[2].line, 7U);
  EXPECT_TRUE(parse_settings("", "s.conf")->empty());
}

TEST(Settings, EveryMistakeHasItsLine) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"threads 4", "s.conf:1: has no `=`; write KEY = VALUE"},
           {"\n= 4", "s.conf:2: is not a setting's name before the `=`; write an option without its dashes"},
           {"--threads = 4", "s.conf:1: is not a setting's name before the `=`; write an option without its dashes"},
           {"Threads = 4", "s.conf:1: is not a setting's name before the `=`; write an option without its dashes"},
           {"threads =", "s.conf:1: `threads` has no value; give one, or remove the line"},
           {"a = 1\n\na = 2", "s.conf:3: `a` stands in line 1 already; remove one of them"},
           {"[", "s.conf:1: is not a section; write [COMMAND], such as [run]"},
           {"[run", "s.conf:1: is not a section; write [COMMAND], such as [run]"},
           {"[]", "s.conf:1: is not a section; write [COMMAND], such as [run]"},
           {"a = \xff", "s.conf:1: is not text in UTF-8; convert it to UTF-8"},
           {std::string("a = \0", 5), "s.conf:1: is not text in UTF-8; convert it to UTF-8"}}) {
    const auto settings = parse_settings(text, "s.conf");
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_EQ(settings.error().message(), message);
    EXPECT_EQ(settings.error().kind(), ErrorKind::kConfig);
  }
  EXPECT_TRUE(parse_settings("a = 1\n[run]\na = 2", "s.conf").ok()) << "a section may say otherwise";
}

}  // namespace
}  // namespace smidgen
