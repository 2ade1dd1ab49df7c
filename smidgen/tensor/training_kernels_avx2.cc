#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace smidgen {
namespace {

constexpr int kWide = 8;

typedef float Float8 __attribute__((vector_size(32)));
inline Float8 root_of(Float8 x) {
  return reinterpret_cast<Float8>(_mm256_sqrt_ps(reinterpret_cast<__m256>(x)));
}

}  // namespace
}  // namespace smidgen

#include "smidgen/tensor/training_kernels_body.h"

namespace smidgen {

const TrainingKernels kAvx2TrainingKernels = {"avx2",
                                              gelu_backward,
                                              layer_norm_backward,
                                              add_rows<float>,
                                              attention<float>,
                                              attention_backward<float>,
                                              dropout,
                                              dropout_add,
                                              sum_of_squares,
                                              adam,
                                              transpose,
                                              pack_rows,
                                              pack_transposed,
                                              attention<std::uint16_t>,
                                              attention_backward<std::uint16_t>,
                                              low_gelu,
                                              low_gelu_backward,
                                              low_dropout,
                                              add_rows<std::uint16_t>,
                                              low_transpose,
                                              low_pack_rows};

}  // namespace smidgen
