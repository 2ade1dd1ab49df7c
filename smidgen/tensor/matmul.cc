#include "smidgen/tensor/matmul.h"

#include <algorithm>

namespace smidgen {

namespace {

constexpr std::size_t kRowsPerItem = 256;    // enough work to hide handing it out
constexpr std::size_t kDepthPerBlock = 512;  // rows of A and of a panel of B that stay in cache together

void for_each(ThreadPool* pool, std::size_t count, const std::function<void(std::size_t, std::size_t)>& body) {
  if (pool != nullptr) return pool->parallel_for(count, body);
  for (std::size_t i = 0; i < count; ++i) body(i, 0);
}

}  // namespace

void matmul(ThreadPool* pool, const float* a, std::size_t m, std::size_t a_stride, const PackedMatrix& b,
            const float* bias, float* c, std::size_t c_stride) {
  for_each(pool, (m + kRowsPerItem - 1) / kRowsPerItem, [&](std::size_t item, std::size_t) {
    const std::size_t row = item * kRowsPerItem;
    GemmCall call;
    call.a = a + row * a_stride;
    call.a_stride = a_stride;
    call.panels = b.panels();
    call.m = std::min(kRowsPerItem, m - row);
    call.n = b.n();
    call.k = b.k();
    call.bias = bias;
    call.c = c + row * c_stride;
    call.c_stride = c_stride;
    b.kernels().gemm(call);
  });
}

void matmul_transposed(ThreadPool* pool, const float* a, std::size_t rows, std::size_t m, std::size_t a_stride,
                       const PackedMatrix& b, float* c, std::size_t c_stride) {
  SMIDGEN_CHECK(rows == b.k());
  const std::size_t width = b.panel_columns();
  for_each(pool, (b.n() + width - 1) / width, [&](std::size_t panel, std::size_t) {
    GemmCall call;
    call.a_stride = a_stride;
    call.a_transposed = true;
    call.m = m;
    call.n = std::min(width, b.n() - panel * width);
    call.c = c + panel * width;
    call.c_stride = c_stride;
    call.residual_stride = c_stride;
    for (std::size_t row = 0; row == 0 || row < rows; row += kDepthPerBlock) {
      call.k = std::min(kDepthPerBlock, rows - row);
      call.a = a + row * a_stride;
      call.panels = b.panels() + (panel * rows + row) * width;
      call.residual = row == 0 ? nullptr : call.c;
      b.kernels().gemm(call);
    }
  });
}

}  // namespace smidgen
