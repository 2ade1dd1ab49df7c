#include "smidgen/text/soft_labels.h"

namespace smidgen {

SoftLabels SoftLabels::of_labels(std::span<const std::uint32_t> labels) {
  SoftLabels soft;
  for (const std::uint32_t label : labels) {
    const SoftLabel whole{label, 1.0F};
    soft.add_row({&whole, 1});
  }
  return soft;
}

void SoftLabels::add_row(std::span<const SoftLabel> entries) {
  entries_.insert(entries_.end(), entries.begin(), entries.end());
  offsets_.push_back(entries_.size());
}

void SoftLabels::renumber(std::span<const std::uint32_t> number_of) {
  for (SoftLabel& entry : entries_) entry.label = number_of[entry.label];
}

}  // namespace smidgen
