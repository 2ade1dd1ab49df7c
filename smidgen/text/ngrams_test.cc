#include "smidgen/text/ngrams.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

std::vector<std::uint64_t> hashes_of(NgramBlock block, std::string_view text) {
  NgramText ready;
  ready.prepare(text);
  std::vector<std::uint64_t> hashes;
  ready.append(block, hashes);
  return hashes;
}

// The plain twin: n-grams of ASCII text as strings, straight from the definitions.
std::vector<std::string> plain_words(const std::string& text, bool rich) {
  std::vector<std::string> words, out;
  std::string word;
  const auto flush = [&] {
    if (word.size() > (rich ? 0U : 1U)) words.push_back(word);
    word.clear();
  };
  for (const char raw : text) {
    const char c = static_cast<char>(raw >= 'A' && raw <= 'Z' ? raw + 32 : raw);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
      word += c;
      continue;
    }
    flush();
    if (rich && c != ' ' && c != '\t' && c != '\n') words.push_back(std::string(1, c));
  }
  flush();
  for (std::size_t i = 0; i < words.size(); ++i) {
    out.push_back(words[i]);
    if (i > 0) out.push_back(words[i - 1] + "\x01" + words[i]);
  }
  return out;
}

std::vector<std::string> plain_characters(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  for (const char raw : text + " ") {
    const char c = static_cast<char>(raw >= 'A' && raw <= 'Z' ? raw + 32 : raw);
    if (c != ' ' && c != '\t' && c != '\n') {
      word += c;
      continue;
    }
    if (!word.empty()) {
      const std::string padded = " " + word + " ";
      for (std::size_t n = 2; n <= 5; ++n) {
        for (std::size_t i = 0; i + n <= padded.size(); ++i) out.push_back(padded.substr(i, n));
      }
    }
    word.clear();
  }
  return out;
}

// Same n-grams as often, and equal hashes exactly for equal n-grams.
void expect_same(std::vector<std::string> plain, const std::vector<std::uint64_t>& hashes, const std::string& text) {
  std::map<std::string, int> expected;
  std::map<std::uint64_t, int> found;
  for (const std::string& ngram : plain) ++expected[ngram];
  for (const std::uint64_t hash : hashes) ++found[hash];
  std::multiset<int> expected_counts, found_counts;
  for (const auto& [ngram, count] : expected) expected_counts.insert(count);
  for (const auto& [hash, count] : found) found_counts.insert(count);
  EXPECT_EQ(expected_counts, found_counts) << text;
}

TEST(NgramText, CountsWhatTheDefinitionsSay) {
  for (const std::string text :
       {"", " ", "a", "I am a cat", "Don't  stop\tME now!! 4ever under_score", "x-y x-y", "ab"}) {
    expect_same(plain_words(text, false), hashes_of(NgramBlock::kWords, text), text);
    expect_same(plain_words(text, true), hashes_of(NgramBlock::kTokens, text), text);
    expect_same(plain_characters(text), hashes_of(NgramBlock::kCharacters, text), text);
  }
}

TEST(NgramText, RandomTextsAgreeWithThePlainTwinAndHashesAreStable) {
  Random random(1);
  std::map<std::string, std::uint64_t> hash_of;
  for (int i = 0; i < 300; ++i) {
    std::string text;
    const std::size_t size = random.below(60);
    for (std::size_t k = 0; k < size; ++k) text += "abcABC _-'!  "[random.below(13)];
    expect_same(plain_words(text, true), hashes_of(NgramBlock::kTokens, text), text);
    expect_same(plain_characters(text), hashes_of(NgramBlock::kCharacters, text), text);
  }
  // A hash is part of the file format: it must never change.
  EXPECT_EQ(hashes_of(NgramBlock::kWords, "refund").at(0), hashes_of(NgramBlock::kTokens, "REFUND").at(0));
  EXPECT_EQ(hashes_of(NgramBlock::kWords, "refund").at(0), 1050962317798563079ULL);
  EXPECT_EQ(hashes_of(NgramBlock::kCharacters, "a").at(0), 201787297802693726ULL);
}

TEST(NgramText, UnicodePathGivesTheHashesOfTheAsciiPath) {
  // One non-ASCII word at the end sends the whole text down the other path.
  const std::string text = "Where is MY card? 3rd time!!";
  for (const NgramBlock block : {NgramBlock::kWords, NgramBlock::kTokens, NgramBlock::kCharacters}) {
    const auto ascii = hashes_of(block, text), unicode = hashes_of(block, text + " \xc3\xa9\xc3\xa9");
    ASSERT_GT(unicode.size(), ascii.size());
    EXPECT_TRUE(std::equal(ascii.begin(), ascii.end(), unicode.begin()));
  }
}

TEST(NgramText, LowersAndSplitsUnicode) {
  EXPECT_EQ(hashes_of(NgramBlock::kTokens, "\xc3\x84PFEL"), hashes_of(NgramBlock::kTokens, "\xc3\xa4pfel"));
  // U+3000 and U+00A0 are spaces; an emoji is a token of its own.
  EXPECT_EQ(hashes_of(NgramBlock::kWords,
                      "ab\xe3\x80\x80"
                      "cd\xc2\xa0"
                      "ef"),
            hashes_of(NgramBlock::kWords, "ab cd ef"));
  EXPECT_EQ(hashes_of(NgramBlock::kTokens, "\xf0\x9f\x98\x80").size(), 1U);
  EXPECT_EQ(hashes_of(NgramBlock::kWords, "\xf0\x9f\x98\x80").size(), 0U);
  EXPECT_EQ(hashes_of(NgramBlock::kTokens, "a\xff"), hashes_of(NgramBlock::kTokens, "a\xef\xbf\xbd"));
}

TEST(NgramText, CutsAtTheLimitAndSaysSo) {
  NgramText ready;
  EXPECT_FALSE(ready.prepare("abcd", 4));
  EXPECT_TRUE(ready.prepare("abcde", 4));
  EXPECT_FALSE(ready.prepare("\xc3\xa9\xc3\xa9", 2));
  EXPECT_TRUE(ready.prepare("\xc3\xa9\xc3\xa9\xc3\xa9", 2));
  std::vector<std::uint64_t> hashes;
  ready.append(NgramBlock::kTokens, hashes);
  EXPECT_EQ(hashes, hashes_of(NgramBlock::kTokens, "\xc3\xa9\xc3\xa9"));
}

}  // namespace
}  // namespace smidgen
