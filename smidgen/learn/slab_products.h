// The two products of a linear map's training pass over some rows X of a feature matrix: logits = X W^T + b, and the
// gradient D^T X once D has replaced the logits. X is copied and packed once, as it never changes between passes. The
// rows are cut into slabs whose number depends on the rows alone, and the slabs' gradients are added in index order in
// double: any number of threads gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "smidgen/base/thread_pool.h"
#include "smidgen/tensor/packed_matrix.h"

namespace smidgen {

class SlabProducts {
 public:
  // features: (.., dimensions); rows: which of them, in this order.
  SlabProducts(std::span<const float> features, std::size_t dimensions, std::span<const std::uint32_t> rows,
               std::size_t outputs);

  std::size_t slabs() const { return begins_.size() - 1; }
  std::size_t slab_begin(std::size_t slab) const { return begins_[slab]; }

  // theta: (outputs, dimensions + 1), weights then bias.
  void set_weights(std::span<const double> theta);
  // (slab rows, outputs) logits, which the caller overwrites with D; slabs may run on different threads.
  std::span<float> forward(std::size_t slab);
  void backward(std::size_t slab);
  // Adds the gradients of all slabs to the weights' part of `gradient`, (outputs, dimensions + 1).
  void add_gradient(std::span<double> gradient, ThreadPool& pool) const;

 private:
  std::size_t dimensions_, outputs_;
  std::vector<std::size_t> begins_;        // (slabs + 1)
  std::vector<float> rows_;                // (rows, dimensions)
  std::vector<PackedMatrix> packed_rows_;  // one per slab
  PackedMatrix packed_weights_;
  std::vector<float> weights_, bias_;
  std::vector<float> logits_;     // (rows, outputs)
  std::vector<float> gradients_;  // (slabs, outputs, dimensions)
};

}  // namespace smidgen
