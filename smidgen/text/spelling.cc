#include "smidgen/text/spelling.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <utility>

#include "smidgen/base/probe_run.h"

namespace smidgen {

namespace {

constexpr std::size_t kLookedAtMax = 256;    // unknown words of a text
constexpr std::size_t kChunkBytesMax = 128;  // looked at on each side of a word for what makes it no plain one
constexpr std::size_t kForeignWordsMin = 8;  // a text of so many words, half of them unknown, is left alone
constexpr std::size_t kLetters = 26;
constexpr std::size_t kNodesMax = 1 << 22;

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_letter(char c) {
  return is_upper(c) || (c >= 'a' && c <= 'z');
}
std::uint8_t letter_of(char c) {
  return static_cast<std::uint8_t>((c | 0x20) - 'a');
}
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// For each letter, the letters of the keys that touch its own on a QWERTY keyboard, as bits: the one on each side, and
// those above and below (each row stands half a key to the right of the one above it).
constexpr std::array<std::uint32_t, kLetters> keys_beside() {
  constexpr std::string_view kRows[] = {"qwertyuiop", "asdfghjkl", "zxcvbnm"};
  std::array<int, kLetters> row{}, half{};
  for (int r = 0; r < 3; ++r)
    for (std::size_t k = 0; k < kRows[r].size(); ++k) {
      row[static_cast<std::size_t>(kRows[r][k] - 'a')] = r;
      half[static_cast<std::size_t>(kRows[r][k] - 'a')] = 2 * static_cast<int>(k) + r;
    }
  std::array<std::uint32_t, kLetters> beside{};
  for (std::size_t a = 0; a < kLetters; ++a)
    for (std::size_t b = 0; b < kLetters; ++b) {
      const int rows = row[a] - row[b], halves = half[a] - half[b];
      if (a != b && rows >= -1 && rows <= 1 && halves >= -2 && halves <= 2) beside[a] |= 1U << b;
    }
  return beside;
}
constexpr std::array<std::uint32_t, kLetters> kBeside = keys_beside();

// What a word's surroundings may hold up to the next white space. General punctuation (U+2010..2027: dashes, curly
// quotes, bullets) is three bytes beyond ASCII that are as harmless as their ASCII twins.
bool is_plain(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned c = byte(at);
  if (c >= 0x80) {
    const std::size_t first = c == 0xe2 ? at : c == 0x80 && at > 0 ? at - 1 : at > 1 ? at - 2 : at;
    return byte(first) == 0xe2 && byte(first + 1) == 0x80 && byte(first + 2) >= 0x90 && byte(first + 2) <= 0xa7;
  }
  if (c == '.' || c == ':')  // "www.example.com", "mailto:me"; not the end of a sentence
    return !(at > 0 && is_letter(text[at - 1]) && at + 1 < text.size() && is_letter(text[at + 1]));
  return is_letter(text[at]) || std::string_view("'\"!?,;.:-()[]*").find(text[at]) != std::string_view::npos;
}

// Whether the word at [begin, end) stands in a plain chunk between white spaces.
bool in_plain_chunk(std::string_view text, std::size_t begin, std::size_t end) {
  const std::size_t first = begin > kChunkBytesMax ? begin - kChunkBytesMax : 0;
  const std::size_t last = std::min(text.size(), end + kChunkBytesMax);
  std::size_t left = begin, right = end;
  while (left > first && !is_space(text[left - 1]))
    if (!is_plain(text, --left)) return false;
  while (right < last && !is_space(text[right]))
    if (!is_plain(text, right++)) return false;
  // A chunk without an end in sight is no word of a sentence.
  return (left == 0 || is_space(text[left - 1])) && (right == text.size() || is_space(text[right]));
}

// What English words end in that are made of others by adding letters. "d" and "r": of words that end in e.
constexpr std::string_view kEndings[] = {"s",  "es",   "d", "ed",   "r",    "er",  "ers",  "est",  "ing",
                                         "ly", "ings", "y", "ness", "less", "ful", "able", "ment", "en"};
constexpr std::size_t kStemMin = 3;

constexpr std::size_t kAbbreviationMax = 3;  // capitals that are left alone: "EU", "ATM"

enum class Case { kLower, kUpper, kCapital, kSecond, kMixed };
Case case_of(std::string_view word) {
  std::size_t upper = 0;
  for (const char c : word) upper += is_upper(c) ? 1 : 0;
  if (upper == 0) return Case::kLower;
  if (upper == word.size()) return Case::kUpper;
  if (upper == 1 && is_upper(word[0])) return Case::kCapital;
  return upper == 1 && is_upper(word[1]) ? Case::kSecond : Case::kMixed;
}

void append_as(Case shape, const Speller::Letters& letters, std::string& out) {
  for (std::size_t i = 0; i < letters.count; ++i) {
    const bool upper = shape == Case::kUpper || (i == 0 && (shape == Case::kCapital || shape == Case::kSecond));
    out.push_back(static_cast<char>((upper ? 'A' : 'a') + letters.at[i]));
  }
}

Speller::Letters letters_of(std::string_view word) {
  Speller::Letters letters;
  for (const char c : word) letters.at[letters.count++] = letter_of(c);
  return letters;
}

}  // namespace

std::uint64_t spelling_hash(std::string_view word) {
  std::uint64_t state = 0;
  for (const char c : word) state = spelling_step(state, letter_of(c));
  return spelling_hash(state);
}

std::uint8_t SpellerParts::prior_of(double count, bool seen) {
  const double steps = std::clamp(std::round(kPriorOffset + kStepsPerNat * std::log(count)), 1.0, 127.0);
  return static_cast<std::uint8_t>(static_cast<unsigned>(steps) | (seen ? kSeen : 0U));
}

Status SpellerParts::validate() const {
  const auto bad = [](const std::string& what) {
    return Error::bad_data("speller: " + what).hint("the file is damaged: train or copy the bundle again");
  };
  if (words.size() > kWordsMax)
    return bad(std::to_string(words.size()) + " words, more than " + std::to_string(kWordsMax));
  if (priors.size() != words.size())
    return bad(std::to_string(priors.size()) + " numbers in `priors` for " + std::to_string(words.size()) + " words");
  if (prefixes.size() < 8 || prefixes.size() > kPrefixBytesMax || !std::has_single_bit(prefixes.size()))
    return bad("`prefixes` must be a power of two of bytes, 8 to " + std::to_string(kPrefixBytesMax) + ", not " +
               std::to_string(prefixes.size()));
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] <= (i == 0 ? 0 : words[i - 1])) return bad("`words` does not rise at " + std::to_string(i));
    if (priors[i] == 0) return bad("`priors` holds 0 at " + std::to_string(i));
  }
  return Ok{};
}

void SpellerParts::set_prefix(std::uint64_t hash) {
  const std::uint64_t mask = prefixes.size() * 8 - 1;
  for (unsigned probe = 0; probe < kProbes; ++probe) {
    const std::uint64_t bit = hash >> (21 * probe) & mask;
    prefixes[bit >> 3] = static_cast<std::uint8_t>(prefixes[bit >> 3] | 1U << (bit & 7));
  }
}

bool SpellerParts::may_begin(std::uint64_t hash) const {
  const std::uint64_t mask = prefixes.size() * 8 - 1;
  for (unsigned probe = 0; probe < kProbes; ++probe) {
    const std::uint64_t bit = hash >> (21 * probe) & mask;
    if ((prefixes[bit >> 3] >> (bit & 7) & 1) == 0) return false;
  }
  return true;
}

Result<Speller> Speller::create(SpellerParts parts, const SlipCosts& costs) {
  SMIDGEN_TRY(parts.validate());
  Speller speller;
  speller.parts_ = std::move(parts);
  speller.costs_ = costs;
  SMIDGEN_TRY(speller.fill_slots());
  SMIDGEN_TRY(speller.grow_tree());
  return speller;
}

Status Speller::fill_slots() {
  const auto crowded = [] {
    return Error::bad_data("speller: `words` crowd one place of the table")
        .hint("the file is damaged: train or copy the bundle again");
  };
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(64, parts_.words.size() * 2));
  slots_.assign(size, 0);
  slot_priors_.assign(size, 0);
  for (std::size_t i = 0; i < parts_.words.size(); ++i) {
    std::size_t at = parts_.words[i] & (size - 1);
    for (std::size_t probes = 0; slots_[at] != 0; at = (at + 1) & (size - 1))
      if (++probes > kProbeRunMax) return crowded();
    slots_[at] = parts_.words[i];
    slot_priors_[at] = parts_.priors[i];
  }
  if (!probe_runs_are_short(size, [&](std::size_t at) { return slots_[at] != 0; })) return crowded();
  return Ok{};
}

// The filter as a tree, level by level. It takes some beginnings for ones that lead to a word (at our sizes fewer than
// one for every five real ones); they end in leaves without a word. More than twice as many as the words have is a
// damaged filter, and a full one would have no end.
Status Speller::grow_tree() {
  const auto ends = std::count_if(parts_.priors.begin(), parts_.priors.end(),
                                  [](std::uint8_t prior) { return (prior & (SpellerParts::kSeen - 1)) != 0; });
  const std::size_t nodes_max = std::min(kNodesMax, 64 + 2 * kLettersMax * static_cast<std::size_t>(ends));
  std::vector<std::uint64_t> states = {0};
  nodes_.assign(1, Node());
  std::size_t level_end = 1;
  for (std::size_t at = 0, depth = 0; at < nodes_.size() && depth < kLettersMax; ++at) {
    nodes_[at].first = static_cast<std::uint32_t>(nodes_.size());
    for (unsigned letter = 0; letter < kLetters; ++letter) {
      const std::uint64_t state = spelling_step(states[at], letter), hash = spelling_hash(state);
      if (!parts_.may_begin(hash)) continue;
      if (nodes_.size() >= nodes_max)
        return Error::bad_data("speller: `prefixes` has too many bits set")
            .hint("the file is damaged: train or copy the bundle again");
      nodes_[at].letters |= 1U << letter;
      const auto prior = static_cast<std::uint8_t>(find(hash) & (SpellerParts::kSeen - 1));
      nodes_.push_back({0, 0, prior, prior});
      states.push_back(state);
    }
    if (at + 1 == level_end) {
      ++depth;
      level_end = nodes_.size();
    }
  }
  for (std::size_t at = nodes_.size(); at-- > 0;)
    for (int i = 0; i < std::popcount(nodes_[at].letters); ++i)
      nodes_[at].likeliest =
          std::max(nodes_[at].likeliest, nodes_[nodes_[at].first + static_cast<unsigned>(i)].likeliest);
  return Ok{};
}

std::uint8_t Speller::find(std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at] != 0 && slots_[at] != hash) at = (at + 1) & mask;
  return slots_[at] == 0 ? 0 : slot_priors_[at];
}

// A depth-first walk over the words that may have been meant, a letter at a time: each step takes the next typed letter
// as it is, or undoes a slip there. The tree says which beginnings lead anywhere, and what cannot beat the best word so
// far is left, so a walk visits some hundreds of beginnings rather than the 10^5 strings two slips away.
class Speller::Search {
 public:
  Search(const Speller& speller, const Letters& typed, int floor)
      : nodes_(speller.nodes_.data()), costs_(speller.costs_), typed_(typed), best_score_(floor) {}

  Letters run() {
    walk(0, 0, 0, 1, true);
    if (typed_.count >= costs_.two_letters_min) walk(0, 0, 0, 2, true);
    return best_;
  }

 private:
  // typed_[0, i) is read as path_, which ends at `node`. score: minus the cost so far. same: no slip so far.
  // NOLINTNEXTLINE(misc-no-recursion): at most 28 deep
  void walk(std::size_t i, std::uint32_t node, int score, int left, bool same) {
    if (score + nodes_[node].likeliest <= best_score_) return;
    if (i == typed_.count) {
      if (!same) accept(node, score);
    } else if ((nodes_[node].letters >> typed_.at[i] & 1) != 0) {
      step(i + 1, node, typed_.at[i], score, left, same);
    }
    if (left == 0) return;
    score -= costs_.each;
    if (i < typed_.count) undo(i, node, score, left - 1);
    for (std::uint32_t letters = nodes_[node].letters; letters != 0; letters &= letters - 1)
      step(i, node, static_cast<unsigned>(std::countr_zero(letters)), score - costs_.missing, left - 1, false);
  }

  std::uint32_t child(std::uint32_t node, unsigned letter) const {
    const std::uint32_t before = nodes_[node].letters & ((1U << letter) - 1);
    return nodes_[node].first + static_cast<std::uint32_t>(std::popcount(before));
  }

  // The word that was meant goes on with `letter`, which leads on from `node`.
  // NOLINTNEXTLINE(misc-no-recursion)
  void step(std::size_t i, std::uint32_t node, unsigned letter, int score, int left, bool same) {
    path_.at[path_.count++] = static_cast<std::uint8_t>(letter);  // the tree is no deeper than a Letters is long
    walk(i, child(node, letter), score, left, same);
    --path_.count;
  }

  // What was typed at i is a letter too many, another letter, or one that changed places with the next.
  // NOLINTNEXTLINE(misc-no-recursion)
  void undo(std::size_t i, std::uint32_t node, int score, int left) {
    const unsigned typed = typed_.at[i];
    const std::uint32_t letters = nodes_[node].letters;
    if (i + 1 < typed_.count && typed_.at[i + 1] != typed && (letters >> typed_.at[i + 1] & 1) != 0) {
      const std::uint32_t next = child(node, typed_.at[i + 1]);
      if ((nodes_[next].letters >> typed & 1) != 0) {
        path_.at[path_.count++] = typed_.at[i + 1];
        step(i + 2, next, typed, score - costs_.swap, left, false);
        --path_.count;
      }
    }
    const bool twice = i > 0 && typed_.at[i - 1] == typed;
    walk(i + 1, node, score - (twice ? costs_.twice : costs_.extra), left, false);
    for (std::uint32_t others = letters & ~(1U << typed); others != 0; others &= others - 1) {
      const auto letter = static_cast<unsigned>(std::countr_zero(others));
      const bool beside = (kBeside[typed] >> letter & 1) != 0;
      step(i + 1, node, letter, score - (beside ? costs_.beside : costs_.other), left, false);
    }
  }

  void accept(std::uint32_t node, int score) {
    const int prior = nodes_[node].prior;
    if (path_.count < 2 || prior == 0 || score + prior <= best_score_) return;
    if (std::equal(path_.at.begin(), path_.at.begin() + static_cast<std::ptrdiff_t>(path_.count), typed_.at.begin(),
                   typed_.at.begin() + static_cast<std::ptrdiff_t>(typed_.count)))
      return;  // two slips that undo each other
    best_score_ = score + prior;
    best_ = path_;
  }

  const Node* nodes_;
  const SlipCosts& costs_;
  const Letters& typed_;
  int best_score_;
  Letters path_, best_;
};

bool Speller::has_ending(std::string_view word) const {
  return std::any_of(std::begin(kEndings), std::end(kEndings), [&](std::string_view ending) {
    return word.size() >= kStemMin + ending.size() && word.ends_with(ending) &&
           find(spelling_hash(word.substr(0, word.size() - ending.size()))) != 0;
  });
}

Speller::Letters Speller::read(const Letters& typed) const {
  std::string word;
  append_as(Case::kLower, typed, word);
  int own = find(spelling_hash(word));
  if (own < costs_.formed && has_ending(word)) own = costs_.formed;
  // A word of the vocabulary or the list, or one with an ending, competes with those it may be a slip of; for itself no
  // slip has to be assumed.
  const int floor = costs_.least - 1;
  return Search(*this, typed, own == 0 ? floor : std::max(floor, own + costs_.margin)).run();
}

bool Speller::repair(std::string_view text, std::string& repaired) const {
  struct Word {
    std::size_t begin, end;
  };
  std::array<Word, kLookedAtMax> open;
  std::size_t count = 0, words = 0, unknown = 0;
  for_each_letter_run(text, [&](std::size_t begin, std::size_t end) {
    ++words;
    if (end - begin < costs_.letters_min || end - begin > kLettersMax) return;
    const std::uint8_t prior = find(spelling_hash(text.substr(begin, end - begin)));
    if ((prior & SpellerParts::kSeen) != 0) return;
    if (prior == 0) ++unknown;
    if (count < open.size() && in_plain_chunk(text, begin, end)) open[count++] = {begin, end};
  });
  if (count == 0 || (words >= kForeignWordsMin && 2 * unknown >= words)) return false;
  bool changed = false;
  std::size_t copied = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view word = text.substr(open[i].begin, open[i].end - open[i].begin);
    const Case shape = case_of(word);
    if (shape == Case::kMixed || (shape == Case::kUpper && word.size() <= kAbbreviationMax)) continue;
    const Letters typed = letters_of(word), meant = read(typed);
    if (meant.count == 0) continue;
    // "hWat" is a swapped "What"; "iPhone" is none of "Phone".
    if (shape == Case::kSecond && (meant.at[0] != typed.at[1] || meant.at[1] != typed.at[0])) continue;
    if (!changed) repaired.clear();
    changed = true;
    repaired.append(text, copied, open[i].begin - copied);
    append_as(shape, meant, repaired);
    copied = open[i].end;
  }
  if (changed) repaired.append(text, copied);
  return changed;
}

}  // namespace smidgen
