#include "smidgen/text/byte_trie.h"

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <string>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

TEST(ByteTrie, FindsTheLongestPrefix) {
  const std::vector<std::string_view> strings = {"un", "", "unable", "una", "##", "##able"};
  const std::vector<std::int32_t> values = {7, 9, 0, 3, 4, 5};
  const ByteTrie trie(strings, values);
  EXPECT_EQ(trie.longest(ByteTrie::kRoot, "unaffable").value, 3);
  EXPECT_EQ(trie.longest(ByteTrie::kRoot, "unaffable").length, 3U);
  EXPECT_EQ(trie.longest(ByteTrie::kRoot, "unable").value, 0);
  EXPECT_EQ(trie.longest(ByteTrie::kRoot, "u").length, 0U);
  EXPECT_EQ(trie.longest(ByteTrie::kRoot, "").length, 0U);
  const std::uint32_t prefix = trie.walk(ByteTrie::kRoot, "##");
  ASSERT_NE(prefix, ByteTrie::kNone);
  EXPECT_EQ(trie.longest(prefix, "ables").value, 5);
  EXPECT_EQ(trie.walk(ByteTrie::kRoot, "x#"), ByteTrie::kNone);
  EXPECT_EQ(ByteTrie().longest(ByteTrie::kRoot, "a").length, 0U);
}

TEST(ByteTrie, AgreesWithAMapOnRandomStrings) {
  Random random(3);
  std::map<std::string, std::int32_t> map;
  const auto make = [&](std::size_t length_max) {
    std::string text(random.below(length_max + 1), ' ');
    for (char& c : text) c = static_cast<char>(random.below(8) == 0 ? random.below(256) : 'a' + random.below(3));
    return text;
  };
  for (int i = 0; i < 3000; ++i) {
    std::string text = make(12);
    if (!text.empty()) map.emplace(std::move(text), static_cast<std::int32_t>(map.size()));
  }
  std::vector<std::string_view> strings;
  std::vector<std::int32_t> values;
  for (const auto& [text, value] : map) {
    strings.push_back(text);
    values.push_back(value);
  }
  const ByteTrie trie(strings, values);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = make(16);
    ByteTrie::Match wanted;
    for (std::size_t length = text.size(); length > 0 && wanted.length == 0; --length) {
      if (const auto at = map.find(text.substr(0, length)); at != map.end()) wanted = {length, at->second};
    }
    const ByteTrie::Match match = trie.longest(ByteTrie::kRoot, text);
    ASSERT_EQ(match.length, wanted.length);
    ASSERT_EQ(match.value, wanted.value);
  }
}

// A string whose every edge would stand at the table's beginning, by the multiplier that a trie tries first: in a table
// that stays so crowded each edge is looked for behind all before it.
TEST(ByteTrie, StringsChosenToCrowdItTakeNoLonger) {
  constexpr std::size_t kBytes = 200'000;
  constexpr int kShift = 64 - 19;  // 2^19 places for 200,001 nodes
  std::string text;
  for (std::uint64_t node = 0; node < kBytes; ++node) {
    std::uint64_t best = 0, lowest = ~0ULL;
    for (std::uint64_t byte = 0; byte < 256; ++byte) {
      const std::uint64_t place = ((node << 8 | byte) * 0x9e3779b97f4a7c15ULL) >> kShift;
      if (place < lowest) best = byte, lowest = place;
    }
    text += static_cast<char>(best);
  }
  const std::string_view strings[] = {text};
  const std::int32_t values[] = {5};
  const std::clock_t begin = std::clock();
  const ByteTrie trie(strings, values);
  const ByteTrie::Match match = trie.longest(ByteTrie::kRoot, text);
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 2);  // 0.02 s; crowded 20 s
  EXPECT_EQ(match.length, kBytes);
  EXPECT_EQ(match.value, 5);
}

}  // namespace
}  // namespace smidgen
