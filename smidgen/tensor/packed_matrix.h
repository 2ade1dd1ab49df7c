// A matrix in the panel order of one kernel table (see kernel_table.h), ready to be the right-hand side of products.
#pragma once

#include <cstddef>
#include <memory>

#include "smidgen/tensor/kernel_table.h"

namespace smidgen {

// 64-byte aligned floats, uninitialised; blocks of 2 MB and more ask for huge pages, because weights are read in long
// straight lines and neither the hardware's prefetcher nor its page tables like 4 KB steps.
struct FreeAligned {
  void operator()(float* p) const;
};
using AlignedFloats = std::unique_ptr<float[], FreeAligned>;
AlignedFloats allocate_floats(std::size_t count);

class PackedMatrix {
 public:
  PackedMatrix() = default;
  // B (k, n), element (i, j) at b[i * row_stride + j * column_stride]: a PyTorch Linear weight (out, in) is packed with
  // k = in, n = out, row_stride = 1, column_stride = in.
  static PackedMatrix pack(const Kernels& kernels, const float* b, std::size_t k, std::size_t n, std::size_t row_stride,
                           std::size_t column_stride);
  // The same into `storage`, packed_floats() long, which must outlive the matrix: several matrices used one after
  // another can lie in one block, so that the end of one already fetches the start of the next.
  static PackedMatrix pack_into(float* storage, const Kernels& kernels, const float* b, std::size_t k, std::size_t n,
                                std::size_t row_stride, std::size_t column_stride);
  static std::size_t packed_floats(const Kernels& kernels, std::size_t k, std::size_t n);

  std::size_t k() const { return k_; }
  std::size_t n() const { return n_; }
  const float* panels() const { return panels_; }
  const Kernels& kernels() const { return *kernels_; }  // the only table that may use the panels
  std::size_t panel_columns() const { return kernels_->panel_columns; }

 private:
  const Kernels* kernels_ = nullptr;
  std::size_t k_ = 0, n_ = 0;
  AlignedFloats owned_;
  const float* panels_ = nullptr;
};

}  // namespace smidgen
