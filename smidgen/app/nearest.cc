#include "smidgen/app/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace smidgen {

namespace {

constexpr std::size_t kOfferedMax = 4, kLengthMin = 3;

// Those that go on where `start` ends.
std::vector<std::string> continuations(const std::string& start, const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const std::string& name : names)
    if (name.size() > start.size() && name.starts_with(start)) found.push_back(name);
  return found;
}

// The longest name that `word` begins with, behind which `next` follows (any character when it is 0).
std::optional<std::string> beginning(std::string_view word, const std::vector<std::string>& names, char next) {
  std::optional<std::string> best;
  for (const std::string& name : names) {
    if (name.size() < kLengthMin || name.size() >= word.size() || !word.starts_with(name)) continue;
    if ((next == 0 || word[name.size()] == next) && (!best || name.size() > best->size())) best = name;
  }
  return best;
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = std::min(std::max<std::size_t>(1, word.size() / 3) + 1, word.size());
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    std::vector<std::size_t> before, last = row;  // the rows of two characters and one character ago
    for (std::size_t i = 1; i <= word.size(); ++i) {
      before = std::exchange(last, row);
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        std::size_t change = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        const bool swapped = i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1];
        if (swapped) change = std::min(change, before[j - 2] + 1);
        diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::vector<std::string> likely_names(std::string_view word, const std::vector<std::string>& names) {
  for (const std::string& start : {std::string(word) + "-", std::string(word)}) {
    std::vector<std::string> longer = continuations(start, names);
    if (!word.empty() && !longer.empty() && longer.size() <= kOfferedMax) return longer;
  }
  if (auto shorter = beginning(word, names, '-')) return {*std::move(shorter)};
  if (auto near = nearest(word, names)) return {*std::move(near)};
  if (auto shorter = beginning(word, names, 0)) return {*std::move(shorter)};
  return {};
}

std::string did_you_mean(const std::vector<std::string>& names) {
  std::string text = "did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  return text + "?";
}

}  // namespace smidgen
