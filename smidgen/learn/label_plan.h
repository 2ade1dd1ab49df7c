// Which unlabelled rows to label next.
//
// Three ways to choose, for three situations:
//
//   typical    few labels or none: what a model says of the rows is worth little then, and the rows it is least sure of
//              are outliers. The rows are clustered (k-means on the encoder's embeddings, as many clusters as rows
//              known and wanted) and from the largest cluster without a known row comes the most typical one, whose
//              mean distance to its nearest neighbours is least, among at most 2,000 rows of a cluster. TypiClust:
//              Hacohen, Dekel, Weinshall, "Active learning on a budget: opposite strategies suit high and low budgets"
//              (2022).
//   uncertain  enough labels: rows whose label would move the head most, and in different directions. The gradient of
//              the head's last layer, taken as if its own answer were right, is q h^T with q = p - onehot(answer): long
//              when the head is unsure. k-means++ draws among these. BADGE: Ash et al., "Deep batch active learning by
//              diverse, uncertain gradient lower bounds" (2020).
//   random     always a share: what is chosen for its text is no sample of the rows to come, and nothing can be
//              certified on it (split.h).
//
// Everything here is a function of embeddings and probabilities; plan_labels.h puts it together. Whoever's watcher asks
// to stop gets an early and worthless answer, and has to ask it again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/embeddings.h"

namespace smidgen {

// Lloyd's k-means from a k-means++ start (Arthur and Vassilvitskii 2007). The same for any number of threads.
struct Clusters {
  std::vector<std::uint32_t> of_row;  // (rows)
  std::size_t count = 0;              // none is empty
};
// points (rows, dimensions); count is cut to rows.
Clusters cluster(std::span<const float> points, std::size_t dimensions, std::size_t count, std::size_t rounds,
                 std::uint64_t seed, ThreadPool& pool, const Watcher& watcher = {});

// A row chosen for being typical, with the number of rows of its cluster.
struct TypicalRow {
  std::uint32_t row = 0;
  std::size_t cluster_rows = 0;
};
// At most `count` rows of `open`, best first. known: rows that are labelled already.
std::vector<TypicalRow> typical_rows(const EmbeddingMatrix& open, const EmbeddingMatrix& known, std::size_t count,
                                     std::uint64_t seed, ThreadPool& pool, const Watcher& watcher = {});

// At most `count` rows of `open`, in the order drawn; probabilities (rows, labels) of the head.
std::vector<std::uint32_t> uncertain_rows(const EmbeddingMatrix& open, std::span<const float> probabilities,
                                          std::size_t labels, std::size_t count, std::uint64_t seed, ThreadPool& pool,
                                          const Watcher& watcher = {});

}  // namespace smidgen
