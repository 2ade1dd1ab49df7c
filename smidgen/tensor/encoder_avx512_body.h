// Vectors of 16 for encoder_kernels_body.h: AVX-512 F, BW, DQ, VL. Included by instruction-set files only; everything
// is in an unnamed namespace, no symbol may be shared with other files.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands inside its own intrinsics for ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace smidgen {

namespace {

using std::size_t;

constexpr size_t kWide = 16;
using F = __m512;
using I = __m512i;

// Weights: two vectors a line step, one line of each panel of a pair.
constexpr size_t kVectorStep(size_t panel_bytes) {
  return panel_bytes;
}

inline __mmask16 lanes(size_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffU : (1U << n) - 1U);
}
inline F load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline F load_first(const float* p, size_t n) {
  return _mm512_maskz_loadu_ps(lanes(n), p);
}
inline void store(float* p, F x) {
  _mm512_storeu_ps(p, x);
}
inline void store_first(float* p, F x, size_t n) {
  _mm512_mask_storeu_ps(p, lanes(n), x);
}
inline F splat(float x) {
  return _mm512_set1_ps(x);
}
inline F add(F a, F b) {
  return _mm512_add_ps(a, b);
}
inline F subtract(F a, F b) {
  return _mm512_sub_ps(a, b);
}
inline F multiply(F a, F b) {
  return _mm512_mul_ps(a, b);
}
inline F divide(F a, F b) {
  return _mm512_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline F larger(F a, F b) {
  return _mm512_max_ps(a, b);
}
inline F smaller(F a, F b) {
  return _mm512_min_ps(a, b);
}
inline F magnitude(F a) {
  return _mm512_abs_ps(a);
}
inline F zero_behind(F x, size_t n) {
  return _mm512_maskz_mov_ps(lanes(n), x);
}
// The first n of x, behind them y.
inline F or_else(F x, size_t n, F y) {
  return _mm512_mask_mov_ps(y, lanes(n), x);
}
inline float first_of(F x) {
  return _mm512_cvtss_f32(x);
}
inline float sum_of(F x) {
  return _mm512_reduce_add_ps(x);
}
inline float max_of(F x) {
  return _mm512_reduce_max_ps(x);
}
inline float inverse_root(float x) {
  return _mm_cvtss_f32(_mm_div_ss(_mm_set_ss(1.0F), _mm_sqrt_ss(_mm_set_ss(x))));
}
// The fraction of x above its floor, and p * 2^floor(x).
inline F fraction(F x) {
  return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
inline F scaled_by_power(F p, F x) {
  return _mm512_scalef_ps(p, x);
}
inline I integers(F x) {
  return _mm512_cvtps_epi32(x);
}
inline F floats(I x) {
  return _mm512_cvtepi32_ps(x);
}
inline F bits_as_floats(I x) {
  return _mm512_castsi512_ps(x);
}
inline I load_integers(const void* p) {
  return _mm512_loadu_si512(p);
}
inline void store_integers(void* p, I x) {
  _mm512_storeu_si512(p, x);
}
inline void store_integers_first(void* p, I x, size_t n) {
  _mm512_mask_storeu_epi32(p, lanes(n), x);
}
inline I splat_integers(std::int32_t x) {
  return _mm512_set1_epi32(x);
}
inline I no_integers() {
  return _mm512_setzero_si512();
}
inline I add(I a, I b) {
  return _mm512_add_epi32(a, b);
}
inline I subtract(I a, I b) {
  return _mm512_sub_epi32(a, b);
}
inline I either(I a, I b) {
  return _mm512_or_si512(a, b);
}
inline I shift_left_16(I a) {
  return _mm512_slli_epi32(a, 16);
}
inline I high_half(I a) {
  return _mm512_and_si512(a, _mm512_set1_epi32(static_cast<int>(0xffff0000U)));
}
inline std::int32_t sum_of(I x) {
  return _mm512_reduce_add_epi32(x);
}
// 16 unsigned 16-bit numbers
inline I load_halves(const std::uint16_t* p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline I load_halves_first(const std::uint16_t* p, size_t n) {
  return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes(n), p));
}
inline __m256i to_bf16(F x) {
#ifdef __AVX512BF16__
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
#else
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7fff));
  // The rounding would carry the payload of a NaN into its sign.
  const __m512i nan = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 unordered = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(up, unordered, nan), 16));
#endif
}
inline void store_bf16(std::uint16_t* p, F x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(x));
}
inline void store_bf16_first(std::uint16_t* p, F x, size_t n) {
  _mm256_mask_storeu_epi16(p, lanes(n), to_bf16(x));
}
// Stores x and y, and returns sum plus what was stored, lanes in any order.
inline F store_bf16_pair_and_sum(std::uint16_t* p, F x, F y, F sum) {
#ifdef __AVX512BF16__
  const __m512bh pair = _mm512_cvtne2ps_pbh(y, x);
  _mm512_storeu_si512(p, reinterpret_cast<__m512i>(pair));
  return _mm512_dpbf16_ps(sum, pair, reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f80)));  // times 1
#else
  const __m256i low = to_bf16(x), high = to_bf16(y);
  _mm512_storeu_si512(p, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
  const auto back = [](__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  };
  return _mm512_add_ps(_mm512_add_ps(sum, back(low)), back(high));
#endif
}
inline void store_bf16_pair(std::uint16_t* p, F x, F y) {
#ifdef __AVX512BF16__
  _mm512_storeu_si512(p, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(y, x)));
#else
  store_bf16(p, x);
  store_bf16(p + kWide, y);
#endif
}
inline void store_bytes(std::int8_t* p, I x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(x));
}

// a, b, c, d: numbers of a byte each, side by side.
inline I bytes_of(I a, I b, I c, I d) {
  const I blocks = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), blocks);
}
inline I bytes_of_halves(I a, I b) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), _mm512_packs_epi16(a, b));
}
// Lanes of two halves: the low ones of `even` and the low ones of `odd`.
inline I with_high_halves(I even, I odd) {
  return _mm512_mask_blend_epi16(0xaaaaaaaaU, even, shift_left_16(odd));
}
// sum plus signed bytes, four to a lane
inline I add_bytes(I sum, I bytes) {
#ifdef __AVX512VNNI__
  return _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), bytes);
#else
  return add(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(_mm512_set1_epi8(1), bytes), _mm512_set1_epi16(1)));
#endif
}
// as unsigned 16-bit numbers
inline I larger_halves(I a, I b) {
  return _mm512_max_epu16(a, b);
}
inline I magnitudes_of_halves(I x) {
  return _mm512_and_si512(x, _mm512_set1_epi16(0x7fff));
}

// x Phi(x), with Phi cut into 31 parabolas of equal width between -4.31 and 4.31, each of which minimises the largest
// |x| times error there (3.7e-5); the outer two end in 0 and 1. Looking up a table costs one instruction, where a
// polynomial for all of the range would take five times the multiplications.
constexpr float kGeluEnd = 4.31F, kGeluSteps = 15.49F / kGeluEnd;
alignas(64) constexpr float kGelu0[32] = {
    0.00235154154F, 0.00235154154F, 0.00697037857F, 0.0161369443F, 0.0341538824F, 0.0660075694F, 0.116347931F,
    0.186846092F,   0.273239791F,   0.364082485F,   0.443305969F,  0.496743083F,  0.519421577F,  0.518434107F,
    0.508280993F,   0.50124532F,    0.5F,           0.49875465F,   0.491718978F,  0.481565893F,  0.480578423F,
    0.503256917F,   0.556694031F,   0.635917544F,   0.726760209F,  0.813153923F,  0.883652091F,  0.933992445F,
    0.965846121F,   0.983863056F,   0.993029594F,   0.997648478F};
alignas(64) constexpr float kGelu1[32] = {
    0.00105618569F, 0.00105618569F, 0.00334437867F, 0.00824803952F, 0.018655058F, 0.0386488289F, 0.0732422993F,
    0.126758918F,   0.200000465F,   0.287175775F,   0.374713808F,   0.444198072F, 0.479774684F,  0.476948261F,
    0.447172582F,   0.413777977F,   0.397878975F,   0.413777977F,   0.447172582F, 0.476948261F,  0.479774684F,
    0.444198072F,   0.374713808F,   0.287175775F,   0.200000465F,   0.126758918F, 0.0732422993F, 0.0386488289F,
    0.018655058F,   0.00824803952F, 0.00334437867F, 0.00105618557F};
alignas(64) constexpr float kGelu2[32] = {
    0.000118465061F,  0.000118465061F, 0.000402415317F, 0.0010582828F,   0.00256129378F,  0.00569913955F,
    0.0116432672F,    0.0218018927F,   0.0373291336F,   0.0582507215F,   0.0824437365F,   0.105046079F,
    0.119008578F,     0.117146F,       0.0952576846F,   0.0552973598F,   -0.0F,           -0.0552973598F,
    -0.0952576846F,   -0.117146F,      -0.119008578F,   -0.105046079F,   -0.0824437365F,  -0.0582507215F,
    -0.0373291336F,   -0.0218018927F,  -0.0116432672F,  -0.00569913955F, -0.00256129378F, -0.0010582828F,
    -0.000402415317F, -0.000118465046F};
inline F coefficients(const float* table, I piece) {
  return _mm512_permutex2var_ps(_mm512_load_ps(table), piece, _mm512_load_ps(table + 16));
}
inline F gelu(F x) {
  constexpr float kToInteger = 0x1.8p23F + 16;         // added to a number, leaves its nearest integer in the low bits
  const F y = _mm512_range_ps(x, splat(kGeluEnd), 2);  // x, or the end on its side
  const I piece = _mm512_castps_si512(fma(y, splat(kGeluSteps), splat(kToInteger)));
  const F slope = fma(coefficients(kGelu2, piece), y, coefficients(kGelu1, piece));
  return multiply(x, fma(slope, y, coefficients(kGelu0, piece)));
}

// out (columns, 16) = x transposed, x (rows, columns) of 4-byte numbers `stride` bytes apart; rows, columns <= 16;
// missing rows count as zeros, and of the missing columns nothing is written.
inline void transpose_words(const std::uint8_t* x, size_t stride, size_t rows, size_t columns, std::uint8_t* out) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (size_t j = 0; j < 16; ++j)
    a[j] =
        _mm512_maskz_loadu_ps(j < rows ? lanes(columns) : static_cast<__mmask16>(0), x + (j < rows ? j : 0) * stride);
#pragma GCC unroll 8
  for (size_t j = 0; j < 16; j += 2) {
    b[j] = _mm512_unpacklo_ps(a[j], a[j + 1]);
    b[j + 1] = _mm512_unpackhi_ps(a[j], a[j + 1]);
  }
#pragma GCC unroll 4
  for (size_t j = 0; j < 16; j += 4)
    for (size_t half = 0; half < 2; ++half) {
      const __m512d low = _mm512_castps_pd(b[j + half]), high = _mm512_castps_pd(b[j + 2 + half]);
      a[j + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      a[j + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
    // Now 128-bit block l of a[4 g + c] holds column 4 l + c of rows 4 g .. 4 g + 3.
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) {
    const __m512 low01 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x44);
    const __m512 high01 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xee);
    const __m512 low23 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x44);
    const __m512 high23 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xee);
    b[c] = _mm512_shuffle_f32x4(low01, low23, 0x88);
    b[4 + c] = _mm512_shuffle_f32x4(low01, low23, 0xdd);
    b[8 + c] = _mm512_shuffle_f32x4(high01, high23, 0x88);
    b[12 + c] = _mm512_shuffle_f32x4(high01, high23, 0xdd);
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < 16; ++i)
    if (i < columns) _mm512_storeu_ps(out + i * 64, b[i]);
}

// --- what four bytes of a row and a line of weights give ---

// Without VNNI: bytes to 16-bit halves, even and odd apart, and vpmaddwd, whose sums of two products fit 32 bits:
// exact, where vpmaddubsw would saturate at 16 bits.
struct Int8Halves {
  using Sum = I;
  static constexpr bool kInt8 = true;
  static constexpr int kRows = 6;
  struct Weights {
    I even, odd;
  };
  struct Row {
    I even, odd;
  };
  static Weights weights(const std::uint8_t* p) {
    const I x = load_integers(p);
    return {_mm512_and_si512(x, _mm512_set1_epi16(0xff)), _mm512_srli_epi16(x, 8)};
  }
  static Row row(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, 4);
    const I x = _mm512_set1_epi32(four);
    return {_mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8), _mm512_srai_epi16(x, 8)};
  }
  static Sum none() { return no_integers(); }
  static Sum dot(Sum sum, Weights w, Row a) {
    return add(sum, add(_mm512_madd_epi16(w.even, a.even), _mm512_madd_epi16(w.odd, a.odd)));
  }
};

#ifdef __AVX512VNNI__
struct Int8Vnni {
  using Sum = I;
  static constexpr bool kInt8 = true;
  static constexpr int kRows = 14;
  using Weights = I;
  using Row = I;
  static Weights weights(const std::uint8_t* p) { return load_integers(p); }
  static Row row(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, 4);
    return _mm512_set1_epi32(four);
  }
  static Sum none() { return no_integers(); }
  static Sum dot(Sum sum, Weights w, Row a) { return _mm512_dpbusd_epi32(sum, w, a); }
};
#endif

// bf16 by floats: a bf16 is the high half of a float.
struct Bf16Floats {
  using Sum = F;
  static constexpr bool kInt8 = false;
  static constexpr int kRows = 8;
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
    const I x = _mm512_set1_epi32(two);
    return {bits_as_floats(shift_left_16(x)), bits_as_floats(high_half(x))};
  }
  static Sum none() { return _mm512_setzero_ps(); }
  static Sum dot(Sum sum, Weights w, Row a) { return fma(w.odd, a.odd, fma(w.even, a.even, sum)); }
};

#ifdef __AVX512BF16__
struct Bf16Pairs {
  using Sum = F;
  static constexpr bool kInt8 = false;
  static constexpr int kRows = 14;
  using Weights = I;
  using Row = I;
  static Weights weights(const std::uint8_t* p) { return load_integers(p); }
  static Row row(const std::uint8_t* p) {
    std::int32_t two = 0;
    __builtin_memcpy(&two, p, 4);
    return _mm512_set1_epi32(two);
  }
  static Sum none() { return _mm512_setzero_ps(); }
  static Sum dot(Sum sum, Weights w, Row a) {
#ifdef __clang__
    __asm__("" : "+v"(w), "+v"(a));  // clang 16 crashes when it folds the loads into this instruction
#endif
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(a));
  }
};
#endif

}  // namespace

}  // namespace smidgen
