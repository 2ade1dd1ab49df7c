#include "smidgen/learn/collect_words.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "smidgen/text/english_words.h"

namespace smidgen {

namespace {

constexpr std::uint64_t kTargetCountMin = 2;   // a word seen once, in no vocabulary and no list, may be a slip itself
constexpr double kVocabularyCountMax = 0.5;    // how often a word that was never seen is expected, at most,
constexpr double kEnglishCountMax = 0.25;      // and one of the list
constexpr std::size_t kEnglishLettersMin = 3;  // of a word of the list that counts: many shorter ones are abbreviations
constexpr double kEnglishShareMin = 0.6;       // of running words that the list has: texts in English have 0.7 and more
constexpr double kEnglishRank = 60000;         // of a word of the list only, behind those of the vocabulary
constexpr std::size_t kBitsPerPrefix = 16;     // at least: then three probes take one string in 200 for a beginning

struct Word {
  std::uint64_t count = 0;
  double expected = 0;  // of a word of the vocabulary or the list, how often it would stand in the texts
};

std::string lower(std::string_view letters) {
  std::string out(letters);
  for (char& c : out) c = static_cast<char>(c | 0x20);
  return out;
}

// The letters of a token without the marks that tokenizers put before it ("##", U+0120, U+2581).
std::string_view letters_of_token(std::string_view token) {
  for (const std::string_view mark : {"##", "\xc4\xa0", "\xe2\x96\x81"})
    if (token.starts_with(mark)) token.remove_prefix(mark.size());
  const bool letters =
      std::all_of(token.begin(), token.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
  return letters && token.size() >= 2 && token.size() <= Speller::kLettersMax ? token : std::string_view();
}

// Whole words of the vocabulary, likeliest first as its order has it (vocabularies are sorted by frequency, or by the
// order of merges, which is close to it).
std::vector<std::string> whole_words(const Tokenizer& tokenizer) {
  std::vector<std::string> words;
  std::vector<std::int32_t> ids;
  for (std::size_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    const auto token = static_cast<std::int32_t>(id);
    const std::string_view letters = letters_of_token(tokenizer.token(token));
    if (letters.empty() || tokenizer.is_special(token)) continue;
    ids.clear();
    tokenizer.encode_plain(" " + std::string(letters), ids);  // inside a text a word follows a space
    if (ids.size() == 1 && ids[0] == token) words.push_back(lower(letters));
  }
  return words;
}

using Words = std::unordered_map<std::string, Word>;

// The list's words that count, sorted.
const std::vector<std::string_view>& english_words() {
  static const std::vector<std::string_view> list = [] {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; at < kEnglishWords.size();) {
      const std::size_t end = std::min(kEnglishWords.find('\n', at), kEnglishWords.size());
      if (end - at >= kEnglishLettersMin && end - at <= Speller::kLettersMax)
        words.push_back(kEnglishWords.substr(at, end - at));
      at = end + 1;
    }
    return words;
  }();
  return list;
}

// Whether the list has most of the running words of the texts. Else they are in another language, whose words would be
// read as English ones.
bool in_english(const Words& counted) {
  std::uint64_t all = 0, known = 0;
  for (const auto& [word, of] : counted) {
    if (word.size() < kEnglishLettersMin) continue;
    all += of.count;
    if (std::binary_search(english_words().begin(), english_words().end(), word)) known += of.count;
  }
  return static_cast<double>(known) > kEnglishShareMin * static_cast<double>(all);
}

void set_prefixes(const std::vector<std::string_view>& targets, SpellerParts& parts) {
  std::vector<std::uint64_t> hashes;
  for (const std::string_view word : targets) {
    std::uint64_t state = 0;
    for (const char c : word) {
      state = spelling_step(state, static_cast<unsigned>(c - 'a'));
      hashes.push_back(spelling_hash(state));
    }
  }
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  const std::size_t bytes = std::bit_ceil(std::max<std::size_t>(8, hashes.size() * kBitsPerPrefix / 8));
  parts.prefixes.assign(std::min(bytes, SpellerParts::kPrefixBytesMax), 0);
  for (const std::uint64_t hash : hashes) parts.set_prefix(hash);
}

}  // namespace

SpellerParts collect_words(std::span<const std::string> texts, const Tokenizer& tokenizer) {
  Words words;
  std::uint64_t total = 0;
  for (const std::string& text : texts)
    for_each_letter_run(text, [&](std::size_t begin, std::size_t end) {
      if (end - begin > Speller::kLettersMax) return;
      ++words[lower(std::string_view(text).substr(begin, end - begin))].count;
      ++total;
    });
  const bool english = in_english(words);
  // Zipf's law: the word of rank r is one in 10 r; those of the list, which has no order, share a rank behind the
  // vocabulary's some 30,000. Seen or not, a word's prior gets no more than half a count from it: the texts speak for
  // themselves.
  double rank = 0;
  const auto expect = [&](const std::string& word, double of_rank, double count_max) {
    Word& known = words[word];
    if (known.expected > 0) return false;
    known.expected = std::min(count_max, (static_cast<double>(total) + 1) / (10 * of_rank));
    return true;
  };
  for (const std::string& word : whole_words(tokenizer))
    if (expect(word, rank + 1, kVocabularyCountMax)) rank += 1;
  if (english)
    for (const std::string_view word : english_words())
      expect(std::string(word), std::max(rank + 1, kEnglishRank), kEnglishCountMax);
  struct Entry {
    std::uint64_t hash;
    std::uint8_t prior;
  };
  std::vector<Entry> entries;
  std::vector<std::string_view> targets;
  for (const auto& [word, known] : words) {
    const bool target = known.count >= kTargetCountMin || known.expected > 0;
    const double count = static_cast<double>(known.count) + known.expected;
    entries.push_back(
        {spelling_hash(word), target ? SpellerParts::prior_of(count, known.count > 0) : SpellerParts::kSeen});
    if (target) targets.push_back(word);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.hash, a.prior) < std::pair(b.hash, b.prior); });
  SpellerParts parts;
  for (const Entry& entry : entries) {
    if (entry.hash == 0 || (!parts.words.empty() && parts.words.back() == entry.hash)) continue;  // once in 10^9 files
    parts.words.push_back(entry.hash);
    parts.priors.push_back(entry.prior);
  }
  set_prefixes(targets, parts);
  return parts;
}

std::shared_ptr<const Speller> make_speller(std::span<const std::string> texts, const Tokenizer& tokenizer) {
  SpellerParts parts = collect_words(texts, tokenizer);
  if (parts.words.size() > SpellerParts::kWordsMax) return nullptr;
  Result<Speller> speller = Speller::create(std::move(parts));
  if (!speller.ok()) return nullptr;  // more beginnings than it holds
  return std::make_shared<const Speller>(std::move(speller).value());
}

}  // namespace smidgen
