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

// The next 16, each in a lane of 32 bits. (The compiler's own conversion goes by way of the stack.)
typedef std::uint32_t Word16 __attribute__((vector_size(64)));
inline Word16 widened(const std::uint16_t* x) {
  return reinterpret_cast<Word16>(
      _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(x))));
}

}  // namespace
}  // namespace smidgen

#include "smidgen/tensor/training_kernels_body.h"

namespace smidgen {

const TrainingKernels kAvx512TrainingKernels = training_kernels_named("avx512");

}  // namespace smidgen
