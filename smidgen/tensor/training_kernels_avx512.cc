#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace smidgen {
namespace {

constexpr int kWide = 16;

typedef float Float16 __attribute__((vector_size(64)));
inline Float16 root_of(Float16 x) {
  return reinterpret_cast<Float16>(_mm512_maskz_sqrt_ps(0xffff, reinterpret_cast<__m512>(x)));
}

}  // namespace
}  // namespace smidgen

#include "smidgen/tensor/training_kernels_body.h"

namespace smidgen {

const TrainingKernels kAvx512TrainingKernels = {"avx512",
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
