#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace smidgen {
namespace {

constexpr int kWide = 16;

typedef float Float4 __attribute__((vector_size(16)));
typedef float Float8 __attribute__((vector_size(32)));
typedef float Float16 __attribute__((vector_size(64)));

inline Float4 widen_int8(const std::int8_t* from, Float4) {
  std::int32_t bytes;
  __builtin_memcpy(&bytes, from, sizeof(bytes));
  return reinterpret_cast<Float4>(_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(bytes))));
}
inline Float8 widen_int8(const std::int8_t* from, Float8) {
  return reinterpret_cast<Float8>(
      _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)))));
}
inline Float16 widen_int8(const std::int8_t* from, Float16) {
  return reinterpret_cast<Float16>(_mm512_maskz_cvtepi32_ps(
      0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))));
}

}  // namespace
}  // namespace smidgen

#include "smidgen/tensor/linear_kernels_body.h"

namespace smidgen {

const LinearKernels kAvx512LinearKernels = {"avx512", sparse_scores, sparse_update, simplex_step, int8_scores};

}  // namespace smidgen
