// A distribution over labels for each row: what a teacher says of it. Sparse, as a teacher of many labels names a few.
//
//   SoftLabels soft;
//   soft.add_row({{{2, 0.9F}, {0, 0.1F}}});
//   for (const SoftLabel& entry : soft.of(0)) use(entry.label, entry.share);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace smidgen {

struct SoftLabel {
  std::uint32_t label = 0;
  float share = 0;  // 0..1
};

class SoftLabels {
 public:
  // Each row its label, whole.
  static SoftLabels of_labels(std::span<const std::uint32_t> labels);

  // Entries of one row: distinct labels whose shares sum to 1.
  void add_row(std::span<const SoftLabel> entries);
  // Gives every label its new number.
  void renumber(std::span<const std::uint32_t> number_of);
  std::size_t rows() const { return offsets_.size() - 1; }
  std::span<const SoftLabel> of(std::size_t row) const {
    return std::span(entries_).subspan(offsets_[row], offsets_[row + 1] - offsets_[row]);
  }

 private:
  std::vector<std::uint64_t> offsets_ = {0};
  std::vector<SoftLabel> entries_;
};

}  // namespace smidgen
