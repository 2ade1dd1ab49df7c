#include "smidgen/tensor/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "smidgen/base/result.h"

namespace smidgen {

namespace {
constexpr std::size_t kHugePage = 2U << 20;
}

void FreeAligned::operator()(float* p) const {
  std::free(p);
}

AlignedFloats allocate_floats(std::size_t count) {
  SMIDGEN_CHECK(count <= SIZE_MAX / sizeof(float) - kHugePage);
  const std::size_t bytes = count * sizeof(float);
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const std::size_t rounded = std::max<std::size_t>((bytes + alignment - 1) / alignment * alignment, alignment);
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();                        // as operator new would
  if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // a wish: failing changes nothing but speed
  return AlignedFloats(static_cast<float*>(memory));
}

PackedMatrix PackedMatrix::pack(const Kernels& kernels, const float* b, std::size_t k, std::size_t n,
                                std::size_t row_stride, std::size_t column_stride) {
  PackedMatrix packed;
  packed.kernels_ = &kernels;
  packed.k_ = k;
  packed.n_ = n;
  const std::size_t width = kernels.panel_columns, panels = (n + width - 1) / width;
  packed.panels_ = allocate_floats(panels * width * k);
  float* out = packed.panels_.get();
  for (std::size_t first = 0; first < n; first += width) {
    const std::size_t columns = std::min(width, n - first);
    for (std::size_t i = 0; i < k; ++i, out += width) {
      const float* row = b + i * row_stride + first * column_stride;
      for (std::size_t j = 0; j < columns; ++j) out[j] = row[j * column_stride];
      std::fill(out + columns, out + width, 0.0F);
    }
  }
  return packed;
}

}  // namespace smidgen
