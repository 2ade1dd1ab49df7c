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

// The next 8, each in a lane of 32 bits.
typedef std::uint32_t Word8 __attribute__((vector_size(32)));
inline Word8 widened(const std::uint16_t* x) {
  return reinterpret_cast<Word8>(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i_u*>(x))));
}

}  // namespace
}  // namespace smidgen

#include "smidgen/tensor/training_kernels_body.h"

namespace smidgen {

const TrainingKernels kAvx2TrainingKernels = training_kernels_named("avx2");

}  // namespace smidgen
