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

const TrainingKernels kAvx512TrainingKernels = training_kernels_named("avx512");

}  // namespace smidgen
