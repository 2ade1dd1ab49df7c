#include "smidgen/learn/tag_quality.h"

#include <algorithm>

#include "smidgen/base/result.h"

namespace smidgen {

namespace {

double share(std::size_t part, std::size_t of) {
  return of == 0 ? 0 : static_cast<double>(part) / static_cast<double>(of);
}

}  // namespace

void TagCounts::add(std::span<const std::string> said_tags, std::span<const std::string> known_tags) {
  SMIDGEN_CHECK(said_tags.size() == known_tags.size());
  words += known_tags.size();
  for (std::size_t i = 0; i < known_tags.size(); ++i) words_right += said_tags[i] == known_tags[i] ? 1 : 0;
  std::vector<std::string> outside(said_tags.begin(), said_tags.end());
  std::replace(outside.begin(), outside.end(), std::string(kUntagged), std::string("O"));
  const std::vector<Entity> ours = entities_of(outside), theirs = entities_of(known_tags);
  said += ours.size();
  known += theirs.size();
  // Both are in the order of their words and overlap nothing of their own.
  for (auto a = ours.begin(), b = theirs.begin(); a != ours.end() && b != theirs.end();) {
    right += *a == *b ? 1 : 0;
    const std::size_t first_a = a->first, first_b = b->first;
    if (first_a <= first_b) ++a;
    if (first_b <= first_a) ++b;
  }
}

double TagCounts::accuracy() const {
  return share(words_right, words);
}
double TagCounts::precision() const {
  return share(right, said);
}
double TagCounts::recall() const {
  return share(right, known);
}
double TagCounts::f1() const {
  return share(2 * right, known + said);
}

}  // namespace smidgen
