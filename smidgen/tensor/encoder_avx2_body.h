// Vectors of 8 for encoder_kernels_body.h: AVX2 and FMA. Included by instruction-set files only; everything is in an
// unnamed namespace, no symbol may be shared with other files. The twin with comments is encoder_avx512_body.h.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace smidgen {

namespace {

using std::size_t;

constexpr size_t kWide = 8;
using F = __m256;
using I = __m256i;

// Weights: two vectors a line step, the halves of one line.
constexpr size_t kVectorStep(size_t) {
  return 32;
}

inline __m256i lanes(size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n >= 8 ? 8 : static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline F load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline F load_first(const float* p, size_t n) {
  return _mm256_maskload_ps(p, lanes(n));
}
inline void store(float* p, F x) {
  _mm256_storeu_ps(p, x);
}
inline void store_first(float* p, F x, size_t n) {
  _mm256_maskstore_ps(p, lanes(n), x);
}
inline F splat(float x) {
  return _mm256_set1_ps(x);
}
inline F add(F a, F b) {
  return _mm256_add_ps(a, b);
}
inline F subtract(F a, F b) {
  return _mm256_sub_ps(a, b);
}
inline F multiply(F a, F b) {
  return _mm256_mul_ps(a, b);
}
inline F divide(F a, F b) {
  return _mm256_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline F larger(F a, F b) {
  return _mm256_max_ps(a, b);
}
inline F smaller(F a, F b) {
  return _mm256_min_ps(a, b);
}
inline F magnitude(F a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a);
}
inline F zero_behind(F x, size_t n) {
  return _mm256_and_ps(x, _mm256_castsi256_ps(lanes(n)));
}
inline F or_else(F x, size_t n, F y) {
  return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(lanes(n)));
}
inline float first_of(F x) {
  return _mm256_cvtss_f32(x);
}
inline float sum_of(F x) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
inline float max_of(F x) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}
inline float inverse_root(float x) {
  return _mm_cvtss_f32(_mm_div_ss(_mm_set_ss(1.0F), _mm_sqrt_ss(_mm_set_ss(x))));
}
inline I integers(F x) {
  return _mm256_cvtps_epi32(x);
}
inline F floats(I x) {
  return _mm256_cvtepi32_ps(x);
}
inline F bits_as_floats(I x) {
  return _mm256_castsi256_ps(x);
}
inline F fraction(F x) {
  return _mm256_sub_ps(x, _mm256_floor_ps(x));
}
// p * 2^floor(x); a power below that of the smallest normal number counts as zero
inline F scaled_by_power(F p, F x) {
  const F none = _mm256_cmp_ps(x, _mm256_set1_ps(-126.0F), _CMP_LT_OQ);
  const I power = _mm256_slli_epi32(_mm256_add_epi32(integers(_mm256_floor_ps(x)), _mm256_set1_epi32(127)), 23);
  return _mm256_andnot_ps(none, _mm256_mul_ps(p, bits_as_floats(power)));
}
inline I load_integers(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline void store_integers(void* p, I x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x);
}
inline void store_integers_first(void* p, I x, size_t n) {
  _mm256_maskstore_epi32(static_cast<int*>(p), lanes(n), x);
}
inline I splat_integers(std::int32_t x) {
  return _mm256_set1_epi32(x);
}
inline I no_integers() {
  return _mm256_setzero_si256();
}
inline I add(I a, I b) {
  return _mm256_add_epi32(a, b);
}
inline I subtract(I a, I b) {
  return _mm256_sub_epi32(a, b);
}
inline I either(I a, I b) {
  return _mm256_or_si256(a, b);
}
inline I shift_left_16(I a) {
  return _mm256_slli_epi32(a, 16);
}
inline I high_half(I a) {
  return _mm256_and_si256(a, _mm256_set1_epi32(static_cast<int>(0xffff0000U)));
}
inline std::int32_t sum_of(I x) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}
inline I load_halves(const std::uint16_t* p) {
  return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline I load_halves_first(const std::uint16_t* p, size_t n) {
  alignas(16) std::uint16_t some[8] = {};
  for (size_t i = 0; i < n && i < 8; ++i) some[i] = p[i];
  return load_halves(some);
}
inline __m128i to_bf16(F x) {
  const I bits = _mm256_castps_si256(x);
  const I odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const I up = _mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(0x7fff));
  const I nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const I unordered = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const I halves = _mm256_srli_epi32(_mm256_blendv_epi8(up, nan, unordered), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}
inline void store_bf16(std::uint16_t* p, F x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_bf16(x));
}
inline void store_bf16_first(std::uint16_t* p, F x, size_t n) {
  alignas(16) std::uint16_t some[8];
  store_bf16(some, x);
  for (size_t i = 0; i < n && i < 8; ++i) p[i] = some[i];
}
// Stores x and y, and returns sum plus what was stored, lanes in any order.
inline F store_bf16_pair_and_sum(std::uint16_t* p, F x, F y, F sum) {
  store_bf16(p, x);
  store_bf16(p + kWide, y);
  sum = add(sum, bits_as_floats(shift_left_16(load_halves(p))));
  return add(sum, bits_as_floats(shift_left_16(load_halves(p + kWide))));
}
inline void store_bf16_pair(std::uint16_t* p, F x, F y) {
  store_bf16(p, x);
  store_bf16(p + kWide, y);
}
inline void store_bytes(std::int8_t* p, I x) {
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(halves, halves));
}

// a, b, c, d: numbers of a byte each, side by side.
inline I bytes_of(I a, I b, I c, I d) {
  const I blocks = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  return _mm256_permutevar8x32_epi32(blocks, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
inline I bytes_of_halves(I a, I b) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);
}
// Lanes of two halves: the low ones of `even` and the low ones of `odd`.
inline I with_high_halves(I even, I odd) {
  return _mm256_blend_epi16(even, shift_left_16(odd), 0xaa);
}
// sum plus signed bytes, four to a lane
inline I add_bytes(I sum, I bytes) {
  const I pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  return add(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
// as unsigned 16-bit numbers
inline I larger_halves(I a, I b) {
  return _mm256_max_epu16(a, b);
}
inline I magnitudes_of_halves(I x) {
  return _mm256_and_si256(x, _mm256_set1_epi16(0x7fff));
}

// x Phi(x) = x (1/2 + y p(y^2)), y = x cut to +-4.25; p minimises the largest absolute error there (3.3e-5).
inline F gelu(F x) {
  const F y = larger(smaller(x, splat(4.25F)), splat(-4.25F)), z = multiply(y, y);
  F p = fma(splat(4.5470852777507176e-11F), z, splat(-4.515313456465719e-09F));
  p = fma(p, z, splat(1.986162203593267e-07F));
  p = fma(p, z, splat(-5.147519459569594e-06F));
  p = fma(p, z, splat(8.848919969750568e-05F));
  p = fma(p, z, splat(-0.001079078298062086F));
  p = fma(p, z, splat(0.009718779474496841F));
  p = fma(p, z, splat(-0.06619028002023697F));
  p = fma(p, z, splat(0.3988192081451416F));
  return multiply(x, fma(y, p, splat(0.5F)));
}

inline void transpose_words(const std::uint8_t* x, size_t stride, size_t rows, size_t columns, std::uint8_t* out) {
  for (size_t i = 0; i < columns; ++i)
    for (size_t j = 0; j < 16; ++j) {
      std::uint32_t word = 0;
      if (j < rows) __builtin_memcpy(&word, x + j * stride + i * 4, 4);
      __builtin_memcpy(out + i * 64 + j * 4, &word, 4);
    }
}

struct Int8Halves {
  using Sum = I;
  static constexpr bool kInt8 = true;
  static constexpr int kRows = 4;
  struct Weights {
    I even, odd;
  };
  struct Row {
    I even, odd;
  };
  static Weights weights(const std::uint8_t* p) {
    const I x = load_integers(p);
    return {_mm256_and_si256(x, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(x, 8)};
  }
  static Row row(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, 4);
    const I x = _mm256_set1_epi32(four);
    return {_mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), _mm256_srai_epi16(x, 8)};
  }
  static Sum none() { return no_integers(); }
  static Sum dot(Sum sum, Weights w, Row a) {
    return add(sum, add(_mm256_madd_epi16(w.even, a.even), _mm256_madd_epi16(w.odd, a.odd)));
  }
};

#ifdef __AVXVNNI__
struct Int8Vnni {
  using Sum = I;
  static constexpr bool kInt8 = true;
  static constexpr int kRows = 6;
  using Weights = I;
  using Row = I;
  static Weights weights(const std::uint8_t* p) { return load_integers(p); }
  static Row row(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
  }
  static Sum none() { return no_integers(); }
  static Sum dot(Sum sum, Weights w, Row a) { return _mm256_dpbusd_avx_epi32(sum, w, a); }
};
#endif

struct Bf16Floats {
  using Sum = F;
  static constexpr bool kInt8 = false;
  static constexpr int kRows = 4;
  struct Weights {
    F even, odd;
  };
  struct Row {
    F even, odd;
  };
  static Weights weights(const std::uint8_t* p) {
    const I x = load_integers(p);
    return {bits_as_floats(shift_left_16(x)), bits_as_floats(high_half(x))};
  }
  static Row row(const std::uint8_t* p) {
    std::int32_t two = 0;
    __builtin_memcpy(&two, p, 4);
    const I x = _mm256_set1_epi32(two);
    return {bits_as_floats(shift_left_16(x)), bits_as_floats(high_half(x))};
  }
  static Sum none() { return _mm256_setzero_ps(); }
  static Sum dot(Sum sum, Weights w, Row a) { return fma(w.odd, a.odd, fma(w.even, a.even, sum)); }
};

}  // namespace

}  // namespace smidgen
