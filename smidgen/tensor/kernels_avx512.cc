// AVX-512 (F, BW, DQ, VL). A tile is up to 14 rows by 32 columns: 28 accumulators, two vectors of weights, one
// broadcast: 31 of 32 registers. `accumulate` and the epilogue are separate functions on purpose: in one function g++
// 12 keeps the accumulators on the stack, which costs a factor of 1.7.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/encoder_kernel_table.h"
#include "smidgen/tensor/kernel_table.h"

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined operands inside its own intrinsics for ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace smidgen {

namespace {

using std::size_t;

constexpr size_t kPanel = 32;
constexpr size_t kRows = 14;
constexpr size_t kBlockFloats = 128 * 1024;  // rows of A kept in the second-level cache while panels pass by

inline __mmask16 first_lanes(size_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffU : (1U << n) - 1U);
}
inline size_t min(size_t a, size_t b) {
  return a < b ? a : b;
}
inline size_t round_up(size_t n, size_t step) {
  return (n + step - 1) / step * step;
}

// e^x for x <= 88, relative error 2e-7: 2^n e^r with |r| <= ln(2)/2 and a polynomial of degree 6 (Chebyshev nodes).
inline __m512 exponential(__m512 x) {
  x = _mm512_max_ps(x, _mm512_set1_ps(-87.0F));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375F), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4F), r);
  __m512 p = _mm512_set1_ps(1.394110843e-3F);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.375126398e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.16663529e-2F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.666641551e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.000000047e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
  return _mm512_scalef_ps(p, n);
}

// Phi(|x|) - 1/2 in 32 intervals of width 1/5.625 around u = 0, 1, .. 31, a polynomial of degree 4 in t = u - round(u)
// for each (Chebyshev interpolation in 40 digits; error below 4e-9). The coefficients sit in registers and one permute
// fetches 16 of them.
alignas(64) constexpr float kPhi[5][32] = {
    {0.0F,         0.07055125F,  0.138913284F, 0.203098571F, 0.261492307F, 0.312968601F, 0.356938808F, 0.393331983F,
     0.422519125F, 0.445200708F, 0.46227982F,  0.474741234F, 0.483551304F, 0.489586641F, 0.49359285F,  0.496169619F,
     0.497775553F, 0.498745369F, 0.499312862F, 0.499634629F, 0.499811409F, 0.499905519F, 0.499954064F, 0.499978328F,
     0.499990079F, 0.499995594F, 0.499998102F, 0.499999207F, 0.499999678F, 0.499999874F, 0.499999952F, 0.499999982F},
    {0.0709230375F,  0.0698110895F,  0.0665787565F,  0.0615206784F,   0.0550783246F,   0.0477765174F,   0.0401534081F,
     0.0326967421F,  0.025796494F,   0.0197192781F,  0.0146047944F,   0.0104803062F,   0.00728662756F,  0.00490855009F,
     0.0032037153F,  0.00202594949F, 0.00124130155F, 0.000736885381F, 0.000423834705F, 0.000236192983F, 0.0001275297F,
     6.67159262e-5F, 3.3815943e-5F,  1.66068495e-5F, 7.90181258e-6F,  3.64283821e-6F,  1.62714661e-6F,  7.04185514e-7F,
     2.95271167e-7F, 1.19957802e-7F, 4.72181987e-8F, 1.80079275e-8F},
    {0.0F,
     -0.00110318721F,
     -0.00210421669F,
     -0.00291653458F,
     -0.0034814923F,
     -0.00377493244F,
     -0.00380713537F,
     -0.00361682214F,
     -0.00326118393F,
     -0.00280451752F,
     -0.00230791671F,
     -0.00182176114F,
     -0.00138176041F,
     -0.0010083742F,
     -0.000708773381F,
     -0.000480226058F,
     -0.000313851093F,
     -0.000197959286F,
     -0.000120558223F,
     -7.09168411e-5F,
     -4.03061474e-5F,
     -2.21401292e-5F,
     -1.17564754e-5F,
     -6.03600964e-6F,
     -2.9969188e-6F,
     -1.43919416e-6F,
     -6.68563037e-7F,
     -3.00466726e-7F,
     -1.30655656e-7F,
     -5.49768291e-8F,
     -2.23866121e-8F,
     -8.82242862e-9F},
    {-0.000373033611F, -0.000355597234F, -0.000305976599F, -0.000231662839F, -0.000143382775F, -5.29564832e-5F,
     2.88769261e-5F,   9.41616167e-5F,   0.000138631135F,  0.000161741099F,  0.000165981034F,  0.000155764338F,
     0.000136231287F,  0.000112239068F,  8.76961132e-5F,   6.52732208e-5F,   4.64283188e-5F,   3.16324899e-5F,
     2.06800352e-5F,   1.29906745e-5F,   7.84960162e-6F,   4.56648272e-6F,   2.55946361e-6F,   1.38296489e-6F,
     7.20757714e-7F,   3.62469499e-7F,   1.75962141e-7F,   8.2484539e-8F,    3.73468074e-8F,   1.63368837e-8F,
     6.90580692e-9F,   2.82145542e-9F},
    {0.0F,
     8.61068607e-6F,
     1.59002404e-5F,
     2.08283869e-5F,
     2.28405824e-5F,
     2.19458006e-5F,
     1.8656325e-5F,
     1.38193278e-5F,
     8.39721466e-6F,
     3.2598331e-6F,
     -9.62329319e-7F,
     -3.94094032e-6F,
     -5.63307328e-6F,
     -6.20920784e-6F,
     -5.95811677e-6F,
     -5.1973909e-6F,
     -4.20800171e-6F,
     -3.19923419e-6F,
     -2.30066664e-6F,
     -1.57259057e-6F,
     -1.0252482e-6F,
     -6.39141654e-7F,
     -3.81733428e-7F,
     -2.18763661e-7F,
     -1.20438985e-7F,
     -6.37621837e-8F,
     -3.24875276e-8F,
     -1.59412872e-8F,
     -7.53761717e-9F,
     -3.43608077e-9F,
     -1.510764e-9F,
     -6.40907349e-10F}};

inline __m512 phi_coefficient(int degree, __m512i index) {
  return _mm512_permutex2var_ps(_mm512_load_ps(kPhi[degree]), index, _mm512_load_ps(kPhi[degree] + 16));
}

// x Phi(x) = x / 2 + |x| (Phi(|x|) - 1/2), Hendrycks and Gimpel, "Gaussian error linear units" (2016), exact form.
inline __m512 gelu_lanes(__m512 x) {
  const __m512 magnitude = _mm512_abs_ps(x);
  const __m512 u = _mm512_min_ps(_mm512_mul_ps(magnitude, _mm512_set1_ps(5.625F)), _mm512_set1_ps(31.49F));
  const __m512 shifted = _mm512_add_ps(u, _mm512_set1_ps(8388608.0F));  // 2^23: the low bits are round(u)
  const __m512 t = _mm512_sub_ps(u, _mm512_sub_ps(shifted, _mm512_set1_ps(8388608.0F)));
  const __m512i index = _mm512_castps_si512(shifted);
  __m512 p = phi_coefficient(4, index);
  p = _mm512_fmadd_ps(p, t, phi_coefficient(3, index));
  p = _mm512_fmadd_ps(p, t, phi_coefficient(2, index));
  p = _mm512_fmadd_ps(p, t, phi_coefficient(1, index));
  p = _mm512_fmadd_ps(p, t, phi_coefficient(0, index));
  return _mm512_fmadd_ps(magnitude, p, _mm512_mul_ps(x, _mm512_set1_ps(0.5F)));
}

// --- matrix product ---

// One tile: out (kR, 32), row stride out_stride, = rows of A times one panel. `next` (the panel to come) is asked for
// `lines` cache lines at a time while this one is used, so that memory works during arithmetic.
template <int kR, bool kTransposed>
__attribute__((noinline)) void accumulate(const float* a, size_t a_stride, const float* panel, size_t k,
                                          const float* next, size_t lines, float* out, size_t out_stride) {
  __m512 left[kR], right[kR];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) left[r] = right[r] = _mm512_setzero_ps();
  const auto step = [&](const float* row, const float* weights) __attribute__((always_inline)) {
    const __m512 w0 = _mm512_loadu_ps(weights), w1 = _mm512_loadu_ps(weights + 16);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const __m512 x = _mm512_set1_ps(row[kTransposed ? static_cast<size_t>(r) : static_cast<size_t>(r) * a_stride]);
      left[r] = _mm512_fmadd_ps(x, w0, left[r]);
      right[r] = _mm512_fmadd_ps(x, w1, right[r]);
    }
  };
  const size_t a_step = kTransposed ? a_stride : 1;
  size_t i = 0;
  for (; i + 4 <= k; i += 4) {
    for (size_t line = 0; line < lines; ++line, next += 16) _mm_prefetch(next, _MM_HINT_T1);
    step(a, panel);
    step(a + a_step, panel + kPanel);
    step(a + 2 * a_step, panel + 2 * kPanel);
    step(a + 3 * a_step, panel + 3 * kPanel);
    a += 4 * a_step;
    panel += 4 * kPanel;
  }
  for (; i < k; ++i, a += a_step, panel += kPanel) step(a, panel);
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
    _mm512_storeu_ps(out + static_cast<size_t>(r) * out_stride, left[r]);
    _mm512_storeu_ps(out + static_cast<size_t>(r) * out_stride + 16, right[r]);
  }
}

using Accumulate = void (*)(const float*, size_t, const float*, size_t, const float*, size_t, float*, size_t);
template <bool kT>
constexpr Accumulate kAccumulate[kRows + 1] = {nullptr,
                                               accumulate<1, kT>,
                                               accumulate<2, kT>,
                                               accumulate<3, kT>,
                                               accumulate<4, kT>,
                                               accumulate<5, kT>,
                                               accumulate<6, kT>,
                                               accumulate<7, kT>,
                                               accumulate<8, kT>,
                                               accumulate<9, kT>,
                                               accumulate<10, kT>,
                                               accumulate<11, kT>,
                                               accumulate<12, kT>,
                                               accumulate<13, kT>,
                                               accumulate<14, kT>};

// tile (rows, 32) -> c at `row`, `column`, through bias, GELU and residual.
template <bool kGelu>
__attribute__((noinline)) void finish_tile(const GemmCall& call, const float* tile, size_t row, size_t rows,
                                           size_t column) {
  for (size_t half = 0; half < kPanel && column + half < call.n; half += 16) {
    const __mmask16 lanes = first_lanes(call.n - column - half);
    const __m512 bias = call.bias ? _mm512_maskz_loadu_ps(lanes, call.bias + column + half) : _mm512_setzero_ps();
    float* c = call.c + row * call.c_stride + column + half;
    const float* residual = call.residual ? call.residual + row * call.residual_stride + column + half : nullptr;
    for (size_t r = 0; r < rows; ++r, c += call.c_stride) {
      __m512 value = _mm512_add_ps(_mm512_loadu_ps(tile + r * kPanel + half), bias);
      if (kGelu) value = gelu_lanes(value);
      if (residual) {
        value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, residual));
        residual += call.residual_stride;
      }
      _mm512_mask_storeu_ps(c, lanes, value);
    }
  }
}

// Rows [begin, end) against all panels. Tiles are as even as can be: 16 rows are 8 + 8, not 14 + 2.
void gemm_block(const GemmCall& call, size_t begin, size_t end) {
  alignas(64) float tile[kRows * kPanel];
  const size_t m = end - begin, tiles = (m + kRows - 1) / kRows;
  const Accumulate* table = call.a_transposed ? kAccumulate<true> : kAccumulate<false>;
  for (size_t column = 0; column < call.n; column += kPanel) {
    const float* panel = call.panels + column * call.k;
    const float* next = panel + call.k * kPanel;  // after the last panel: whatever the caller put behind it
    const size_t lines = (8 + tiles - 1) / tiles;
    size_t row = begin;
    for (size_t i = 0; i < tiles; ++i) {
      const size_t rows = m / tiles + (i < m % tiles ? 1 : 0);
      const float* a = call.a + (call.a_transposed ? row : row * call.a_stride);
      const bool ask = i * lines < 8;
      // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): tiles <= m, so rows >= 1, and entries 1..kRows are set
      table[rows](a, call.a_stride, panel, call.k, next, ask ? lines : 0, tile, kPanel);
      if (ask) next += call.k / 4 * lines * 16;
      call.gelu ? finish_tile<true>(call, tile, row, rows, column) : finish_tile<false>(call, tile, row, rows, column);
      row += rows;
    }
  }
}

void gemm(const GemmCall& call) {
  if (call.n == 0) return;
  const size_t whole = kBlockFloats / (call.k + 1) / kRows * kRows, block = whole < 4 * kRows ? 4 * kRows : whole;
  for (size_t row = 0; row < call.m; row += block) gemm_block(call, row, min(call.m, row + block));
}

// --- vectors ---

// scale * x, then softmax without its division: x becomes exp(scale (x - max)); returns the sum. x[n .. padded)
// become zero.
inline float exponentials(float* x, size_t n, size_t padded, float scale) {
  __m512 top = _mm512_set1_ps(-3.4e38F);
  for (size_t i = 0; i < n; i += 16) top = _mm512_max_ps(top, _mm512_mask_loadu_ps(top, first_lanes(n - i), x + i));
  const __m512 highest = _mm512_set1_ps(_mm512_reduce_max_ps(top)), scales = _mm512_set1_ps(scale);
  __m512 sum = _mm512_setzero_ps();
  for (size_t i = 0; i < padded; i += 16) {
    const __mmask16 lanes = i < n ? first_lanes(n - i) : static_cast<__mmask16>(0);
    const __m512 value = _mm512_maskz_loadu_ps(lanes, x + i);
    const __m512 e = _mm512_maskz_mov_ps(lanes, exponential(_mm512_mul_ps(_mm512_sub_ps(value, highest), scales)));
    sum = _mm512_add_ps(sum, e);
    _mm512_mask_storeu_ps(x + i, first_lanes(padded - i), e);
  }
  return _mm512_reduce_add_ps(sum);
}

void softmax(float* x, size_t n) {
  if (n == 0) return;
  const __m512 inverse = _mm512_set1_ps(1.0F / exponentials(x, n, n, 1.0F));
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = first_lanes(n - i);
    _mm512_mask_storeu_ps(x + i, lanes, _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), inverse));
  }
}

void gelu(float* x, size_t n) {
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = first_lanes(n - i);
    _mm512_mask_storeu_ps(x + i, lanes, gelu_lanes(_mm512_maskz_loadu_ps(lanes, x + i)));
  }
}

void layer_norm(const float* x, size_t rows, size_t n, const float* gain, const float* bias, float epsilon,
                float* out) {
  const float count = static_cast<float>(n);
  for (size_t row = 0; row < rows; ++row, x += n, out += n) {
    __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(first_lanes(n - i), x + i));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / count);
    for (size_t i = 0; i < n; i += 16) {
      const __mmask16 lanes = first_lanes(n - i);
      const __m512 d = _mm512_maskz_sub_ps(lanes, _mm512_maskz_loadu_ps(lanes, x + i), mean);
      squares = _mm512_fmadd_ps(d, d, squares);
    }
    const __m512 variance = _mm512_set1_ps(_mm512_reduce_add_ps(squares) / count + epsilon);
    const __m512 inverse = _mm512_div_ps(_mm512_set1_ps(1.0F), _mm512_sqrt_ps(variance));
    for (size_t i = 0; i < n; i += 16) {
      const __mmask16 lanes = first_lanes(n - i);
      const __m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + i), mean), inverse);
      const __m512 scaled =
          _mm512_fmadd_ps(d, _mm512_maskz_loadu_ps(lanes, gain + i), _mm512_maskz_loadu_ps(lanes, bias + i));
      _mm512_mask_storeu_ps(out + i, lanes, scaled);
    }
  }
}

void mean_rows(const float* x, size_t rows, size_t n, float* out) {
  const __m512 count = _mm512_set1_ps(static_cast<float>(rows));
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = first_lanes(n - i);
    __m512 sum = _mm512_setzero_ps();
    for (size_t row = 0; row < rows; ++row) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, x + row * n + i));
    _mm512_mask_storeu_ps(out + i, lanes, _mm512_div_ps(sum, count));
  }
}

float dot(const float* a, const float* b, size_t n) {
  __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  size_t i = 0;
  for (; i + 64 <= n; i += 64)
    for (size_t j = 0; j < 4; ++j)
      sum[j] = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16 * j), _mm512_loadu_ps(b + i + 16 * j), sum[j]);
  for (; i < n; i += 16) {
    const __mmask16 lanes = first_lanes(n - i);
    sum[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i), sum[0]);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
}

void axpy(float alpha, const float* x, float* y, size_t n) {
  const __m512 scale = _mm512_set1_ps(alpha);
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = first_lanes(n - i);
    const __m512 value =
        _mm512_fmadd_ps(scale, _mm512_maskz_loadu_ps(lanes, x + i), _mm512_maskz_loadu_ps(lanes, y + i));
    _mm512_mask_storeu_ps(y + i, lanes, value);
  }
}

// --- attention ---

// out[i * 32 + j] = x[j * stride + i] for i < columns, j < 16, rows j >= rows read as zero: 16 x 16 in four rounds of
// shuffles, pairs of 1, 2, 4 and 8.
void transpose_16(const float* x, size_t stride, size_t rows, size_t columns, float* out) {
  const __mmask16 lanes = first_lanes(columns);
  __m512 a[16], b[16];
  for (size_t j = 0; j < 16; ++j) a[j] = j < rows ? _mm512_maskz_loadu_ps(lanes, x + j * stride) : _mm512_setzero_ps();
  for (size_t j = 0; j < 16; j += 2) {
    b[j] = _mm512_unpacklo_ps(a[j], a[j + 1]);
    b[j + 1] = _mm512_unpackhi_ps(a[j], a[j + 1]);
  }
  for (size_t j = 0; j < 16; j += 4)
    for (size_t half = 0; half < 2; ++half) {
      const __m512d low = _mm512_castps_pd(b[j + half]), high = _mm512_castps_pd(b[j + 2 + half]);
      a[j + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      a[j + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  // Now 128-bit block l of a[4 g + c] holds column 4 l + c of rows 4 g .. 4 g + 3.
  for (size_t c = 0; c < 4; ++c) {
    const __m512 low01 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x44),
                 high01 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xee);
    const __m512 low23 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x44);
    const __m512 high23 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xee);
    b[c] = _mm512_shuffle_f32x4(low01, low23, 0x88);
    b[4 + c] = _mm512_shuffle_f32x4(low01, low23, 0xdd);
    b[8 + c] = _mm512_shuffle_f32x4(high01, high23, 0x88);
    b[12 + c] = _mm512_shuffle_f32x4(high01, high23, 0xdd);
  }
  for (size_t i = 0; i < 16 && i < columns; ++i) _mm512_storeu_ps(out + i * kPanel, b[i]);
}

// x (t, d), row stride `stride` -> panels of x transposed, (t / 32, d, 32): the keys as a right-hand side.
void pack_transposed(const float* x, size_t stride, size_t t, size_t d, float* panels) {
  for (size_t first = 0; first < t; first += kPanel, panels += d * kPanel)
    for (size_t j = 0; j < kPanel; j += 16)
      for (size_t i = 0; i < d; i += 16) {
        const size_t rows = first + j < t ? min(16, t - first - j) : 0;
        transpose_16(x + (first + j) * stride + i, stride, rows, d - i, panels + i * kPanel + j);
      }
}

// x (t, d), row stride `stride` -> panels of x, (d / 32, t, 32): the values.
void pack_rows(const float* x, size_t stride, size_t t, size_t d, float* panels) {
  for (size_t first = 0; first < d; first += kPanel)
    for (size_t i = 0; i < t; ++i, panels += kPanel)
      for (size_t half = 0; half < kPanel; half += 16) {
        const __mmask16 lanes = first + half < d ? first_lanes(d - first - half) : static_cast<__mmask16>(0);
        _mm512_storeu_ps(panels + half, _mm512_maskz_loadu_ps(lanes, x + i * stride + first + half));
      }
}

// The rows of one tile: scores against all keys, softmax, weighted values.
void attend(const AttentionCall& call, const float* query, const float* keys, const float* values, size_t rows,
            float* scores, float* out) {
  const size_t hidden = call.hidden, padded = round_up(call.t, kPanel);
  for (size_t j = 0; j < call.t; j += kPanel)
    kAccumulate<false>[rows](query, 3 * hidden, keys + j * call.head_dim, call.head_dim, nullptr, 0, scores + j,
                             padded);
  float inverse[kRows];
  for (size_t r = 0; r < rows; ++r) inverse[r] = 1.0F / exponentials(scores + r * padded, call.t, padded, call.scale);
  alignas(64) float tile[kRows * kPanel];
  for (size_t d = 0; d < call.head_dim; d += kPanel) {
    kAccumulate<false>[rows](scores, padded, values + d * call.t, call.t, nullptr, 0, tile, kPanel);
    for (size_t r = 0; r < rows; ++r)
      for (size_t half = 0; half < kPanel && d + half < call.head_dim; half += 16)
        _mm512_mask_storeu_ps(out + r * hidden + d + half, first_lanes(call.head_dim - d - half),
                              _mm512_mul_ps(_mm512_load_ps(tile + r * kPanel + half), _mm512_set1_ps(inverse[r])));
  }
}

void attention(const AttentionCall& call) {
  const size_t hidden = call.hidden, stride = 3 * hidden;
  float* keys = call.workspace;
  float* values = keys + round_up(call.t, kPanel) * call.head_dim;
  float* scores = values + call.t * round_up(call.head_dim, kPanel);
  const size_t tiles = (call.t + kRows - 1) / kRows;
  for (size_t head = 0; head < call.heads; ++head) {
    const float* query = call.qkv + head * call.head_dim;
    pack_transposed(query + hidden, stride, call.t, call.head_dim, keys);
    pack_rows(query + 2 * hidden, stride, call.t, call.head_dim, values);
    size_t row = 0;
    for (size_t i = 0; i < tiles; ++i) {
      const size_t rows = call.t / tiles + (i < call.t % tiles ? 1 : 0);
      attend(call, query + row * stride, keys, values, rows, scores, call.out + row * hidden + head * call.head_dim);
      row += rows;
    }
  }
}

}  // namespace

const Kernels kAvx512Kernels = {"avx512",
                                "avx512",
                                kPanel,
                                kRows,
                                gemm,
                                attention,
                                gelu,
                                softmax,
                                layer_norm,
                                mean_rows,
                                dot,
                                axpy,
                                &kAvx512EncoderKernels};

}  // namespace smidgen
