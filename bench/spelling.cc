// What does a speller repair, what does it spoil, and what does it take? On training rows only, so that its costs are
// chosen without a look at test rows: words come from four fifths of the rows of a file (by unit); the other fifth gets
// three typos a row (swap, drop, double, neighbouring key, as bench/typos.py draws them).
//
//   bench_spelling DATA.csv ENCODER_FOLDER [each=40] [margin=0] ..
//
// Prints the shares of damaged words that are restored, misread and left, the shares of words of clean rows that are
// changed although nothing is wrong with them (unknown ones, and words of the encoder's vocabulary or the list), and
// the processor time a clean row, a row with typos, and an unknown word take.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bench/need.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/collect_words.h"
#include "smidgen/text/dataset.h"
#include "smidgen/text/spelling.h"
#include "smidgen/text/tokenizer.h"

using namespace smidgen;

namespace {

constexpr int kTypos = 3;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A key beside that of `letter`, in the same case.
char key_beside(char letter, Random& random) {
  static constexpr std::string_view kRows[] = {"qwertyuiop", "asdfghjkl", "zxcvbnm"};
  const char low = static_cast<char>(letter | 0x20);
  int row = 0, half = 0;
  for (int r = 0; r < 3; ++r)
    if (const auto k = kRows[r].find(low); k != std::string_view::npos) row = r, half = 2 * static_cast<int>(k) + r;
  std::string beside;
  for (int r = 0; r < 3; ++r)
    for (std::size_t k = 0; k < kRows[r].size(); ++k) {
      const int halves = 2 * static_cast<int>(k) + r - half;
      if (kRows[r][k] != low && std::abs(r - row) <= 1 && std::abs(halves) <= 2) beside += kRows[r][k];
    }
  const char key = beside[random.below(beside.size())];
  return letter == low ? key : static_cast<char>(key - 'a' + 'A');
}

void add_typo(std::string& text, Random& random) {
  std::vector<std::size_t> letters;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (is_letter(text[i])) letters.push_back(i);
  if (letters.empty()) return;
  const std::size_t at = letters[random.below(letters.size())];
  const std::uint64_t slip = random.below(4);
  if (slip == 0 && at + 1 < text.size() && text[at + 1] != text[at]) {
    std::swap(text[at], text[at + 1]);
  } else if (slip <= 1) {
    text.erase(at, 1);
  } else if (slip == 2) {
    text.insert(at, 1, text[at]);
  } else {
    text[at] = key_beside(text[at], random);
  }
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for_each_letter_run(text, [&](std::size_t begin, std::size_t end) {
    words.emplace_back(text.substr(begin, end - begin));
    for (char& c : words.back()) c = static_cast<char>(c | 0x20);
  });
  return words;
}

double us_a_row(const Speller& speller, const std::vector<std::string>& texts) {
  std::string out;
  std::size_t rows = 0;
  const std::clock_t start = std::clock();
  do
    for (const std::string& text : texts) {
      speller.repair(text, out);
      ++rows;
    }
  while (std::clock() - start < CLOCKS_PER_SEC / 4);
  return 1e6 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / static_cast<double>(rows);
}

SlipCosts costs_from(int count, char** arguments) {
  SlipCosts costs;
  int letters_min = static_cast<int>(costs.letters_min), two = static_cast<int>(costs.two_letters_min);
  const std::map<std::string, int*> named = {
      {"swap", &costs.swap},   {"twice", &costs.twice},   {"beside", &costs.beside},     {"missing", &costs.missing},
      {"extra", &costs.extra}, {"other", &costs.other},   {"each", &costs.each},         {"margin", &costs.margin},
      {"least", &costs.least}, {"formed", &costs.formed}, {"letters_min", &letters_min}, {"two_letters_min", &two}};
  for (int i = 3; i < count; ++i) {
    const std::string word = arguments[i];
    const auto at = named.find(word.substr(0, word.find('=')));
    if (at == named.end()) need<Ok>(Error::usage("no cost called " + word));
    *at->second = std::atoi(word.substr(word.find('=') + 1).c_str());
  }
  costs.letters_min = static_cast<std::size_t>(letters_min);
  costs.two_letters_min = static_cast<std::size_t>(two);
  return costs;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) need<Ok>(Error::usage("bench_spelling DATA.csv ENCODER_FOLDER [COST=N ..]"));
  const Dataset data = need(Dataset::load(arguments[1], {}));
  const auto tokenizer = need(Tokenizer::load(arguments[2]));
  std::vector<std::string> known, clean, damaged;
  for (std::size_t row = 0; row < data.size(); ++row) {
    Random random(data.units[row] + 1);  // rows of one unit go the same way
    (random.below(5) == 0 ? clean : known).push_back(data.texts[row]);
  }
  Random random(7);
  for (std::string text : clean) {
    for (int typo = 0; typo < kTypos; ++typo) add_typo(text, random);
    damaged.push_back(std::move(text));
  }
  const Speller speller = need(Speller::create(collect_words(known, *tokenizer), costs_from(count, arguments)));
  double words = 0, changed = 0, hurt = 0, restored = 0, misread = 0, left = 0, rows_changed = 0;
  for (std::size_t row = 0; row < clean.size(); ++row) {
    std::string out;
    const std::vector<std::string> right = words_of(clean[row]), typed = words_of(damaged[row]);
    words += static_cast<double>(right.size());
    if (speller.repair(clean[row], out)) {
      ++rows_changed;
      const std::vector<std::string> now = words_of(out);
      for (std::size_t i = 0; i < right.size(); ++i) changed += now[i] != right[i] ? 1 : 0;
    }
    const std::vector<std::string> now = words_of(speller.repair(damaged[row], out) ? out : damaged[row]);
    if (typed.size() != right.size()) continue;  // a letter and a space changed places
    for (std::size_t i = 0; i < right.size(); ++i) {
      if (typed[i] == right[i]) {
        hurt += now[i] != right[i] ? 1 : 0;
        continue;
      }
      ++(now[i] == right[i] ? restored : now[i] != typed[i] ? misread : left);
    }
  }
  const double damage = restored + misread + left, clean_us = us_a_row(speller, clean);
  fmt::print(
      "damaged words {:.0f}: restored {:.4f}, misread {:.4f}, left {:.4f}; clean words changed {:.5f} in {:.4f} of "
      "rows; "
      "{:.3f} us a clean row, {:.2f} with typos; {} words, {} KB of prefixes\n",
      damage, restored / damage, misread / damage, left / damage, changed / words,
      rows_changed / static_cast<double>(clean.size()), clean_us, us_a_row(speller, damaged),
      speller.parts().words.size(), speller.parts().prefixes.size() / 1024);
}
