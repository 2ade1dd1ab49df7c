#include "smidgen/text/byte_trie.h"

#include <algorithm>
#include <bit>

#include "smidgen/base/probe_run.h"
#include "smidgen/base/result.h"

namespace smidgen {

ByteTrie::ByteTrie(std::span<const std::string_view> strings, std::span<const std::int32_t> values) {
  SMIDGEN_CHECK(strings.size() == values.size());
  // Neighbours in sorted order share their whole common prefix, so the nodes can be counted before the table is made.
  std::vector<std::string_view> sorted(strings.begin(), strings.end());
  std::sort(sorted.begin(), sorted.end());
  std::size_t nodes = 1, bytes = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const std::string_view before = i == 0 ? std::string_view() : sorted[i - 1];
    const auto differ = std::mismatch(before.begin(), before.end(), sorted[i].begin(), sorted[i].end());
    nodes += static_cast<std::size_t>(sorted[i].end() - differ.second);
    bytes += sorted[i].size();
  }
  SMIDGEN_CHECK(bytes <= kBytesMax - 1);
  const std::size_t slots = std::max<std::size_t>(16, std::bit_ceil(nodes * 2));
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
  fill_uncrowded(
      strings, slots,
      [&](std::uint64_t multiplier, std::size_t probes_max) {
        multiplier_ = multiplier;
        return fill(strings, values, probes_max);
      },
      [&](std::size_t at) { return edges_[at].to != kRoot; });
}

bool ByteTrie::fill(std::span<const std::string_view> strings, std::span<const std::int32_t> values,
                    std::size_t probes_max) {
  edges_.assign(mask_ + 1, Edge());
  nodes_ = 1;
  for (std::size_t i = 0; i < strings.size(); ++i) {
    Edge* last = nullptr;
    for (const char c : strings[i]) {
      last = add(last == nullptr ? kRoot : last->to, static_cast<unsigned char>(c), probes_max);
      if (last == nullptr) return false;
    }
    if (last != nullptr) last->value = values[i];
  }
  return true;
}

ByteTrie::Edge* ByteTrie::add(std::uint32_t node, unsigned char byte, std::size_t probes_max) {
  const std::uint32_t key = node << 8 | byte;
  std::size_t at = slot(key);
  for (std::size_t probes = 0; edges_[at].to != kRoot && edges_[at].key != key; at = (at + 1) & mask_)
    if (++probes > probes_max) return nullptr;
  if (edges_[at].to == kRoot) edges_[at] = {key, nodes_++, -1};
  return &edges_[at];
}

std::uint32_t ByteTrie::walk(std::uint32_t node, std::string_view bytes) const {
  for (const char c : bytes) {
    if (node == kNone) break;
    node = step(node, static_cast<unsigned char>(c));
  }
  return node;
}

}  // namespace smidgen
