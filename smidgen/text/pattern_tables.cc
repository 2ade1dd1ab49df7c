#include "smidgen/text/pattern_tables.h"

#include <algorithm>
#include <tuple>

#include "smidgen/base/result.h"
#include "smidgen/text/unicode_tables.h"

namespace smidgen::unicode {

namespace {

constexpr char32_t kSyllables = 0xac00, kLeads = 0x1100, kVowels = 0x1161, kTrails = 0x11a7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTrailCount = 28, kSyllableCount = 11172;

bool is_second(char32_t c) {
  if ((c >= kVowels && c < kVowels + kVowelCount) || (c > kTrails && c < kTrails + kTrailCount)) return true;
  return std::any_of(kCompositions, kCompositions + kCompositionCount,
                     [&](const Composition& pair) { return pair.second == c; });
}

}  // namespace

char32_t compose(char32_t first, char32_t second) {
  if (first >= kLeads && first < kLeads + kLeadCount && second >= kVowels && second < kVowels + kVowelCount)
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTrailCount;
  if (first >= kSyllables && first < kSyllables + kSyllableCount && (first - kSyllables) % kTrailCount == 0 &&
      second > kTrails && second < kTrails + kTrailCount)
    return first + (second - kTrails);
  const Composition* end = kCompositions + kCompositionCount;
  const Composition* at = std::lower_bound(
      kCompositions, end, std::tuple(first, second),
      [](const Composition& pair, const auto& wanted) { return std::tuple(pair.first, pair.second) < wanted; });
  return at != end && at->first == first && at->second == second ? at->composed : 0;
}

void compose_all(std::vector<char32_t>& parts, std::vector<int>& changes) {
  SMIDGEN_CHECK(parts.size() == changes.size());
  std::size_t out = 0;  // parts before this are done
  bool has_starter = false;
  std::size_t starter = 0;
  int last_class = -1;  // of the last code point kept since the starter; -1: none, the starter is adjacent
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const char32_t c = parts[i];
    const int order = record(c).order, change = changes[i];
    if (has_starter && last_class < order) {
      if (const char32_t composed = compose(parts[starter], c); composed != 0) {
        parts[starter] = composed;
        changes[starter] += change - 1;
        continue;
      }
    }
    if (order == 0) {
      has_starter = true;
      starter = out;
      last_class = -1;
    } else if (has_starter) {
      last_class = order;
    }
    parts[out] = c;
    changes[out] = change;
    ++out;
  }
  parts.resize(out);
  changes.resize(out);
}

bool is_inert(char32_t c) {
  if (c < 0x80) return true;
  if (record(c).order != 0 || is_second(c)) return false;
  std::vector<char32_t> parts;
  append_decomposed(c, parts);
  std::vector<int> changes(parts.size());
  compose_all(parts, changes);
  return parts.size() == 1 && parts[0] == c;
}

}  // namespace smidgen::unicode
