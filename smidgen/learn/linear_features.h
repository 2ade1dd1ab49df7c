// From texts to the sparse matrix the linear rung is fitted on, in two steps, so that folds and feature sets share the
// first and no fold sees another's vocabulary:
//
//   NgramCounts   the n-grams of every row with their counts; done once, knows nothing of labels, folds or weights;
//   LinearDesign  document frequencies, vocabulary and weights of some training rows, and these rows as a matrix.
//
// Weights are scikit-learn's TfidfVectorizer(sublinear_tf=True): value = (1 + log count) * idf, with
// idf = log((1 + n) / (1 + df)) + 1 over the training rows, each block's part of a row then scaled to length 1.
//
// Equal columns are merged. N-grams that stand in exactly the same rows with the same counts (the 2-, 3-, 4- and
// 5-grams around a rare stem; everything that occurs in one row only) have equal columns, so L2-penalised least loss
// gives them equal weights: m columns x with weight w each act as one column sqrt(m) x with weight sqrt(m) w and the
// same penalty. Exact, and it removes most of the columns and half of the work. A column that stands in one row only
// needs no weights while fitting: it is a constant times the row's dual variables (`own_columns`).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/text/ngrams.h"

namespace smidgen {

// The n-grams of one block over all rows: row r holds entries offsets[r] .. offsets[r + 1].
struct NgramCounts {
  std::vector<std::uint64_t> hashes;    // feature -> hash, by first appearance
  std::vector<std::uint64_t> offsets;   // (rows + 1)
  std::vector<std::uint32_t> features;  // of each entry; a row's are distinct
  std::vector<std::uint16_t> counts;    // of each entry, >= 1, capped at 65,535
};
NgramCounts count_ngrams(std::span<const std::string> texts, NgramBlock block, const Watcher& watcher);

// What a model looks at.
struct LinearFeatureSet {
  std::vector<NgramBlock> blocks = {NgramBlock::kWords, NgramBlock::kCharacters};
  std::uint32_t rows_min = 1;             // an n-gram must stand in that many training rows
  std::uint32_t features_max = 1U << 19;  // a block keeps the most frequent ones
};

// A feature is (block, feature number in the block's NgramCounts).
inline constexpr std::uint32_t kNoColumn = ~0U;

struct LinearDesign {
  struct Block {
    const NgramCounts* counts = nullptr;
    std::vector<std::uint32_t> column;  // feature -> column, or kNoColumn outside the vocabulary
    std::vector<float> idf;             // feature -> idf
  };
  std::vector<Block> blocks;
  std::size_t rows = 0;            // training rows
  std::size_t shared_columns = 0;  // columns [0, shared_columns) stand in two rows or more, the most frequent first
  std::size_t columns = 0;         // columns [shared_columns, columns) stand in one row
  std::vector<float> merged_root;  // column -> sqrt(m), m n-grams were merged

  // The training rows over the shared columns.
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint32_t> indices;
  std::vector<float> values;  // merged: times sqrt(m)
  // Columns that stand in one row: of row r, entries own_offsets[r] .. own_offsets[r + 1].
  std::vector<std::uint64_t> own_offsets;
  std::vector<std::uint32_t> own_indices;
  std::vector<float> own_values;
  std::vector<float> own_square;  // row -> sum of squares of its own values
  std::vector<float> square;      // row -> squared length, own columns included

  static LinearDesign build(std::span<const NgramCounts* const> counts, std::span<const std::uint32_t> rows,
                            const LinearFeatureSet& set);

  // Any row of the counts through this vocabulary, as (column, value) of merged columns; what is not in it is dropped.
  void apply(std::size_t row, std::vector<std::uint32_t>& indices_out, std::vector<float>& values_out) const;
};

}  // namespace smidgen
