// Matrix products over a thread pool. The result is the same to the bit for any number of threads: work is cut along
// the output, and every output element is one sum in the order of k.
//
// Training a dense head on X (rows, d) with weights W (labels, d) needs two products per step:
//   logits (rows, labels) = X W^T:  matmul(pool, x, rows, d, PackedMatrix::pack(kernels(), w, d, labels, 1, d), ...)
//   gradient (labels, d) = G^T X:   matmul_transposed(pool, g, rows, labels, labels, packed_x, ...), where packed_x =
//                                   PackedMatrix::pack(kernels(), x, rows, d, d, 1) is made once, as X never changes.
#pragma once

#include <cstddef>

#include "smidgen/base/thread_pool.h"
#include "smidgen/tensor/kernels.h"
#include "smidgen/tensor/packed_matrix.h"

namespace smidgen {

// C (m, n) = A (m, k) B (k, n) + bias (n, may be null). Rows of A are a_stride apart, of C c_stride. pool may be null.
void matmul(ThreadPool* pool, const float* a, std::size_t m, std::size_t a_stride, const PackedMatrix& b,
            const float* bias, float* c, std::size_t c_stride);

// C (m, n) = A^T B with A (rows, m), rows a_stride apart, and B (rows, n) packed. pool may be null.
void matmul_transposed(ThreadPool* pool, const float* a, std::size_t rows, std::size_t m, std::size_t a_stride,
                       const PackedMatrix& b, float* c, std::size_t c_stride);

}  // namespace smidgen
