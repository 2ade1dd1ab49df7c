// Choosing rows to label: clusters, typical rows, and draws by gradient that equal those of gradients written out.
#include "smidgen/learn/label_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "smidgen/base/random.h"

namespace smidgen {
namespace {

// `rows` points around each of `blobs` corners of a cube, then one far away from all.
EmbeddingMatrix blobs(std::size_t blobs, std::size_t rows, bool outlier) {
  Random random(1);
  EmbeddingMatrix points;
  points.dimensions = 8;
  for (std::size_t blob = 0; blob < blobs; ++blob)
    for (std::size_t row = 0; row < rows; ++row, ++points.rows)
      for (std::size_t k = 0; k < 8; ++k)
        points.values.push_back(static_cast<float>((k == blob ? 5.0 : 0.0) + 0.3 * random.normal()));
  if (outlier) {
    for (std::size_t k = 0; k < 8; ++k) points.values.push_back(k == 7 ? -40.0F : 0.0F);
    ++points.rows;
  }
  return points;
}

EmbeddingMatrix none() {
  EmbeddingMatrix points;
  points.dimensions = 8;
  return points;
}

TEST(Cluster, FindsWhatLiesTogetherWithAnyNumberOfThreads) {
  const EmbeddingMatrix points = blobs(4, 300, false);
  ThreadPool one(1), three(3);
  const Clusters found = cluster(points.values, 8, 4, 8, 1, one);
  ASSERT_EQ(found.count, 4U);
  EXPECT_EQ(found.of_row, cluster(points.values, 8, 4, 8, 1, three).of_row);
  for (std::size_t row = 0; row < points.rows; ++row)
    EXPECT_EQ(found.of_row[row], found.of_row[row / 300 * 300]) << row;
  EXPECT_EQ(cluster(points.values, 8, 5000, 1, 1, one).count, 1200U);  // never more than rows
  const std::vector<float> same(80, 1.0F);
  EXPECT_EQ(cluster(same, 8, 4, 3, 1, one).count, 1U);
}

TEST(TypicalRows, TakeOneOfEachClusterAndNoOutlier) {
  const EmbeddingMatrix open = blobs(4, 50, true);
  ThreadPool one(1), three(3);
  const auto chosen = typical_rows(open, none(), 5, 3, one);
  ASSERT_EQ(chosen.size(), 5U);
  std::set<std::size_t> first_four;
  for (std::size_t i = 0; i < 4; ++i) first_four.insert(chosen[i].row / 50);
  EXPECT_EQ(first_four.size(), 4U) << "one of each blob";
  for (const TypicalRow& row : chosen) EXPECT_LT(row.row, 200U) << "the outlier is alone in its cluster";
  const auto again = typical_rows(open, none(), 5, 3, three);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(chosen[i].row, again[i].row);
  // A chosen row lies nearer to the middle of its blob than most.
  const std::uint32_t row = chosen[0].row;
  const auto off_centre = [&](std::uint32_t at) {
    double sum = 0;
    for (std::size_t k = 0; k < 8; ++k) {
      double mean = 0;
      for (std::uint32_t other = at / 50 * 50; other < at / 50 * 50 + 50; ++other)
        mean += static_cast<double>(open.row(other)[k]) / 50;
      sum += std::pow(static_cast<double>(open.row(at)[k]) - mean, 2);
    }
    return sum;
  };
  std::size_t nearer = 0;
  for (std::uint32_t other = row / 50 * 50; other < row / 50 * 50 + 50; ++other)
    nearer += off_centre(other) < off_centre(row) ? 1 : 0;
  EXPECT_LT(nearer, 15U);
  EXPECT_EQ(typical_rows(open, none(), 1000, 3, one).size(), 201U);  // all there are, the outlier last
  EXPECT_TRUE(typical_rows(none(), none(), 3, 3, one).empty());
}

TEST(TypicalRows, KeepAwayFromWhatIsKnown) {
  const EmbeddingMatrix all = blobs(4, 50, false);
  EmbeddingMatrix known = none();
  known.rows = 1;
  known.values.assign(all.row(10).begin(), all.row(10).end());  // of the first blob
  ThreadPool pool(1);
  for (const TypicalRow& row : typical_rows(all, known, 3, 1, pool)) EXPECT_GE(row.row, 50U);
}

TEST(TypicalRows, CompareSomeOfALargeCluster) {
  const EmbeddingMatrix open = blobs(1, 5000, false);
  EmbeddingMatrix known = none();
  ThreadPool one(1), three(3);
  const auto chosen = typical_rows(open, known, 1, 3, one);
  ASSERT_EQ(chosen.size(), 1U);
  EXPECT_EQ(chosen[0].cluster_rows, 5000U);
  EXPECT_EQ(chosen[0].row, typical_rows(open, known, 1, 3, three)[0].row);
  double off = 0;
  for (std::size_t k = 0; k < 8; ++k)
    off += std::pow(static_cast<double>(open.row(chosen[0].row)[k]) - (k == 0 ? 5.0 : 0.0), 2);
  EXPECT_LT(std::sqrt(off), 0.5) << "the mean distance from the centre is 0.82";
}

TEST(TypicalRows, StopBetweenSteps) {
  const EmbeddingMatrix open = blobs(4, 200, false);
  ThreadPool pool(2);
  std::vector<float> probabilities(open.rows * 2, 0.5F);
  for (const int limit : {0, 3, 45, 49, 60}) {
    int asked = 0;
    Watcher watcher;
    watcher.cancelled = [&] { return ++asked > limit; };
    EXPECT_TRUE(typical_rows(open, none(), 40, 3, pool, watcher).empty());
    EXPECT_LE(asked, limit + 4) << "nothing goes on for long";
    asked = limit / 2;
    EXPECT_TRUE(uncertain_rows(open, probabilities, 2, 40, 3, pool, watcher).empty());
    EXPECT_EQ(asked, limit + 1);
  }
}

TEST(UncertainRows, DrawFarApartAmongWhatIsUnsure) {
  // Rows 0..19 sure; 20..39 unsure between labels 0 and 1; 40..59 unsure between 1 and 2. Within a group all are alike.
  EmbeddingMatrix open;
  open.dimensions = 2;
  std::vector<float> probabilities;
  for (std::size_t row = 0; row < 60; ++row, ++open.rows) {
    open.values.insert(open.values.end(), {1.0F, 0.5F});
    if (row < 20)
      probabilities.insert(probabilities.end(), {1, 0, 0});
    else if (row < 40)
      probabilities.insert(probabilities.end(), {0.55F, 0.45F, 0});
    else
      probabilities.insert(probabilities.end(), {0, 0.55F, 0.45F});
  }
  ThreadPool one(1), three(3);
  const auto chosen = uncertain_rows(open, probabilities, 3, 4, 1, one);
  ASSERT_EQ(chosen.size(), 4U);
  EXPECT_NE(chosen[0] < 40, chosen[1] < 40) << "one of each unsure group first";
  for (const std::uint32_t row : chosen) EXPECT_TRUE(row < 20 ? row == chosen[2] || row == chosen[3] : true);
  EXPECT_EQ(chosen, uncertain_rows(open, probabilities, 3, 4, 1, three));
  EXPECT_EQ(uncertain_rows(open, probabilities, 3, 100, 1, one).size(), 60U);
}

// The same draw with every gradient written out.
std::vector<std::uint32_t> draw_slowly(const EmbeddingMatrix& open, const std::vector<float>& probabilities,
                                       std::size_t labels, std::size_t count, std::uint64_t seed) {
  std::vector<std::vector<double>> g(open.rows);
  for (std::size_t row = 0; row < open.rows; ++row) {
    const float* p = &probabilities[row * labels];
    const std::size_t best = static_cast<std::size_t>(std::max_element(p, p + labels) - p);
    for (std::size_t l = 0; l < labels; ++l)
      for (const float h : open.row(row))
        g[row].push_back(static_cast<double>(p[l] - (l == best ? 1.0F : 0.0F)) * static_cast<double>(h));
  }
  const auto distance = [&](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
  };
  std::vector<std::uint32_t> chosen;
  std::vector<double> nearest(open.rows, 1e30);
  std::vector<bool> taken(open.rows);
  const std::vector<double> zero(g[0].size());
  for (std::size_t row = 0; row < open.rows; ++row) nearest[row] = distance(g[row], zero);
  Random random(seed);
  while (chosen.size() < count) {
    std::size_t row = 0;
    if (chosen.empty()) {
      row = static_cast<std::size_t>(std::max_element(nearest.begin(), nearest.end()) - nearest.begin());
    } else {
      double total = 0;
      for (const double d : nearest) total += d;
      double left = random.uniform() * total;
      while (left >= nearest[row]) left -= nearest[row++];
    }
    chosen.push_back(static_cast<std::uint32_t>(row));
    taken[row] = true;
    for (std::size_t i = 0; i < open.rows; ++i)
      nearest[i] = taken[i] ? 0 : std::min(nearest[i], distance(g[i], g[row]));
  }
  return chosen;
}

TEST(UncertainRows, EqualADrawOfGradientsWrittenOut) {
  Random random(5);
  EmbeddingMatrix open;
  open.dimensions = 6;
  open.rows = 80;
  std::vector<float> probabilities;
  for (std::size_t row = 0; row < open.rows; ++row) {
    for (std::size_t k = 0; k < 6; ++k) open.values.push_back(static_cast<float>(random.normal()));
    float p[4], sum = 0;
    for (float& value : p) sum += value = static_cast<float>(random.uniform());
    for (const float value : p) probabilities.push_back(value / sum);
  }
  ThreadPool pool(2);
  for (std::uint64_t seed = 1; seed < 6; ++seed)
    EXPECT_EQ(uncertain_rows(open, probabilities, 4, 12, seed, pool), draw_slowly(open, probabilities, 4, 12, seed));
}

}  // namespace
}  // namespace smidgen
