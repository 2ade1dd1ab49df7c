#include "smidgen/text/english_words.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace smidgen {
namespace {

TEST(EnglishWords, AreSmallLettersSortedAndEachOnce) {
  ASSERT_FALSE(kEnglishWords.empty());
  ASSERT_EQ(kEnglishWords.back(), '\n');
  std::vector<std::string_view> words;
  for (std::string_view rest = kEnglishWords; !rest.empty(); rest.remove_prefix(words.back().size() + 1))
    words.push_back(rest.substr(0, rest.find('\n')));
  EXPECT_GT(words.size(), 50000U);
  for (std::size_t i = 0; i < words.size(); ++i) {
    ASSERT_FALSE(words[i].empty());
    ASSERT_TRUE(std::all_of(words[i].begin(), words[i].end(), [](char c) { return c >= 'a' && c <= 'z'; })) << words[i];
    if (i > 0) {
      ASSERT_LT(words[i - 1], words[i]);
    }
  }
  for (const std::string_view word : {"aardvark", "color", "colour", "mortgage", "stuffy"})
    EXPECT_TRUE(std::binary_search(words.begin(), words.end(), word)) << word;
}

}  // namespace
}  // namespace smidgen
