#include "smidgen/text/spelling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "smidgen/base/random.h"
#include "smidgen/text/spelling_samples.h"

namespace smidgen {
namespace {

using testing::HasSubstr;

Speller bank() {
  auto speller = Speller::create(sample_parts({{"the", 3000},
                                               {"my", 2000},
                                               {"card", 900},
                                               {"is", 1500},
                                               {"lost", 60},
                                               {"last", 50},
                                               {"what", 800},
                                               {"transfer", 300},
                                               {"account", 400},
                                               {"payment", 400},
                                               {"cash", 100},
                                               {"for", 700},
                                               {"acount", 1, true, false},
                                               {"wat", 0.1, false},
                                               {"iban", 5},
                                               {"volcano", 0.2, false}}));
  EXPECT_TRUE(speller.ok());
  return std::move(*speller);
}

// What repair makes of a text: the text itself where it changes nothing.
std::string read(const Speller& speller, const std::string& text) {
  std::string out = "untouched";
  if (speller.repair(text, out)) return out;
  EXPECT_EQ(out, "untouched");
  return text;
}

TEST(Speller, UndoesEverySlipOfDamerau) {
  const Speller speller = bank();
  EXPECT_EQ(read(speller, "my crad"), "my card");          // swapped
  EXPECT_EQ(read(speller, "my paymnt"), "my payment");     // missing
  EXPECT_EQ(read(speller, "my paaymenti"), "my payment");  // two too many
  EXPECT_EQ(read(speller, "my cprd"), "my card");          // another letter
  EXPECT_EQ(read(speller, "my csrd"), "my card");          // beside
  EXPECT_EQ(read(speller, "trnsfer, accoutn!"), "transfer, account!");
  EXPECT_EQ(read(speller, "teh crad si lots"), "the card is lost");
}

TEST(Speller, TakesTheLikeliestSlip) {
  const Speller speller = bank();
  EXPECT_EQ(read(speller, "lsst"), "last") << "a is beside s on the keyboard, o is not";
  EXPECT_EQ(read(speller, "loost"), "lost");
}

TEST(Speller, UndoesTwoSlipsInLongerWordsOnly) {
  const Speller speller = bank();
  EXPECT_EQ(read(speller, "tarnsfre"), "transfer");
  EXPECT_EQ(read(speller, "tarnfsre"), "tarnfsre") << "three";
  EXPECT_EQ(read(speller, "hte"), "the");
  EXPECT_EQ(read(speller, "etc"), "etc") << "two slips from nothing that short";
}

TEST(Speller, LeavesWhatWasSeenAsItIs) {
  const Speller speller = bank();
  std::string out = "untouched";
  EXPECT_FALSE(speller.repair("My ACOUNT, the card: last cash for the iban", out)) << "acount was seen, once";
  EXPECT_EQ(out, "untouched");
  EXPECT_FALSE(speller.repair("", out));
  EXPECT_EQ(read(speller, "acoount"), "account") << "nothing is read as what was seen once";
}

TEST(Speller, AVocabularysWordStaysUnlessAFarLikelierOneIsNear) {
  const Speller speller = bank();
  EXPECT_EQ(read(speller, "wat is the card"), "what is the card");
  EXPECT_EQ(read(speller, "volcano"), "volcano");
  EXPECT_EQ(read(speller, "vlocano"), "volcano") << "never seen, but a whole word of the encoder";
}

TEST(Speller, AKnownWordWithAnEndingStaysUnlessAFarLikelierOneIsNear) {
  const auto with = [](double smoothed) {
    auto speller = Speller::create(sample_parts({{"smooth", 3}, {"smoothed", smoothed}, {"boring", 5}, {"bo", 9}}));
    EXPECT_TRUE(speller.ok());
    return std::move(*speller);
  };
  EXPECT_EQ(read(with(5), "smoother"), "smoother");
  EXPECT_EQ(read(with(5), "Smoothes"), "Smoothes");
  EXPECT_EQ(read(with(400), "smoother"), "smoothed");
  EXPECT_EQ(read(with(5), "smootherd"), "smoothed") << "smoother is not known";
  EXPECT_EQ(read(with(5), "boing"), "boring") << "bo is too short to be what this is made of";
}

TEST(Speller, KeepsTheShapeOfAWord) {
  const Speller speller = bank();
  EXPECT_EQ(read(speller, "Crad"), "Card");
  EXPECT_EQ(read(speller, "CRAD"), "CARD");
  EXPECT_EQ(read(speller, "CRD"), "CRD") << "an abbreviation, for all we know";
  EXPECT_EQ(read(speller, "hTe card"), "The card") << "a capital that was typed late";
  EXPECT_EQ(read(speller, "cRad"), "cRad") << "no slip: somebody's name for something";
  EXPECT_EQ(read(speller, "crAd myCrad"), "crAd myCrad");
}

TEST(Speller, TouchesPlainWordsOnly) {
  const Speller speller = bank();
  for (const std::string text : {"crad2", "2crad", "crad_number", "@crad", "#crad", "me@crad.com", "www.crad.com",
                                 "https://x.org/crad", "a/crad", "<crad>", "crad=1", "crad:lost",
                                 "caf\xc3\xa9"
                                 "crad",
                                 "crad\xc3\xa9",
                                 "\xd0\xba"
                                 "crad",
                                 "c", "x", "$crad",
                                 "\xff"
                                 "crad"})
    EXPECT_EQ(read(speller, text), text);
  EXPECT_EQ(read(speller,
                 "\xe2\x80\x9c"
                 "crad\xe2\x80\x9d \xe2\x80\x94 (crad). 'crad'"),
            "\xe2\x80\x9c"
            "card\xe2\x80\x9d \xe2\x80\x94 (card). 'card'");
  EXPECT_EQ(read(speller, "caf\xc3\xa9 crad"), "caf\xc3\xa9 card") << "only the word itself is left alone";
  const std::string endless(400, '!'), long_word(25, 'a');
  EXPECT_EQ(read(speller, "crad" + endless), "crad" + endless);
  EXPECT_EQ(read(speller, long_word), long_word);
}

TEST(Speller, LeavesATextInAnotherLanguageAlone) {
  const Speller speller = bank();
  const std::string german = "die katze liegt auf dem crad und wartet";
  EXPECT_EQ(read(speller, german), german);
  EXPECT_EQ(read(speller, "the card is crad the card is lost my"), "the card is card the card is lost my");
}

TEST(Speller, LooksAtSoManyWordsOnly) {
  const Speller speller = bank();
  std::string text, want;
  for (int i = 0; i < 300; ++i) {
    text += "my crad is ";
    want += i < 256 ? "my card is " : "my crad is ";
  }
  EXPECT_EQ(read(speller, text), want);
}

// The reference: every string of a..e one slip away that is a word, and its best score.
std::map<std::string, int> one_slip_away(const std::string& typed, const std::map<std::string, int>& prior,
                                         const SlipCosts& costs) {
  std::map<std::string, int> scores;
  const auto consider = [&](const std::string& word, int cost) {
    const auto at = prior.find(word);
    if (at == prior.end()) return;
    const int score = at->second - cost - costs.each;
    const auto [place, fresh] = scores.emplace(word, score);
    if (!fresh) place->second = std::max(place->second, score);
  };
  const std::string beside = "cd dc de ed";
  for (std::size_t k = 0; k <= typed.size(); ++k) {
    const std::string left = typed.substr(0, k), right = typed.substr(k);
    for (char c = 'a'; c <= 'e'; ++c) {
      consider(left + c + right, costs.missing);
      if (right.empty() || c == right[0]) continue;
      const bool near = beside.find(std::string(1, c) + right[0]) != std::string::npos;
      consider(left + c + right.substr(1), near ? costs.beside : costs.other);
    }
    if (right.empty()) continue;
    consider(left + right.substr(1), k > 0 && left.back() == right[0] ? costs.twice : costs.extra);
    if (right.size() > 1 && right[0] != right[1]) consider(left + right[1] + right[0] + right.substr(2), costs.swap);
  }
  return scores;
}

TEST(Speller, FindsTheBestWordOneSlipAway) {
  Random random(3);
  std::vector<SampleWord> words;
  std::map<std::string, int> prior;
  while (words.size() < 300) {
    std::string word;
    for (std::uint64_t n = 2 + random.below(3); n > 0; --n) word += static_cast<char>('a' + random.below(5));
    const double count = 2 + static_cast<double>(random.below(1000));
    if (prior.contains(word)) continue;
    words.push_back({word, count});
    prior[word] = SpellerParts::prior_of(count, false);
  }
  SlipCosts costs;
  costs.two_letters_min = 99;
  const auto speller = Speller::create(sample_parts(words, 8192), costs);
  ASSERT_TRUE(speller.ok());
  int found = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string typed;
    for (std::uint64_t n = 2 + random.below(4); n > 0; --n) typed += static_cast<char>('a' + random.below(5));
    if (prior.contains(typed)) continue;
    const std::map<std::string, int> scores = one_slip_away(typed, prior, costs);
    const std::string got = read(*speller, typed);
    int best = -1000;
    for (const auto& [word, score] : scores) best = std::max(best, score);
    const auto ends_in = [&](std::string_view ending) {
      return typed.size() >= 3 + ending.size() && typed.ends_with(ending) &&
             prior.contains(typed.substr(0, typed.size() - ending.size()));
    };
    const bool formed = ends_in("d") || ends_in("ed");  // of a..e, no other ending is
    if (best < (formed ? costs.formed + costs.margin + 1 : costs.least)) {
      EXPECT_EQ(got, typed) << best;
      continue;
    }
    ++found;
    ASSERT_TRUE(scores.contains(got)) << typed << " read as " << got;
    EXPECT_EQ(scores.at(got), best) << typed << " read as " << got;
  }
  EXPECT_GT(found, 500);
}

TEST(Speller, RefusesPartsThatAreNotOurs) {
  const auto said = [](auto change) {
    SpellerParts parts = sample_parts({{"card", 5}, {"lost", 5}, {"cash", 5}});
    change(parts);
    const auto speller = Speller::create(std::move(parts));
    return speller.ok() ? "nothing" : speller.error().message();
  };
  EXPECT_EQ(said([](SpellerParts&) {}), "nothing");
  EXPECT_THAT(said([](SpellerParts& p) { std::swap(p.words[0], p.words[1]); }), HasSubstr("does not rise at 1"));
  EXPECT_THAT(said([](SpellerParts& p) { p.words[2] = p.words[1]; }), HasSubstr("does not rise at 2"));
  EXPECT_THAT(said([](SpellerParts& p) { p.words[0] = 0; }), HasSubstr("does not rise at 0"));
  EXPECT_THAT(said([](SpellerParts& p) { p.priors.pop_back(); }), HasSubstr("2 numbers in `priors` for 3 words"));
  EXPECT_THAT(said([](SpellerParts& p) { p.priors[1] = 0; }), HasSubstr("`priors` holds 0 at 1"));
  for (const int shift : {32, 0})  // all at one place of the table, or at places side by side
    EXPECT_THAT(said([=](SpellerParts& p) {
                  p.words.clear();
                  for (std::uint64_t i = 1; i <= 300; ++i) p.words.push_back(i << shift);
                  p.priors.assign(p.words.size(), 1);
                }),
                HasSubstr("crowd one place"));
  for (const std::size_t size : {0, 4, 9, 1000})
    EXPECT_THAT(said([=](SpellerParts& p) { p.prefixes.resize(size); }), HasSubstr("a power of two of bytes"));
  EXPECT_THAT(said([](SpellerParts& p) { p.prefixes.assign(64, 255); }), HasSubstr("too many bits set"));
  const auto three_letters = [](SpellerParts& p) {  // 18,278 beginnings are more than three words have
    p.prefixes.assign(1 << 17, 0);
    std::vector<std::uint64_t> states = {0};
    for (std::size_t at = 0; at < 1 + 26 + 26 * 26; ++at)
      for (unsigned letter = 0; letter < 26; ++letter) {
        states.push_back(spelling_step(states[at], letter));
        p.set_prefix(spelling_hash(states.back()));
      }
  };
  EXPECT_THAT(said(three_letters), HasSubstr("too many bits set"));
}

}  // namespace
}  // namespace smidgen
