#include "smidgen/app/nearest.h"

#include <algorithm>

#include "smidgen/text/column_names.h"

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
  for (const std::string& candidate : candidates)
    if (const std::size_t distance = edit_distance(word, candidate); distance < best_distance) {
      best_distance = distance;
      best = candidate;
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
