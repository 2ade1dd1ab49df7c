// The vector form of the kernels of training, written once over the compiler's vector types (vectors_body.h) and
// included by the instruction-set files, which say how wide a vector is (kWide floats), take square roots (root_of) and
// widen halves (widened).
// Lengths need not be multiples of the width: the last vector of a row is loaded and stored in part.
#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/training_kernel_table.h"
#include "smidgen/tensor/vectors_body.h"

#if defined(__GNUC__)
// Vectors wider than a register are passed between functions of this file only.
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace smidgen {

namespace {

using std::size_t;

using V = F<kWide>;
typedef std::uint32_t U __attribute__((vector_size(kWide * 4)));

inline size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}
inline size_t padded(size_t n) {
  return (n + 15) / 16 * 16;
}
// The first `n` < kWide floats; the rest is zero.
inline V load_part(const float* from, size_t n) {
  V value = {};
  for (size_t i = 0; i < n; ++i) value[i] = from[i];
  return value;
}
inline void store_part(float* to, V value, size_t n) {
  for (size_t i = 0; i < n; ++i) to[i] = value[i];
}

// body(i, vector at i, store) over n floats: every vector once, the last one in part.
template <class Body>
inline void over(size_t n, Body body) {
  size_t i = 0;
  for (; i + kWide <= n; i += kWide) body(i, size_t{kWide});
  if (i < n) body(i, n - i);
}
inline V get(const float* from, size_t n) {
  return n == kWide ? load<kWide>(from) : load_part(from, n);
}
inline void put(float* to, V value, size_t n) {
  n == kWide ? store<kWide>(to, value) : store_part(to, value, n);
}

// The same of bf16: the upper half of a float, rounded to nearest even when stored.
typedef std::uint16_t H __attribute__((vector_size(kWide * 2)));
inline V get(const std::uint16_t* from, size_t n) {
  U bits;
  if (n == kWide) {
    bits = widened(from) << 16;
  } else {
    std::uint16_t part[kWide] = {};
    __builtin_memcpy(part, from, n * 2);
    bits = widened(part) << 16;
  }
  V value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}
inline void put(std::uint16_t* to, V value, size_t n) {
  U bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  const H halves = __builtin_convertvector((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16, H);
  if (n == kWide)
    __builtin_memcpy(to, &halves, sizeof(halves));
  else
    for (size_t i = 0; i < n; ++i) to[i] = halves[i];
}

// Phi(x) + x phi(x). Phi by Abramowitz and Stegun, "Handbook of mathematical functions", 7.1.26 (error 7.5e-8), whose
// exponential is that of phi.
inline V gelu_slope(V x) {
  const V magnitude = x < 0.0F ? -x : x;
  const V e = exp_of<kWide>(x * x * -0.5F);
  const V t = 1.0F / (1.0F + 0.2316418882F * magnitude);  // 0.3275911 / sqrt(2)
  V p = splat<kWide>(1.061405429F);
  p = p * t - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  const V tail = 0.5F * p * t * e;  // 1 - Phi(|x|)
  const V cdf = x < 0.0F ? tail : 1.0F - tail;
  return cdf + x * e * 0.3989422804F;
}

// 1/2 + y p(y^2), y = x cut to +-4.25. For kGelu it is Phi(x) (the coefficients of encoder_avx2_body.h), for
// kGeluSlope Phi(x) + x phi(x): p minimises the largest error in between (5e-5; 2e-4 is what the cut costs).
constexpr float kGelu[9] = {0.3988192081451416F,    -0.06619028002023697F,   0.009718779474496841F,
                            -0.001079078298062086F, 8.848919969750568e-05F,  -5.147519459569594e-06F,
                            1.986162203593267e-07F, -4.515313456465719e-09F, 4.5470852777507176e-11F};
constexpr float kGeluSlope[11] = {0.797856867313385F,       -0.2658160924911499F,     0.05961483344435692F,
                                  -0.009334258735179901F,   0.0010870262049138546F,   -9.605909144738689e-05F,
                                  6.358956397889415e-06F,   -3.0353604074662144e-07F, 9.784455023975624e-09F,
                                  -1.8926397948870743e-10F, 1.6502037366791789e-12F};
template <int kTerms>
inline V odd_above_half(V x, const float (&terms)[kTerms]) {
  V y = x > 4.25F ? splat<kWide>(4.25F) : x;
  y = y < -4.25F ? splat<kWide>(-4.25F) : y;
  const V z = y * y;
  V p = splat<kWide>(terms[kTerms - 1]);
  for (int i = kTerms - 2; i >= 0; --i) p = p * z + terms[i];
  return y * p + 0.5F;
}

void gelu_backward(const float* x, const float* d_y, size_t n, float* d_x) {
  over(n, [&](size_t i, size_t lanes) { put(d_x + i, get(d_y + i, lanes) * gelu_slope(get(x + i, lanes)), lanes); });
}

void layer_norm_backward(const float* x, const float* d_y, size_t rows, size_t n, const float* gain, float epsilon,
                         float* d_x, float* d_gain, float* d_bias) {
  const float share = 1.0F / static_cast<float>(n);
  for (size_t row = 0; row < rows; ++row, x += n, d_y += n, d_x += n) {
    V sum = {}, squares = {}, sum_g = {}, sum_gh = {};
    over(n, [&](size_t i, size_t lanes) { sum += get(x + i, lanes); });
    const float mean = sum_of<kWide>(sum) * share;
    const size_t whole = n / kWide * kWide;
    for (size_t i = 0; i < whole; i += kWide) {
      const V d = load<kWide>(x + i) - mean;
      squares += d * d;
    }
    float variance = sum_of<kWide>(squares);
    for (size_t i = whole; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
    const float inverse = 1.0F / root_of(splat<kWide>(variance * share + epsilon))[0];
    over(n, [&](size_t i, size_t lanes) {
      const V dy = get(d_y + i, lanes), h = (get(x + i, lanes) - mean) * inverse, g = dy * get(gain + i, lanes);
      sum_g += g;
      sum_gh += g * h;  // beyond the end g is 0
      put(d_gain + i, get(d_gain + i, lanes) + dy * h, lanes);
      put(d_bias + i, get(d_bias + i, lanes) + dy, lanes);
    });
    const float mean_g = sum_of<kWide>(sum_g) * share, mean_gh = sum_of<kWide>(sum_gh) * share;
    over(n, [&](size_t i, size_t lanes) {
      const V h = (get(x + i, lanes) - mean) * inverse, g = get(d_y + i, lanes) * get(gain + i, lanes);
      put(d_x + i, (g - mean_g - h * mean_gh) * inverse, lanes);
    });
  }
}

// Sums of whole rows run down columns eight vectors wide, so that memory is read in lines.
template <class T>
void add_rows(const T* x, size_t x_stride, size_t rows, size_t n, float* sum) {
  constexpr size_t kVectors = 8;
  size_t i = 0;
  for (; i + kVectors * kWide <= n; i += kVectors * kWide) {
    V total[kVectors];
    for (size_t v = 0; v < kVectors; ++v) total[v] = load<kWide>(sum + i + v * kWide);
    for (size_t row = 0; row < rows; ++row)
      for (size_t v = 0; v < kVectors; ++v) total[v] += get(x + row * x_stride + i + v * kWide, kWide);
    for (size_t v = 0; v < kVectors; ++v) store<kWide>(sum + i + v * kWide, total[v]);
  }
  for (; i < n; i += kWide) {
    const size_t lanes = smaller(kWide, n - i);
    V total = get(sum + i, lanes);
    for (size_t row = 0; row < rows; ++row) total += get(x + row * x_stride + i, lanes);
    put(sum + i, total, lanes);
  }
}

inline V kept(const Dropout& dropout, size_t index) {
  U h;
  for (int i = 0; i < kWide; ++i) h[i] = static_cast<std::uint32_t>(i);
  h = (h + static_cast<std::uint32_t>(index)) * 0x9e3779b1U + dropout.key;
  h = (h ^ (h >> 16)) * 0x85ebca6bU;
  h = (h ^ (h >> 13)) * 0xc2b2ae35U;
  h = h ^ (h >> 16);
  return h >= dropout.threshold ? splat<kWide>(dropout.scale) : V{};
}

void dropout(const Dropout& dropout, size_t first_index, const float* x, size_t n, float* out) {
  over(n, [&](size_t i, size_t lanes) { put(out + i, get(x + i, lanes) * kept(dropout, first_index + i), lanes); });
}

void dropout_add(const Dropout& dropout, size_t first_index, const float* residual, float* x, size_t n) {
  over(n, [&](size_t i, size_t lanes) {
    put(x + i, get(x + i, lanes) * kept(dropout, first_index + i) + get(residual + i, lanes), lanes);
  });
}

double sum_of_squares(const float* x, size_t n) {
  constexpr size_t kBlock = 4096;
  double total = 0;
  for (size_t first = 0; first < n; first += kBlock) {
    V sum = {};
    over(smaller(kBlock, n - first), [&](size_t i, size_t lanes) {
      const V value = get(x + first + i, lanes);
      sum += value * value;
    });
    total += static_cast<double>(sum_of<kWide>(sum));
  }
  return total;
}

void adam(const AdamStep& s, const float* gradient, size_t n, float* w, float* first, float* second) {
  over(n, [&](size_t i, size_t lanes) {
    const V g = get(gradient + i, lanes) * s.gradient_scale, weight = get(w + i, lanes);
    const V m = s.beta1 * get(first + i, lanes) + (1 - s.beta1) * g;
    const V v = s.beta2 * get(second + i, lanes) + (1 - s.beta2) * g * g;
    put(first + i, m, lanes);
    put(second + i, v, lanes);
    const V step = m * s.correction1 / (root_of(v * s.correction2) + s.epsilon);
    put(w + i, weight - s.rate * (step + s.decay * weight), lanes);
  });
}

// --- 16 x 16 blocks of 32 bits ---

typedef float F16 __attribute__((vector_size(64)));
typedef std::uint32_t U16 __attribute__((vector_size(64)));

// Rows i and i + d trade the blocks of d columns that lie on the wrong side of the diagonal.
#define SMIDGEN_TRADE(d)                                            \
  for (int i = 0; i < 16; ++i)                                      \
    if ((i & d) == 0) {                                             \
      const U16 a = m[i], b = m[i + d];                             \
      m[i] = __builtin_shufflevector(a, b, SMIDGEN_FIRST_##d);      \
      m[i + d] = __builtin_shufflevector(a, b, SMIDGEN_SECOND_##d); \
    }
#define SMIDGEN_FIRST_8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define SMIDGEN_SECOND_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define SMIDGEN_FIRST_4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define SMIDGEN_SECOND_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define SMIDGEN_FIRST_2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define SMIDGEN_SECOND_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define SMIDGEN_FIRST_1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define SMIDGEN_SECOND_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31

// m (16, 16) transposed in place, by halves of halves.
inline void transpose_block(U16* m) {
  SMIDGEN_TRADE(8)
  SMIDGEN_TRADE(4)
  SMIDGEN_TRADE(2)
  SMIDGEN_TRADE(1)
}

inline U16 load_block(const float* x, size_t n) {
  U16 value = {};
  if (n >= 16)
    __builtin_memcpy(&value, x, sizeof(value));
  else
    __builtin_memcpy(&value, x, n * sizeof(float));
  return value;
}

void transpose(const float* x, size_t x_stride, size_t rows, size_t n, float* out, size_t out_stride) {
  for (size_t j = 0; j < n; j += 16)
    for (size_t i = 0; i < rows; i += 16) {
      U16 block[16];
      for (size_t r = 0; r < 16; ++r) block[r] = i + r < rows ? load_block(x + (i + r) * x_stride + j, n - j) : U16{};
      transpose_block(block);
      const size_t bytes = smaller(16, rows - i) * sizeof(float);
      for (size_t c = 0; c < 16 && j + c < n; ++c) {
        float* to = out + (j + c) * out_stride + i;
        if (bytes == 64)
          __builtin_memcpy(to, &block[c], 64);
        else
          __builtin_memcpy(to, &block[c], bytes);
      }
    }
}

// --- attention ---

// c (m, n) = A B for small matrices: A's element (i, l) at a[i * a_row + l * a_column], l < k; rows of B b_stride
// apart; n a multiple of kWide; rows of C c_stride apart. kRows rows of C stay in registers.
template <int kRows, int kVectors>
inline void product_tile(const float* a, size_t a_row, size_t a_column, const float* b, size_t b_stride, size_t k,
                         float* c, size_t c_stride) {
  V sum[kRows][kVectors] = {};
  for (size_t l = 0; l < k; ++l, a += a_column, b += b_stride) {
    V right[kVectors];
    for (int v = 0; v < kVectors; ++v) right[v] = load<kWide>(b + v * kWide);
    for (int r = 0; r < kRows; ++r) {
      const float left = a[static_cast<size_t>(r) * a_row];
      for (int v = 0; v < kVectors; ++v) sum[r][v] += left * right[v];
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store<kWide>(c + static_cast<size_t>(r) * c_stride + v * kWide, sum[r][v]);
}

template <int kRows>
inline void product_rows(const float* a, size_t a_row, size_t a_column, const float* b, size_t b_stride, size_t k,
                         size_t n, float* c, size_t c_stride) {
  size_t j = 0;
  for (; j + 2 * kWide <= n; j += 2 * kWide)
    product_tile<kRows, 2>(a, a_row, a_column, b + j, b_stride, k, c + j, c_stride);
  if (j < n) product_tile<kRows, 1>(a, a_row, a_column, b + j, b_stride, k, c + j, c_stride);
}

void product(const float* a, size_t a_row, size_t a_column, const float* b, size_t b_stride, size_t m, size_t k,
             size_t n, float* c, size_t c_stride) {
  size_t i = 0;
  for (; i + 4 <= m; i += 4)
    product_rows<4>(a + i * a_row, a_row, a_column, b, b_stride, k, n, c + i * c_stride, c_stride);
  for (; i < m; ++i) product_rows<1>(a + i * a_row, a_row, a_column, b, b_stride, k, n, c + i * c_stride, c_stride);
}

// One head's matrices, cut out of the wide rows into the workspace: d (head_dim) and t padded with zeros.
struct HeadBlock {
  size_t t, d, tp, dp;
  float *query, *key, *value, *d_out;  // (t, dp)
  float *key_turned, *value_turned;    // (d, tp)
  float *p, *d_p;                      // (t, tp)
  float* result;                       // (t, dp)
  template <class T>
  explicit HeadBlock(const AttentionStepOf<T>& s) : t(s.t), d(s.head_dim), tp(padded(s.t)), dp(padded(s.head_dim)) {
    query = s.workspace;
    key = query + t * dp;
    value = key + t * dp;
    d_out = value + t * dp;
    key_turned = d_out + t * dp;
    value_turned = key_turned + d * tp;
    p = value_turned + d * tp;
    d_p = p + t * tp;
    result = d_p + t * tp;
  }
};

// to (t, dp) = the rows of `from`, `stride` apart; turned (d, tp), may be null: transposed.
template <class T>
void cut(const T* from, size_t stride, const HeadBlock& b, float* to, float* turned) {
  for (size_t i = 0; i < b.t; ++i)
    for (size_t c = 0; c < b.dp; c += kWide)
      store<kWide>(to + i * b.dp + c, c < b.d ? get(from + i * stride + c, smaller(kWide, b.d - c)) : V{});
  if (turned == nullptr) return;
  transpose(to, b.dp, b.t, b.d, turned, b.tp);
  for (size_t c = 0; c < b.d && b.t < b.tp; ++c)
    for (size_t i = b.t; i < b.tp; ++i) turned[c * b.tp + i] = 0;
}

// b.p (t, tp) = softmax(scale query key^T), columns beyond t zero.
template <class T>
void probabilities(const AttentionStepOf<T>& s, const HeadBlock& b) {
  product(b.query, b.dp, 1, b.key_turned, b.tp, b.t, b.d, b.tp, b.p, b.tp);
  for (size_t i = 0; i < b.t; ++i) {
    float* row = b.p + i * b.tp;
    V top = splat<kWide>(-3e38F), sum = {};
    over(b.t, [&](size_t j, size_t lanes) {
      if (lanes < kWide) {
        for (size_t l = 0; l < lanes; ++l) top[0] = row[j + l] > top[0] ? row[j + l] : top[0];
        return;
      }
      const V value = load<kWide>(row + j);
      top = value > top ? value : top;
    });
    const float highest = max_of<kWide>(top);
    for (size_t j = b.t; j < b.tp; ++j) row[j] = -3e38F;
    for (size_t j = 0; j < b.tp; j += kWide) {
      const V e = exp_of<kWide>((load<kWide>(row + j) - highest) * s.scale);
      sum += e;
      store<kWide>(row + j, e);
    }
    const float inverse = 1.0F / sum_of<kWide>(sum);
    for (size_t j = 0; j < b.tp; j += kWide) store<kWide>(row + j, load<kWide>(row + j) * inverse);
  }
}

// x (t, tp) times the dropout mask of `head`.
template <class T>
void mask(const AttentionStepOf<T>& s, const HeadBlock& b, size_t head, float* x) {
  if (s.dropout.threshold == 0) return;
  for (size_t i = 0; i < b.t; ++i) dropout(s.dropout, (head * s.t + i) * s.t, x + i * b.tp, b.t, x + i * b.tp);
}

template <class T>
void paste(const HeadBlock& b, T* to, size_t stride) {
  for (size_t i = 0; i < b.t; ++i)
    over(b.d, [&](size_t c, size_t lanes) { put(to + i * stride + c, get(b.result + i * b.dp + c, lanes), lanes); });
}

template <class T>
void attention(const AttentionStepOf<T>& s) {
  const size_t hidden = s.heads * s.head_dim, stride = s.qkv_stride;
  const HeadBlock b(s);
  for (size_t head = 0; head < s.heads; ++head) {
    const T* query = s.qkv + head * s.head_dim;
    cut(query, stride, b, b.query, nullptr);
    cut(query + hidden, stride, b, b.key, b.key_turned);
    cut(query + 2 * hidden, stride, b, b.value, nullptr);
    probabilities(s, b);
    mask(s, b, head, b.p);
    product(b.p, b.tp, 1, b.value, b.dp, b.t, b.t, b.dp, b.result, b.dp);
    paste(b, s.out + head * s.head_dim, s.out_stride);
  }
}

// The formulas stand in training_kernels_scalar.cc.
template <class T>
void attention_backward(const AttentionStepOf<T>& s) {
  const size_t hidden = s.heads * s.head_dim, stride = s.qkv_stride;
  const HeadBlock b(s);
  for (size_t head = 0; head < s.heads; ++head) {
    const T* query = s.qkv + head * s.head_dim;
    cut(query, stride, b, b.query, nullptr);
    cut(query + hidden, stride, b, b.key, b.key_turned);
    cut(query + 2 * hidden, stride, b, b.value, b.value_turned);
    cut(s.d_out + head * s.head_dim, s.out_stride, b, b.d_out, nullptr);
    probabilities(s, b);
    product(b.d_out, b.dp, 1, b.value_turned, b.tp, b.t, b.d, b.tp, b.d_p, b.tp);
    mask(s, b, head, b.d_p);
    // d_p becomes dS; with dropout, the same sum over j of dP P may be taken before or after the mask was applied to P.
    for (size_t i = 0; i < b.t; ++i) {
      float *p = b.p + i * b.tp, *d_p = b.d_p + i * b.tp;
      V sum = {};
      for (size_t j = 0; j < b.tp; j += kWide) sum += load<kWide>(p + j) * load<kWide>(d_p + j);
      const float total = sum_of<kWide>(sum);
      for (size_t j = 0; j < b.tp; j += kWide)
        store<kWide>(d_p + j, load<kWide>(p + j) * (load<kWide>(d_p + j) - total) * s.scale);
    }
    mask(s, b, head, b.p);
    T* d_query = s.d_qkv + head * s.head_dim;
    product(b.d_p, b.tp, 1, b.key, b.dp, b.t, b.t, b.dp, b.result, b.dp);
    paste(b, d_query, stride);
    product(b.d_p, 1, b.tp, b.query, b.dp, b.t, b.t, b.dp, b.result, b.dp);
    paste(b, d_query + hidden, stride);
    product(b.p, 1, b.tp, b.d_out, b.dp, b.t, b.t, b.dp, b.result, b.dp);
    paste(b, d_query + 2 * hidden, stride);
  }
}

// --- bf16 ---

// Rounded to bf16 (nearest even), in the upper half of each lane.
inline U16 round_upper(const float* x, size_t n) {
  F16 value = {};
  if (n >= 16)
    __builtin_memcpy(&value, x, sizeof(value));
  else
    for (size_t i = 0; i < n; ++i) value[i] = x[i];
  U16 bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
}

// A line of a panel: rows `first` and `second` of 16 columns side by side; a null row is zero.
inline U16 pair_rows(const float* first, const float* second, size_t n) {
  const U16 low = first == nullptr ? U16{} : round_upper(first, n) >> 16;
  return second == nullptr ? low : low | round_upper(second, n);
}

// 32 consecutive floats of a row as 16 pairs.
inline U16 pair_columns(const float* x, size_t n) {
  const U16 left = round_upper(x, n), right = n > 16 ? round_upper(x + 16, n - 16) : U16{};
  const U16 even = __builtin_shufflevector(left, right, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const U16 odd = __builtin_shufflevector(left, right, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return even >> 16 | odd;
}

inline void store_line(std::uint16_t* to, U16 line) {
  __builtin_memcpy(to, &line, sizeof(line));
}

void pack_rows(const float* x, size_t x_stride, size_t k, size_t n, std::uint16_t* panels, size_t panel_stride) {
  const size_t lines = bf16_row_bytes(k) / 4, columns = padded_to(n, kLowPairColumns);
  for (size_t j = 0; j < columns; j += kLowPanelColumns, panels += panel_stride)
    for (size_t line = 0; line < lines; ++line) {
      const size_t i = 2 * line, left = j < n ? n - j : 0;
      const float* row = x + i * x_stride + j;
      store_line(panels + line * 32,
                 pair_rows(i < k && left > 0 ? row : nullptr, i + 1 < k && left > 0 ? row + x_stride : nullptr, left));
    }
}

void pack_transposed(const float* x, size_t x_stride, size_t k, size_t n, std::uint16_t* panels, size_t panel_stride) {
  const size_t lines = bf16_row_bytes(k) / 4, columns = padded_to(n, kLowPairColumns);
  for (size_t j = 0; j < columns; j += kLowPanelColumns, panels += panel_stride)
    for (size_t line = 0; line < lines; line += 16) {
      U16 block[16];
      for (size_t r = 0; r < 16; ++r)
        block[r] = j + r < n && 2 * line < k ? pair_columns(x + (j + r) * x_stride + 2 * line, k - 2 * line) : U16{};
      transpose_block(block);
      for (size_t r = 0; r < 16; ++r) store_line(panels + (line + r) * 32, block[r]);
    }
}

void low_gelu(const std::uint16_t* x, size_t n, std::uint16_t* y) {
  over(n, [&](size_t i, size_t lanes) {
    const V value = get(x + i, lanes);
    put(y + i, value * odd_above_half(value, kGelu), lanes);
  });
}

void low_gelu_backward(const std::uint16_t* x, const std::uint16_t* d_y, size_t n, std::uint16_t* d_x) {
  over(n, [&](size_t i, size_t lanes) {
    put(d_x + i, get(d_y + i, lanes) * odd_above_half(get(x + i, lanes), kGeluSlope), lanes);
  });
}

void low_dropout(const Dropout& dropout, size_t first_index, const float* x, size_t rows, size_t n, std::uint16_t* out,
                 size_t out_stride) {
  for (size_t row = 0; row < rows; ++row, first_index += n, x += n, out += out_stride)
    over(n, [&](size_t i, size_t lanes) { put(out + i, get(x + i, lanes) * kept(dropout, first_index + i), lanes); });
}

// Two rows of up to 16 bf16 side by side: pairs, the first in the lower half. A null row is zero.
inline U16 widened_line(const std::uint16_t* x) {
  U16 line;
  for (size_t i = 0; i < 16; i += kWide) {
    const U lanes = widened(x + i);
    __builtin_memcpy(reinterpret_cast<char*>(&line) + 4 * i, &lanes, sizeof(lanes));
  }
  return line;
}
inline U16 widened_line(const std::uint16_t* x, size_t n) {
  if (n >= 16) return widened_line(x);
  std::uint16_t part[16] = {};
  __builtin_memcpy(part, x, n * 2);
  return widened_line(part);
}
inline U16 pair_halves(const std::uint16_t* first, const std::uint16_t* second, size_t n) {
  const U16 low = first == nullptr ? U16{} : widened_line(first, n);
  return second == nullptr ? low : low | widened_line(second, n) << 16;
}

void low_transpose(const std::uint16_t* x, size_t x_stride, size_t rows, size_t n, std::uint16_t* out,
                   size_t out_stride) {
  const size_t width = bf16_row_bytes(rows) / 2;
  for (size_t j = 0; j < n; j += 16)
    for (size_t first = 0; first < width; first += 32) {
      U16 block[16];
      for (size_t r = 0; r < 16; ++r) {
        const size_t i = first + 2 * r;
        const std::uint16_t* row = x + i * x_stride + j;
        block[r] = pair_halves(i < rows ? row : nullptr, i + 1 < rows ? row + x_stride : nullptr, n - j);
      }
      transpose_block(block);
      for (size_t c = 0; c < 16 && j + c < n; ++c) store_line(out + (j + c) * out_stride + first, block[c]);
    }
}

void low_pack_rows(const std::uint16_t* x, size_t x_stride, size_t k, size_t n, std::uint16_t* panels,
                   size_t panel_stride) {
  const size_t lines = bf16_row_bytes(k) / 4, columns = padded_to(n, kLowPairColumns);
  for (size_t j = 0; j < columns; j += kLowPanelColumns, panels += panel_stride)
    for (size_t line = 0; line < lines; ++line) {
      const size_t i = 2 * line, left = j < n ? n - j : 0;
      const std::uint16_t* row = x + i * x_stride + j;
      store_line(panels + line * 32, pair_halves(i < k && left > 0 ? row : nullptr,
                                                 i + 1 < k && left > 0 ? row + x_stride : nullptr, left));
    }
}

constexpr TrainingKernels training_kernels_named(const char* name) {
  return {name,
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
}

}  // namespace

}  // namespace smidgen
