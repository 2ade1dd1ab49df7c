#include "smidgen/learn/linear_features.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "smidgen/base/result.h"

namespace smidgen {
namespace {

// Hash -> dense number, by first appearance. Open addressing; a zero hash is stored apart.
class HashNumbers {
 public:
  HashNumbers() : slots_(1 << 16) {}
  std::uint32_t number_of(std::uint64_t hash, std::vector<std::uint64_t>& hashes) {
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].number != 0) {
      if (slots_[at].hash == hash) return slots_[at].number - 1;
      at = (at + 1) & (slots_.size() - 1);
    }
    hashes.push_back(hash);
    SMIDGEN_CHECK(hashes.size() < kNoColumn);
    slots_[at] = {hash, static_cast<std::uint32_t>(hashes.size())};
    if (hashes.size() * 2 > slots_.size()) grow();
    return static_cast<std::uint32_t>(hashes.size() - 1);
  }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t number = 0;  // + 1; 0: empty
  };
  void grow() {
    std::vector<Slot> old(slots_.size() * 4);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number == 0) continue;
      std::size_t at = slot.hash & (slots_.size() - 1);
      while (slots_[at].number != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }
  std::vector<Slot> slots_;
};

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// (1 + log count) for small counts by table.
class SublinearTable {
 public:
  SublinearTable() {
    for (std::size_t i = 1; i < kSize; ++i) table_[i] = 1.0F + std::log(static_cast<float>(i));
  }
  float operator()(std::uint16_t count) const {
    return count < kSize ? table_[count] : 1.0F + std::log(static_cast<float>(count));
  }

 private:
  static constexpr std::size_t kSize = 256;
  float table_[kSize] = {};
};
const SublinearTable kSublinear;

struct ColumnStats {
  std::vector<std::uint32_t> rows;       // feature -> document frequency over the training rows
  std::vector<std::uint64_t> signature;  // feature -> sum over rows of mix(row, count): equal for equal columns
};

ColumnStats column_stats(const NgramCounts& counts, std::span<const std::uint32_t> rows) {
  ColumnStats stats;
  stats.rows.resize(counts.hashes.size());
  stats.signature.resize(counts.hashes.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::uint64_t row_key = (r + 1) * 0x9e3779b97f4a7c15ULL;
    for (std::uint64_t e = counts.offsets[rows[r]]; e < counts.offsets[rows[r] + 1]; ++e) {
      const std::uint32_t feature = counts.features[e];
      ++stats.rows[feature];
      stats.signature[feature] += mix(row_key + counts.counts[e]);
    }
  }
  return stats;
}

// The smallest row count an n-gram must have so that at most features_max stay.
std::uint32_t rows_cut(const std::vector<std::uint32_t>& rows, const LinearFeatureSet& set) {
  std::vector<std::size_t> with(256);  // features with exactly that many rows, the last: that or more
  for (const std::uint32_t n : rows) ++with[std::min<std::size_t>(n, 255)];
  std::size_t kept = 0;
  std::uint32_t cut = std::max(1U, set.rows_min);
  for (std::size_t n = cut; n < 256; ++n) kept += with[n];
  while (kept > set.features_max && cut < 255) kept -= with[cut++];
  return cut;
}

struct Column {
  std::uint32_t rows = 0, merged = 0, block = 0, representative = 0;
};

// Groups a block's features into columns; appends to `columns`, writes provisional column numbers.
void group_columns(const ColumnStats& stats, std::uint32_t cut, std::uint32_t block, LinearDesign::Block& out,
                   std::vector<Column>& columns) {
  std::size_t size = 1024;
  while (size < stats.rows.size() * 2) size *= 2;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> slots(size, {0, kNoColumn});
  out.column.assign(stats.rows.size(), kNoColumn);
  for (std::uint32_t f = 0; f < stats.rows.size(); ++f) {
    if (stats.rows[f] < cut) continue;
    const std::uint64_t key = stats.signature[f];
    std::size_t at = key & (size - 1);
    while (slots[at].second != kNoColumn && slots[at].first != key) at = (at + 1) & (size - 1);
    if (slots[at].second == kNoColumn) {
      slots[at] = {key, static_cast<std::uint32_t>(columns.size())};
      columns.push_back({stats.rows[f], 0, block, f});
    }
    out.column[f] = slots[at].second;
    ++columns[slots[at].second].merged;
  }
}

// Most frequent first, so that hot weight rows lie together; ties by order of appearance. Returns old -> new.
std::vector<std::uint32_t> order_columns(const std::vector<Column>& columns) {
  std::vector<std::uint32_t> order(columns.size()), renumber(columns.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return columns[a].rows > columns[b].rows; });
  for (std::uint32_t i = 0; i < order.size(); ++i) renumber[order[i]] = i;
  return renumber;
}

// 1 / the length of the block's part of a row, over the n-grams of the vocabulary.
float inverse_length(const LinearDesign::Block& block, std::size_t row) {
  double square = 0;
  const NgramCounts& counts = *block.counts;
  for (std::uint64_t e = counts.offsets[row]; e < counts.offsets[row + 1]; ++e) {
    const std::uint32_t f = counts.features[e];
    if (block.column[f] == kNoColumn) continue;
    const float value = kSublinear(counts.counts[e]) * block.idf[f];
    square += static_cast<double>(value) * value;
  }
  return square > 0 ? static_cast<float>(1.0 / std::sqrt(square)) : 0.0F;
}

}  // namespace

NgramCounts count_ngrams(std::span<const std::string> texts, NgramBlock block, const Watcher& watcher) {
  NgramCounts out;
  HashNumbers numbers;
  NgramText text;
  std::vector<std::uint64_t> hashes;
  std::vector<std::uint64_t> last_entry;  // feature -> 1 + its newest entry
  out.offsets.push_back(0);
  for (std::size_t r = 0; r < texts.size(); ++r) {
    if (r % 1024 == 0) {
      if (watcher.stop_requested()) break;
      watcher.report("linear: reading n-grams", static_cast<double>(r) / static_cast<double>(texts.size()));
    }
    hashes.clear();
    text.prepare(texts[r]);
    text.append(block, hashes);
    const std::uint64_t begin = out.features.size();
    for (const std::uint64_t hash : hashes) {
      const std::uint32_t feature = numbers.number_of(hash, out.hashes);
      if (feature >= last_entry.size()) last_entry.push_back(0);
      if (last_entry[feature] > begin) {
        std::uint16_t& count = out.counts[last_entry[feature] - 1];
        if (count < 65535) ++count;
        continue;
      }
      out.features.push_back(feature);
      out.counts.push_back(1);
      last_entry[feature] = out.features.size();
    }
    out.offsets.push_back(out.features.size());
  }
  out.offsets.resize(texts.size() + 1, out.features.size());
  return out;
}

LinearDesign LinearDesign::build(std::span<const NgramCounts* const> counts, std::span<const std::uint32_t> rows,
                                 const LinearFeatureSet& set) {
  LinearDesign design;
  design.rows = rows.size();
  std::vector<Column> columns;
  design.blocks.resize(counts.size());
  for (std::size_t b = 0; b < counts.size(); ++b) {
    Block& block = design.blocks[b];
    block.counts = counts[b];
    const ColumnStats stats = column_stats(*counts[b], rows);
    group_columns(stats, rows_cut(stats.rows, set), static_cast<std::uint32_t>(b), block, columns);
    block.idf.resize(stats.rows.size());
    for (std::size_t f = 0; f < stats.rows.size(); ++f) {
      block.idf[f] = static_cast<float>(std::log((1.0 + static_cast<double>(rows.size())) / (1.0 + stats.rows[f])) + 1);
    }
  }
  const std::vector<std::uint32_t> renumber = order_columns(columns);
  design.columns = columns.size();
  design.merged_root.resize(columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    design.merged_root[renumber[c]] = std::sqrt(static_cast<float>(columns[c].merged));
    if (columns[c].rows > 1) ++design.shared_columns;
  }
  std::vector<std::uint32_t> representative(columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) representative[renumber[c]] = columns[c].representative;
  for (Block& block : design.blocks) {
    for (std::uint32_t& column : block.column) {
      if (column != kNoColumn) column = renumber[column];
    }
  }
  design.offsets.push_back(0);
  design.own_offsets.push_back(0);
  for (const std::uint32_t row : rows) {
    double square = 0, own = 0;
    for (const Block& block : design.blocks) {
      const float scale = inverse_length(block, row);
      for (std::uint64_t e = block.counts->offsets[row]; e < block.counts->offsets[row + 1]; ++e) {
        const std::uint32_t f = block.counts->features[e], column = block.column[f];
        if (column == kNoColumn || representative[column] != f) continue;
        const float value = kSublinear(block.counts->counts[e]) * block.idf[f] * scale * design.merged_root[column];
        square += static_cast<double>(value) * value;
        if (column >= design.shared_columns) {
          design.own_indices.push_back(column);
          design.own_values.push_back(value);
          own += static_cast<double>(value) * value;
        } else {
          design.indices.push_back(column);
          design.values.push_back(value);
        }
      }
    }
    design.offsets.push_back(design.indices.size());
    design.own_offsets.push_back(design.own_indices.size());
    design.square.push_back(static_cast<float>(square));
    design.own_square.push_back(static_cast<float>(own));
  }
  return design;
}

void LinearDesign::apply(std::size_t row, std::vector<std::uint32_t>& indices_out,
                         std::vector<float>& values_out) const {
  indices_out.clear();
  values_out.clear();
  for (const Block& block : blocks) {
    const float scale = inverse_length(block, row);
    for (std::uint64_t e = block.counts->offsets[row]; e < block.counts->offsets[row + 1]; ++e) {
      const std::uint32_t f = block.counts->features[e], column = block.column[f];
      if (column == kNoColumn) continue;
      indices_out.push_back(column);
      values_out.push_back(kSublinear(block.counts->counts[e]) * block.idf[f] * scale / merged_root[column]);
    }
  }
}

}  // namespace smidgen
