// Longest prefix match over a set of byte strings: a trie whose edges live in one hash table.
//
// A hash of (node, byte) instead of a double array: a table of foreign strings is built in time and memory linear in
// their bytes whatever they are, and a step is one multiplication and, mostly, one cache line. Strings that crowd the
// table (probe_run.h) make it anew with another multiplier, which nobody knows before the strings are chosen: it is a
// hash of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace smidgen {

class ByteTrie {
 public:
  static constexpr std::uint32_t kRoot = 0;
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t kBytesMax = std::size_t{1} << 24;  // of all strings together: nodes fit 24 bits

  // Every string maps to the value at its index (>= 0); empty strings are left out. Strings are distinct and their
  // bytes sum to at most kBytesMax.
  ByteTrie() : ByteTrie({}, {}) {}
  ByteTrie(std::span<const std::string_view> strings, std::span<const std::int32_t> values);

  // The node one byte further, or kNone.
  std::uint32_t step(std::uint32_t node, unsigned char byte) const {
    const Edge* edge = find(node, byte);
    return edge == nullptr ? kNone : edge->to;
  }
  std::uint32_t walk(std::uint32_t node, std::string_view bytes) const;
  struct Match {
    std::size_t length = 0;  // bytes; 0: none
    std::int32_t value = -1;
  };
  // The longest string that is a prefix of `bytes`, starting at `node`.
  Match longest(std::uint32_t node, std::string_view bytes) const {
    Match match;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const Edge* edge = find(node, static_cast<unsigned char>(bytes[i]));
      if (edge == nullptr) break;
      node = edge->to;
      if (edge->value >= 0) match = {i + 1, edge->value};
    }
    return match;
  }

  // Every string that is a prefix of `bytes`, short to long: visit(length, value).
  template <class Visit>
  void each_prefix(std::string_view bytes, const Visit& visit) const {
    std::uint32_t node = kRoot;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const Edge* edge = find(node, static_cast<unsigned char>(bytes[i]));
      if (edge == nullptr) return;
      node = edge->to;
      if (edge->value >= 0) visit(i + 1, edge->value);
    }
  }

 private:
  struct Edge {
    std::uint32_t key = 0, to = kRoot;
    std::int32_t value = -1;  // of the string that ends at `to`
  };
  std::size_t slot(std::uint32_t key) const { return (key * multiplier_) >> shift_; }
  const Edge* find(std::uint32_t node, unsigned char byte) const {
    const std::uint32_t key = node << 8 | byte;
    for (std::size_t at = slot(key);; at = (at + 1) & mask_) {
      const Edge& edge = edges_[at];
      if (edge.to == kRoot) return nullptr;  // no edge leads to the root: an empty place
      if (edge.key == key) return &edge;
    }
  }
  // False when an edge would stand more than probes_max from its place.
  bool fill(std::span<const std::string_view> strings, std::span<const std::int32_t> values, std::size_t probes_max);
  // Null where `fill` is false.
  Edge* add(std::uint32_t node, unsigned char byte, std::size_t probes_max);

  std::vector<Edge> edges_;
  std::uint32_t nodes_ = 1;
  std::size_t mask_ = 0;
  std::uint64_t multiplier_ = 1;
  int shift_ = 0;
};

}  // namespace smidgen
