#include "smidgen/tensor/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "smidgen/base/result.h"

namespace smidgen {

namespace {
constexpr std::size_t kHugePage = 2U << 20;
constexpr std::size_t kLine = 64;
}  // namespace

void FreeAligned::operator()(float* p) const {
  std::free(p);
}

AlignedFloats allocate_floats(std::size_t count) {
  SMIDGEN_CHECK(count <= SIZE_MAX / sizeof(float) - kHugePage);
  std::size_t bytes = count * sizeof(float);
  // A last page that would be nearly full is taken whole: a layer of MiniLM in int8 is 1.7 MB.
  if (const std::size_t last = bytes % kHugePage; last >= kHugePage / 4 * 3) bytes += kHugePage - last;
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kLine;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, std::max(bytes, kLine)) != 0) throw std::bad_alloc();  // as operator new would
  // A wish for the whole huge pages inside: refusing it changes nothing but speed.
  if (bytes >= kHugePage) static_cast<void>(madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE));
  return AlignedFloats(static_cast<float*>(memory));
}

std::size_t PackedMatrix::packed_floats(const Kernels& kernels, std::size_t k, std::size_t n) {
  const std::size_t width = kernels.panel_columns;
  return (n + width - 1) / width * width * k;
}

PackedMatrix PackedMatrix::pack(const Kernels& kernels, const float* b, std::size_t k, std::size_t n,
                                std::size_t row_stride, std::size_t column_stride) {
  AlignedFloats storage = allocate_floats(packed_floats(kernels, k, n));
  PackedMatrix packed = pack_into(storage.get(), kernels, b, k, n, row_stride, column_stride);
  packed.owned_ = std::move(storage);
  return packed;
}

PackedMatrix PackedMatrix::pack_into(float* storage, const Kernels& kernels, const float* b, std::size_t k,
                                     std::size_t n, std::size_t row_stride, std::size_t column_stride) {
  PackedMatrix packed;
  packed.kernels_ = &kernels;
  packed.k_ = k;
  packed.n_ = n;
  packed.panels_ = storage;
  const std::size_t width = kernels.panel_columns;
  float* out = storage;
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
