// AVX2 with FMA. A tile is up to 6 rows by 16 columns: 12 accumulators, two vectors of weights, one broadcast: 15 of 16
// registers. Same plan as kernels_avx512.cc; the files share nothing so that each sees only its own instruction set.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/encoder_kernel_table.h"
#include "smidgen/tensor/kernel_table.h"

namespace smidgen {

namespace {

using std::size_t;

constexpr size_t kPanel = 16;
constexpr size_t kRows = 6;
constexpr size_t kBlockFloats =
    32 * 1024;  // rows of A kept in the second-level cache (256 KB and up) while panels pass

inline size_t min(size_t a, size_t b) {
  return a < b ? a : b;
}
inline size_t round_up(size_t n, size_t step) {
  return (n + step - 1) / step * step;
}

alignas(32) constexpr std::int32_t kLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

inline __m256i first_lanes(size_t n) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLanes + 8 - min(n, 8)));
}
inline __m256 load_lanes(const float* x, size_t n) {
  return n >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, first_lanes(n));
}
inline void store_lanes(float* x, __m256 value, size_t n) {
  n >= 8 ? _mm256_storeu_ps(x, value) : _mm256_maskstore_ps(x, first_lanes(n), value);
}
inline __m256 keep_lanes(__m256 x, size_t n) {
  return _mm256_and_ps(x, _mm256_castsi256_ps(first_lanes(n)));
}

inline float sum_lanes(__m256 x) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
inline float max_lanes(__m256 x) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

// e^x for x <= 88, relative error 2e-7: 2^n e^r with |r| <= ln(2)/2 and a polynomial of degree 6 (Chebyshev nodes).
inline __m256 exponential(__m256 x) {
  x = _mm256_max_ps(x, _mm256_set1_ps(-87.0F));
  const __m256 n =
      _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504F)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375F), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4F), r);
  __m256 p = _mm256_set1_ps(1.394110843e-3F);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.375126398e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.16663529e-2F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.666641551e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.000000047e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

// x Phi(x) = x / 2 + |x| h, h = Phi(|x|) - 1/2 by a rational function |x| P(x^2) / Q(x^2) on [0, 5.55] (least squares,
// reweighted towards the largest error: 8e-9).
inline __m256 gelu_lanes(__m256 x) {
  const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x);
  const __m256 y = _mm256_min_ps(magnitude, _mm256_set1_ps(5.55F)), z = _mm256_mul_ps(y, y);
  __m256 p = _mm256_set1_ps(2.24427374e-8F);
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(6.3527076e-6F));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(1.71272929e-4F));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(4.69181019e-3F));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(3.41090756e-2F));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(3.98942228e-1F));
  __m256 q = _mm256_set1_ps(1.18861431e-6F);
  q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(7.43483526e-5F));
  q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(1.8983277e-3F));
  q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(2.87896304e-2F));
  q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(2.52164594e-1F));
  q = _mm256_fmadd_ps(q, z, _mm256_set1_ps(1.0F));
  const __m256 h = _mm256_min_ps(_mm256_div_ps(_mm256_mul_ps(y, p), q), _mm256_set1_ps(0.5F));
  return _mm256_fmadd_ps(magnitude, h, _mm256_mul_ps(x, _mm256_set1_ps(0.5F)));
}

// --- matrix product ---

// One tile: out (kR, 16), row stride out_stride, = rows of A times one panel. `next` (the panel to come) is asked for
// `lines` cache lines at a time while this one is used, so that memory works during arithmetic.
template <int kR, bool kTransposed>
__attribute__((noinline)) void accumulate(const float* a, size_t a_stride, const float* panel, size_t k,
                                          const float* next, size_t lines, float* out, size_t out_stride) {
  __m256 left[kR], right[kR];
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) left[r] = right[r] = _mm256_setzero_ps();
  const auto step = [&](const float* row, const float* weights) __attribute__((always_inline)) {
    const __m256 w0 = _mm256_loadu_ps(weights), w1 = _mm256_loadu_ps(weights + 8);
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
      const __m256 x =
          _mm256_broadcast_ss(row + (kTransposed ? static_cast<size_t>(r) : static_cast<size_t>(r) * a_stride));
      left[r] = _mm256_fmadd_ps(x, w0, left[r]);
      right[r] = _mm256_fmadd_ps(x, w1, right[r]);
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
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) {
    _mm256_storeu_ps(out + static_cast<size_t>(r) * out_stride, left[r]);
    _mm256_storeu_ps(out + static_cast<size_t>(r) * out_stride + 8, right[r]);
  }
}

using Accumulate = void (*)(const float*, size_t, const float*, size_t, const float*, size_t, float*, size_t);
template <bool kT>
constexpr Accumulate kAccumulate[kRows + 1] = {nullptr,           accumulate<1, kT>, accumulate<2, kT>,
                                               accumulate<3, kT>, accumulate<4, kT>, accumulate<5, kT>,
                                               accumulate<6, kT>};

// tile (rows, 16) -> c at `row`, `column`, through bias, GELU and residual.
template <bool kGelu>
__attribute__((noinline)) void finish_tile(const GemmCall& call, const float* tile, size_t row, size_t rows,
                                           size_t column) {
  for (size_t half = 0; half < kPanel && column + half < call.n; half += 8) {
    const size_t lanes = call.n - column - half;
    const __m256 bias = call.bias ? load_lanes(call.bias + column + half, lanes) : _mm256_setzero_ps();
    float* c = call.c + row * call.c_stride + column + half;
    const float* residual = call.residual ? call.residual + row * call.residual_stride + column + half : nullptr;
    for (size_t r = 0; r < rows; ++r, c += call.c_stride) {
      __m256 value = _mm256_add_ps(_mm256_loadu_ps(tile + r * kPanel + half), bias);
      if (kGelu) value = gelu_lanes(value);
      if (residual) {
        value = _mm256_add_ps(value, load_lanes(residual, lanes));
        residual += call.residual_stride;
      }
      store_lanes(c, value, lanes);
    }
  }
}

// Rows [begin, end) against all panels. Tiles are as even as can be: 8 rows are 4 + 4, not 6 + 2.
void gemm_block(const GemmCall& call, size_t begin, size_t end) {
  alignas(32) float tile[kRows * kPanel];
  const size_t m = end - begin, tiles = (m + kRows - 1) / kRows;
  const Accumulate* table = call.a_transposed ? kAccumulate<true> : kAccumulate<false>;
  for (size_t column = 0; column < call.n; column += kPanel) {
    const float* panel = call.panels + column * call.k;
    const float* next = panel + call.k * kPanel;  // after the last panel: whatever the caller put behind it
    const size_t lines = (4 + tiles - 1) / tiles;
    size_t row = begin;
    for (size_t i = 0; i < tiles; ++i) {
      const size_t rows = m / tiles + (i < m % tiles ? 1 : 0);
      const float* a = call.a + (call.a_transposed ? row : row * call.a_stride);
      const bool ask = i * lines < 4;
      table[rows](a, call.a_stride, panel, call.k, next, ask ? lines : 0, tile, kPanel);
      if (ask) next += call.k / 4 * lines * 16;
      call.gelu ? finish_tile<true>(call, tile, row, rows, column) : finish_tile<false>(call, tile, row, rows, column);
      row += rows;
    }
  }
}

void gemm(const GemmCall& call) {
  if (call.n == 0) return;
  const size_t whole = kBlockFloats / (call.k + 1) / kRows * kRows, block = whole < 8 * kRows ? 8 * kRows : whole;
  for (size_t row = 0; row < call.m; row += block) gemm_block(call, row, min(call.m, row + block));
}

// --- vectors ---

// x becomes exp(scale (x - max)), and x[n .. padded) zero; returns the sum.
inline float exponentials(float* x, size_t n, size_t padded, float scale) {
  const __m256 lowest = _mm256_set1_ps(-3.4e38F);
  __m256 top = lowest;
  for (size_t i = 0; i < n; i += 8)
    top =
        _mm256_max_ps(top, _mm256_blendv_ps(lowest, load_lanes(x + i, n - i), _mm256_castsi256_ps(first_lanes(n - i))));
  const __m256 highest = _mm256_set1_ps(max_lanes(top)), scales = _mm256_set1_ps(scale);
  __m256 sum = _mm256_setzero_ps();
  for (size_t i = 0; i < padded; i += 8) {
    const size_t lanes = i < n ? n - i : 0;
    const __m256 e =
        keep_lanes(exponential(_mm256_mul_ps(_mm256_sub_ps(load_lanes(x + i, lanes), highest), scales)), lanes);
    sum = _mm256_add_ps(sum, e);
    store_lanes(x + i, e, padded - i);
  }
  return sum_lanes(sum);
}

void softmax(float* x, size_t n) {
  if (n == 0) return;
  const __m256 inverse = _mm256_set1_ps(1.0F / exponentials(x, n, n, 1.0F));
  for (size_t i = 0; i < n; i += 8) store_lanes(x + i, _mm256_mul_ps(load_lanes(x + i, n - i), inverse), n - i);
}

void gelu(float* x, size_t n) {
  for (size_t i = 0; i < n; i += 8) store_lanes(x + i, gelu_lanes(load_lanes(x + i, n - i)), n - i);
}

void layer_norm(const float* x, size_t rows, size_t n, const float* gain, const float* bias, float epsilon,
                float* out) {
  const float count = static_cast<float>(n);
  for (size_t row = 0; row < rows; ++row, x += n, out += n) {
    __m256 sum = _mm256_setzero_ps(), squares = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 8) sum = _mm256_add_ps(sum, load_lanes(x + i, n - i));
    const __m256 mean = _mm256_set1_ps(sum_lanes(sum) / count);
    for (size_t i = 0; i < n; i += 8) {
      const __m256 d = keep_lanes(_mm256_sub_ps(load_lanes(x + i, n - i), mean), n - i);
      squares = _mm256_fmadd_ps(d, d, squares);
    }
    const __m256 variance = _mm256_set1_ps(sum_lanes(squares) / count + epsilon);
    const __m256 inverse = _mm256_div_ps(_mm256_set1_ps(1.0F), _mm256_sqrt_ps(variance));
    for (size_t i = 0; i < n; i += 8) {
      const __m256 d = _mm256_mul_ps(_mm256_sub_ps(load_lanes(x + i, n - i), mean), inverse);
      store_lanes(out + i, _mm256_fmadd_ps(d, load_lanes(gain + i, n - i), load_lanes(bias + i, n - i)), n - i);
    }
  }
}

void mean_rows(const float* x, size_t rows, size_t n, float* out) {
  const __m256 count = _mm256_set1_ps(static_cast<float>(rows));
  for (size_t i = 0; i < n; i += 8) {
    __m256 sum = _mm256_setzero_ps();
    for (size_t row = 0; row < rows; ++row) sum = _mm256_add_ps(sum, load_lanes(x + row * n + i, n - i));
    store_lanes(out + i, _mm256_div_ps(sum, count), n - i);
  }
}

float dot(const float* a, const float* b, size_t n) {
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  size_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (size_t j = 0; j < 4; ++j)
      sum[j] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8 * j), _mm256_loadu_ps(b + i + 8 * j), sum[j]);
  for (; i < n; i += 8) sum[0] = _mm256_fmadd_ps(load_lanes(a + i, n - i), load_lanes(b + i, n - i), sum[0]);
  return sum_lanes(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

void axpy(float alpha, const float* x, float* y, size_t n) {
  const __m256 scale = _mm256_set1_ps(alpha);
  for (size_t i = 0; i < n; i += 8)
    store_lanes(y + i, _mm256_fmadd_ps(scale, load_lanes(x + i, n - i), load_lanes(y + i, n - i)), n - i);
}

// --- attention ---

// x (t, d), row stride `stride` -> panels of x transposed, (t / 16, d, 16): the keys as a right-hand side.
void pack_transposed(const float* x, size_t stride, size_t t, size_t d, float* panels) {
  for (size_t first = 0; first < t; first += kPanel, panels += d * kPanel)
    for (size_t j = 0; j < kPanel; ++j)
      for (size_t i = 0; i < d; ++i) panels[i * kPanel + j] = first + j < t ? x[(first + j) * stride + i] : 0.0F;
}

// x (t, d), row stride `stride` -> panels of x, (d / 16, t, 16): the values.
void pack_rows(const float* x, size_t stride, size_t t, size_t d, float* panels) {
  for (size_t first = 0; first < d; first += kPanel)
    for (size_t i = 0; i < t; ++i, panels += kPanel)
      for (size_t half = 0; half < kPanel; half += 8) {
        const size_t lanes = first + half < d ? d - first - half : 0;
        _mm256_storeu_ps(panels + half, load_lanes(x + i * stride + first + half, lanes));
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
  alignas(32) float tile[kRows * kPanel];
  for (size_t d = 0; d < call.head_dim; d += kPanel) {
    // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): tiles <= m, so rows >= 1, and entries 1..kRows are set
    kAccumulate<false>[rows](scores, padded, values + d * call.t, call.t, nullptr, 0, tile, kPanel);
    for (size_t r = 0; r < rows; ++r)
      for (size_t half = 0; half < kPanel && d + half < call.head_dim; half += 8)
        store_lanes(out + r * hidden + d + half,
                    _mm256_mul_ps(_mm256_load_ps(tile + r * kPanel + half), _mm256_set1_ps(inverse[r])),
                    call.head_dim - d - half);
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

const Kernels kAvx2Kernels = {"avx2",  "avx2",     kPanel,    kRows, gemm, attention,           gelu,
                              softmax, layer_norm, mean_rows, dot,   axpy, &kAvx2EncoderKernels};

}  // namespace smidgen
