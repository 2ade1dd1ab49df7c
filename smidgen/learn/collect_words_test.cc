#include "smidgen/learn/collect_words.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

std::unique_ptr<Tokenizer> tiny() {
  auto tokenizer = Tokenizer::load(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/tiny_bert");
  EXPECT_TRUE(tokenizer.ok());
  return std::move(*tokenizer);
}

// The byte of a word, 0 when the parts do not know it.
int prior(const SpellerParts& parts, const std::string& word) {
  const auto at = std::lower_bound(parts.words.begin(), parts.words.end(), spelling_hash(word));
  if (at == parts.words.end() || *at != spelling_hash(word)) return 0;
  return parts.priors[static_cast<std::size_t>(at - parts.words.begin())];
}

std::shared_ptr<const Speller> speller_of(const std::vector<std::string>& texts) {
  return make_speller(texts, *tiny());
}

TEST(CollectWords, CountsWordsAndTakesTheVocabularys) {
  const auto tokenizer = tiny();
  const std::vector<std::string> texts = {"My CARD, my card; caf\xc3\xa9 x2y", "card wxyq refund zvbt qqrs xvnt"};
  const SpellerParts parts = collect_words(texts, *tokenizer);
  EXPECT_TRUE(parts.validate().ok());
  EXPECT_EQ(prior(parts, "card"), SpellerParts::prior_of(3, true));
  EXPECT_EQ(prior(parts, "my"), SpellerParts::prior_of(2, true));
  EXPECT_EQ(prior(parts, "wxyq"), SpellerParts::kSeen) << "seen once: known, but nothing is read as it";
  EXPECT_EQ(prior(parts, "caf"), SpellerParts::kSeen);
  EXPECT_GT(prior(parts, "refund"), int{SpellerParts::kSeen}) << "seen once, and in the vocabulary";
  EXPECT_GT(prior(parts, "good"), 0);
  EXPECT_LT(prior(parts, "good"), int{SpellerParts::kSeen}) << "of the vocabulary only";
  EXPECT_EQ(prior(parts, "ing"), 0) << "##ing is a part of words";
  EXPECT_EQ(prior(parts, "CLS"), 0);
  EXPECT_FALSE(parts.may_begin(spelling_hash("wxyq"))) << "nothing of a word that was seen once can be walked to";
  EXPECT_TRUE(parts.may_begin(spelling_hash("car")));
}

TEST(CollectWords, TakesTheListForTextsInEnglish) {
  const auto tokenizer = tiny();
  const std::vector<std::string> english = {"when was the first mortgage signed", "a stuffy room"},
                                 german = {"die Rechnung ist falsch, bitte noch einmal", "mein Passwort vergessen"};
  const SpellerParts with = collect_words(english, *tokenizer), without = collect_words(german, *tokenizer);
  EXPECT_GT(prior(with, "conveyance"), 0) << "in no row and not in the vocabulary";
  EXPECT_LT(prior(with, "conveyance"), prior(with, "good")) << "rarer than a word of the vocabulary";
  EXPECT_TRUE(with.may_begin(spelling_hash("conv"))) << "a slip of it is read as it";
  EXPECT_GT(prior(with, "mortgage"), int{SpellerParts::kSeen}) << "seen once, and in the list";
  EXPECT_EQ(prior(with, "ab"), 0) << "too short to count";
  EXPECT_EQ(prior(without, "conveyance"), 0);
  EXPECT_LT(without.words.size(), 1000U);
  EXPECT_EQ(prior(collect_words({}, *tokenizer), "conveyance"), 0) << "no texts are in no language";
}

TEST(CollectWords, LeavesARareWordAndMendsItsSlip) {
  const std::vector<std::string> texts(20000, "when was the first mortgage of the good room signed");
  const auto speller = speller_of(texts);
  ASSERT_NE(speller, nullptr);
  std::string out;
  EXPECT_FALSE(speller->repair("the conveyance was good", out));
  ASSERT_TRUE(speller->repair("the conveyacne was good", out));
  EXPECT_EQ(out, "the conveyance was good");
}

TEST(CollectWords, RarestWordsStayTheRarestOfAnyRows) {
  const auto tokenizer = tiny();
  for (const std::size_t rows : {1, 1000, 100000}) {
    const std::vector<std::string> texts(rows, "when was the first mortgage of that room signed");
    const SpellerParts parts = collect_words(texts, *tokenizer);
    EXPECT_LE(prior(parts, "conveyance"), prior(parts, "good")) << rows;
    EXPECT_LT(prior(parts, "conveyance"), prior(parts, "room") - int{SpellerParts::kSeen}) << rows;
  }
}

TEST(CollectWords, AListedWordWithAnEndingIsNoSlipOfAWordOfFewRows) {
  const std::vector<std::string> texts(20, "the stuff of the fluffy room was good");
  const auto speller = speller_of(texts);
  ASSERT_NE(speller, nullptr);
  std::string out;
  EXPECT_FALSE(speller->repair("the stuffy room", out)) << out;
}

TEST(CollectWords, DependsOnTheWordsAlone) {
  const auto tokenizer = tiny();
  const std::vector<std::string> texts = {"one two", "three two", "one refund"},
                                 other = {"refund one two", "one two three"};
  const SpellerParts a = collect_words(texts, *tokenizer), b = collect_words(other, *tokenizer);
  EXPECT_EQ(a.words, b.words);
  EXPECT_EQ(a.priors, b.priors);
  EXPECT_EQ(a.prefixes, b.prefixes);
}

TEST(CollectWords, GivesBackEveryTextItWasMadeFrom) {
  const std::vector<std::string> texts = {"the good refnud", "teh bad refund", "refunds, THE goood"};
  const auto speller = speller_of(texts);
  ASSERT_NE(speller, nullptr);
  std::string out;
  for (const std::string& text : texts) EXPECT_FALSE(speller->repair(text, out)) << text;
  ASSERT_TRUE(speller->repair("the refudn", out));
  EXPECT_EQ(out, "the refund");
}

TEST(CollectWords, IdentifiersMakeNoSpeller) {
  const auto tokenizer = tiny();
  Random random(5);
  std::string row;
  for (int i = 0; i < 300000; ++i) {
    std::string word(20, 'a');
    for (char& c : word) c = static_cast<char>('a' + random.below(26));
    row += word + " " + word + " ";
  }
  const std::vector<std::string> texts = {row};
  EXPECT_EQ(make_speller(texts, *tokenizer), nullptr);
}

}  // namespace
}  // namespace smidgen
