#include "smidgen/learn/label_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>

#include "smidgen/base/random.h"
#include "smidgen/base/result.h"
#include "smidgen/tensor/kernels.h"

namespace smidgen {

namespace {

constexpr std::size_t kRowsPerTask = 256;
constexpr std::size_t kClustersMax = 500;   // as the paper has it: finer ones split what belongs together
constexpr std::size_t kNeighbours = 20;     // that typicality looks at
constexpr std::size_t kClusterRowsMin = 5;  // a smaller cluster holds outliers
constexpr std::size_t kRounds = 8;
constexpr std::size_t kComparedMax = 2000;  // rows of a cluster: typicality costs their square

// body(row) for all rows, in tasks that depend on their number alone.
template <class Body>
void for_rows(std::size_t rows, ThreadPool& pool, const Body& body) {
  pool.parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::size_t task, std::size_t) {
    for (std::size_t row = task * kRowsPerTask; row < std::min(rows, (task + 1) * kRowsPerTask); ++row) body(row);
  });
}

double squared_distance(const float* a, const float* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i] - b[i]) * static_cast<double>(a[i] - b[i]);
  return sum;
}

// A row drawn with a chance proportional to its weight; the last one of positive weight when rounding runs past it.
std::size_t draw(std::span<const double> weights, Random& random) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double left = random.uniform() * total;
  std::size_t last = 0;
  for (std::size_t row = 0; row < weights.size(); ++row) {
    if (weights[row] <= 0) continue;
    last = row;
    left -= weights[row];
    if (left < 0) break;
  }
  return last;
}

class KMeans {
 public:
  KMeans(std::span<const float> points, std::size_t dimensions, ThreadPool& pool)
      : points_(points), n_(dimensions), rows_(points.size() / dimensions), pool_(pool), of_row_(rows_) {}

  void seed(std::size_t count, std::uint64_t seed, const Watcher& watcher) {
    Random random(seed);
    std::vector<double> nearest(rows_, 1);
    while (centres_.size() < count * n_) {
      const std::size_t row = draw(nearest, random);
      const bool first = centres_.empty();
      centres_.insert(centres_.end(), points_.begin() + static_cast<std::ptrdiff_t>(row * n_),
                      points_.begin() + static_cast<std::ptrdiff_t>((row + 1) * n_));
      const float* centre = centres_.data() + centres_.size() - n_;
      for_rows(rows_, pool_, [&](std::size_t i) {
        const double distance = squared_distance(&points_[i * n_], centre, n_);
        nearest[i] = first ? distance : std::min(nearest[i], distance);
      });
      if (std::all_of(nearest.begin(), nearest.end(), [](double d) { return d <= 0; })) break;  // fewer distinct points
      if (watcher.stop_requested()) break;
    }
  }

  // |x - c|^2 is least where x . c - |c|^2 / 2 is most.
  void assign() {
    const std::size_t count = centres_.size() / n_;
    std::vector<float> half(count);
    for (std::size_t c = 0; c < count; ++c) half[c] = kernels().dot(&centres_[c * n_], &centres_[c * n_], n_) / 2;
    for_rows(rows_, pool_, [&](std::size_t i) {
      float best = 0;
      for (std::size_t c = 0; c < count; ++c) {
        const float score = kernels().dot(&points_[i * n_], &centres_[c * n_], n_) - half[c];
        if (c > 0 && !(score > best)) continue;
        best = score;
        of_row_[i] = static_cast<std::uint32_t>(c);
      }
    });
  }

  void move_centres() {
    const std::size_t count = centres_.size() / n_;
    std::vector<double> sums(count * n_), rows(count);
    for (std::size_t i = 0; i < rows_; ++i) {
      ++rows[of_row_[i]];
      for (std::size_t k = 0; k < n_; ++k) sums[of_row_[i] * n_ + k] += static_cast<double>(points_[i * n_ + k]);
    }
    for (std::size_t c = 0; c < count; ++c)
      for (std::size_t k = 0; rows[c] > 0 && k < n_; ++k)
        centres_[c * n_ + k] = static_cast<float>(sums[c * n_ + k] / rows[c]);
  }

  // Without empty clusters, numbered by first appearance.
  Clusters finish() const {
    Clusters clusters;
    std::vector<std::uint32_t> number(centres_.size() / n_, 0xffffffff);
    for (const std::uint32_t c : of_row_) {
      if (number[c] == 0xffffffff) number[c] = static_cast<std::uint32_t>(clusters.count++);
      clusters.of_row.push_back(number[c]);
    }
    return clusters;
  }

 private:
  std::span<const float> points_;
  std::size_t n_, rows_;
  ThreadPool& pool_;
  std::vector<float> centres_;
  std::vector<std::uint32_t> of_row_;
};

struct Cluster {
  std::size_t rows = 0, taken = 0;  // known and open ones; known or chosen ones
  std::vector<std::uint32_t> open;  // most typical first
};

// Mean distance to the nearest neighbours in the cluster: small is typical. Of a large cluster some rows, drawn at
// random, are compared with each other; the rest of it follows them.
void sort_by_typicality(std::vector<std::uint32_t>& rows, const EmbeddingMatrix& open, std::uint64_t seed,
                        ThreadPool& pool) {
  if (rows.size() > kComparedMax) Random(seed).shuffle(std::span(rows));
  const std::span<std::uint32_t> compared = std::span(rows).first(std::min(rows.size(), kComparedMax));
  std::vector<std::pair<double, std::uint32_t>> ranked(compared.size());
  for_rows(compared.size(), pool, [&](std::size_t i) {
    std::vector<double> distances;
    for (const std::uint32_t other : compared)
      if (other != compared[i])
        distances.push_back(std::sqrt(
            std::max(0.0, squared_distance(open.row(compared[i]).data(), open.row(other).data(), open.dimensions))));
    const std::size_t near = std::min(kNeighbours, distances.size());
    std::partial_sort(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(near), distances.end());
    const double sum = std::accumulate(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(near), 0.0);
    ranked[i] = {near == 0 ? 0 : sum / static_cast<double>(near), compared[i]};
  });
  std::sort(ranked.begin(), ranked.end());
  for (std::size_t i = 0; i < ranked.size(); ++i) compared[i] = ranked[i].second;
}

}  // namespace

Clusters cluster(std::span<const float> points, std::size_t dimensions, std::size_t count, std::size_t rounds,
                 std::uint64_t seed, ThreadPool& pool, const Watcher& watcher) {
  SMIDGEN_CHECK(!points.empty() && count >= 1);
  KMeans means(points, dimensions, pool);
  means.seed(std::min(count, points.size() / dimensions), seed, watcher);
  means.assign();
  for (std::size_t round = 0; round < rounds && !watcher.stop_requested(); ++round) {
    means.move_centres();
    means.assign();
  }
  return means.finish();
}

std::vector<TypicalRow> typical_rows(const EmbeddingMatrix& open, const EmbeddingMatrix& known, std::size_t count,
                                     std::uint64_t seed, ThreadPool& pool, const Watcher& watcher) {
  if (open.rows == 0 || count == 0) return {};
  std::vector<float> points = open.values;
  points.insert(points.end(), known.values.begin(), known.values.end());
  const Clusters found =
      cluster(points, open.dimensions, std::min(kClustersMax, known.rows + count), kRounds, seed, pool, watcher);
  std::vector<Cluster> clusters(found.count);
  for (std::uint32_t row = 0; row < found.of_row.size(); ++row) {
    Cluster& one = clusters[found.of_row[row]];
    ++one.rows;
    if (row < open.rows)
      one.open.push_back(row);
    else
      ++one.taken;
  }
  for (std::size_t c = 0; c < clusters.size(); ++c) {
    if (watcher.stop_requested()) return {};
    sort_by_typicality(clusters[c].open, open, seed + c, pool);
  }
  std::vector<std::size_t> next(clusters.size());
  std::vector<TypicalRow> chosen;
  while (chosen.size() < std::min(count, open.rows)) {
    if (watcher.stop_requested()) return {};
    // The fewest known rows first, then the largest cluster; a tiny one only when nothing else is left.
    const auto rank = [&](std::size_t c) {
      const Cluster& one = clusters[c];
      return std::tuple(next[c] == one.open.size(), one.rows < kClusterRowsMin, one.taken,
                        -static_cast<double>(one.rows));
    };
    std::size_t best = 0;
    for (std::size_t c = 1; c < clusters.size(); ++c)
      if (rank(c) < rank(best)) best = c;
    chosen.push_back({clusters[best].open[next[best]++], clusters[best].rows});
    ++clusters[best].taken;
  }
  return chosen;
}

// |g_a - g_b|^2 = |g_a|^2 + |g_b|^2 - 2 (q_a . q_b)(h_a . h_b): the gradients, labels times dimensions long, are never
// written down.
std::vector<std::uint32_t> uncertain_rows(const EmbeddingMatrix& open, std::span<const float> probabilities,
                                          std::size_t labels, std::size_t count, std::uint64_t seed, ThreadPool& pool,
                                          const Watcher& watcher) {
  std::vector<float> q(probabilities.begin(), probabilities.end());
  std::vector<double> squares(open.rows), nearest(open.rows);
  for (std::size_t row = 0; row < open.rows; ++row) {
    float* p = &q[row * labels];
    *std::max_element(p, p + labels) -= 1;
    squares[row] = static_cast<double>(kernels().dot(p, p, labels)) *
                   static_cast<double>(kernels().dot(open.row(row).data(), open.row(row).data(), open.dimensions));
  }
  std::vector<std::uint32_t> chosen;
  std::vector<bool> taken(open.rows);
  Random random(seed);
  nearest = squares;
  while (chosen.size() < std::min(count, open.rows)) {
    if (watcher.stop_requested()) return {};
    // The longest gradient first, then by k-means++; where all that is left lies on a chosen one, the longest again.
    std::size_t row = 0;
    const bool none = std::all_of(nearest.begin(), nearest.end(), [](double d) { return d <= 0; });
    if (chosen.empty() || none) {
      double longest = -1;
      for (std::size_t i = 0; i < open.rows; ++i)
        if (!taken[i] && squares[i] > longest) longest = squares[row = i];
    } else {
      row = draw(nearest, random);
    }
    taken[row] = true;
    chosen.push_back(static_cast<std::uint32_t>(row));
    for_rows(open.rows, pool, [&](std::size_t i) {
      const double product =
          static_cast<double>(kernels().dot(&q[i * labels], &q[row * labels], labels)) *
          static_cast<double>(kernels().dot(open.row(i).data(), open.row(row).data(), open.dimensions));
      const double distance = taken[i] ? 0 : std::max(0.0, squares[i] + squares[row] - 2 * product);
      nearest[i] = std::min(nearest[i], distance);
    });
  }
  return chosen;
}

}  // namespace smidgen
