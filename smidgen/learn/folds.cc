// assign_folds: cross-validation folds over whole units, balanced by label.
//
// Greedy, as for stratified groups in scikit-learn's StratifiedGroupKFold: units come largest first (equal ones in the
// order of a seeded hash), each to the fold that has the least of its labels, counted as shares of each label; ties go
// to the fold with the fewest rows. With one row a unit this deals every label round: counts differ by at most one.
#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "smidgen/learn/split.h"

namespace smidgen {

namespace {

struct Member {
  std::uint32_t unit = 0;
  std::uint64_t hash = 0;
  std::vector<std::size_t> places;  // in `rows`
};

std::vector<Member> members_of(const Dataset& data, std::span<const std::uint32_t> rows, std::uint64_t seed) {
  std::vector<std::uint32_t> index(data.unit_keys.size(), 0xffffffff);
  std::vector<Member> members;
  const std::string purpose = "fold " + std::to_string(seed);
  for (std::size_t place = 0; place < rows.size(); ++place) {
    const std::uint32_t unit = data.units[rows[place]];
    if (index[unit] == 0xffffffff) {
      index[unit] = static_cast<std::uint32_t>(members.size());
      members.push_back({unit, unit_hash({}, purpose, data.unit_keys[unit]), {}});
    }
    members[index[unit]].places.push_back(place);
  }
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
    return std::tuple(b.places.size(), a.hash, a.unit) < std::tuple(a.places.size(), b.hash, b.unit);
  });
  return members;
}

}  // namespace

std::vector<std::uint8_t> assign_folds(const Dataset& data, std::span<const std::uint32_t> rows, std::size_t folds,
                                       std::uint64_t seed) {
  SMIDGEN_CHECK(folds >= 2 && folds <= 255);
  std::vector<double> label_rows(data.label_names.size());
  for (const std::uint32_t row : rows) label_rows[data.labels[row]] += 1;
  std::vector<double> have(folds * label_rows.size());  // rows of label l in fold f at [f * labels + l]
  std::vector<std::size_t> fold_rows(folds);
  std::vector<std::uint8_t> fold_of(rows.size());
  std::map<std::uint32_t, std::size_t> counts;  // of the unit's labels; ordered, so that sums are the same everywhere
  for (const Member& member : members_of(data, rows, seed)) {
    counts.clear();
    for (const std::size_t place : member.places) ++counts[data.labels[rows[place]]];
    std::size_t best = 0;
    double best_cost = 0;
    for (std::size_t fold = 0; fold < folds; ++fold) {
      double cost = 0;
      for (const auto& [label, count] : counts)
        cost += static_cast<double>(count) * have[fold * label_rows.size() + label] / label_rows[label];
      if (fold > 0 && std::pair(cost, fold_rows[fold]) >= std::pair(best_cost, fold_rows[best])) continue;
      best = fold;
      best_cost = cost;
    }
    for (const auto& [label, count] : counts) have[best * label_rows.size() + label] += static_cast<double>(count);
    fold_rows[best] += member.places.size();
    for (const std::size_t place : member.places) fold_of[place] = static_cast<std::uint8_t>(best);
  }
  return fold_of;
}

}  // namespace smidgen
