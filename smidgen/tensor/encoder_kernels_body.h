// The vector form of the encoder kernels, written once and included by the instruction-set files after the vectors they
// use (encoder_avx512_body.h, encoder_avx2_body.h). Everything is in an unnamed namespace: no symbol of these
// files may be shared with others.
//
// `accumulate` and what follows it (`finish`) are separate functions on purpose: in one function g++ 12 keeps the
// accumulators on the stack, which costs a factor of 1.7.
#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/encoder_kernel_table.h"

namespace smidgen {

namespace {

constexpr size_t kTileColumns = 2 * kWide;
constexpr size_t kBlockBytes = 512 * 1024;  // rows of A kept in the second-level cache while panels pass by

inline size_t min(size_t a, size_t b) {
  return a < b ? a : b;
}

constexpr float kPower0 = 0.9999251961708069F, kPower1 = 0.6958335041999817F;
constexpr float kPower2 = 0.2260671705007553F, kPower3 = 0.07802451401948929F;
// 2^x for x <= 0, relative error 8e-5 (a rounding to bf16 is 4e-3): 2^floor(x) times a polynomial of degree 3 in the
// fraction.
inline F power_of_two(F x) {
  const F r = fraction(x);
  F p = fma(splat(kPower3), r, splat(kPower2));
  p = fma(p, r, splat(kPower1));
  p = fma(p, r, splat(kPower0));
  return scaled_by_power(p, x);
}

// --- products ---

// out (kR, 2 vectors) of 4-byte sums, rows out_stride apart, = rows of A times two vectors of columns. `next` is asked
// for `ask` lines at a time while this tile is computed, so that memory works during arithmetic.
template <class Dot, int kR>
__attribute__((noinline)) void accumulate(const std::uint8_t* a, size_t a_stride, const std::uint8_t* b, size_t step,
                                          size_t lines, const std::uint8_t* next, size_t ask, void* out,
                                          size_t out_stride) {
  typename Dot::Sum left[kR], right[kR];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) left[r] = right[r] = Dot::none();
  const auto line = [&](const std::uint8_t* row, const std::uint8_t* weights) __attribute__((always_inline)) {
    const auto w0 = Dot::weights(weights), w1 = Dot::weights(weights + step);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const auto x = Dot::row(row + static_cast<size_t>(r) * a_stride);
      left[r] = Dot::dot(left[r], w0, x);
      right[r] = Dot::dot(right[r], w1, x);
    }
  };
  for (size_t i = 0; i < lines; i += 4, a += 16, b += 4 * kLineBytes) {  // lines is a multiple of 16
    for (size_t l = 0; l < ask; ++l, next += kLineBytes) _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
    line(a, b);
    line(a + 4, b + kLineBytes);
    line(a + 8, b + 2 * kLineBytes);
    line(a + 12, b + 3 * kLineBytes);
  }
  float* to = static_cast<float*>(out);
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
    __builtin_memcpy(to + static_cast<size_t>(r) * out_stride, &left[r], sizeof(left[r]));
    __builtin_memcpy(to + static_cast<size_t>(r) * out_stride + kWide, &right[r], sizeof(right[r]));
  }
}

template <class Dot>
void accumulate_rows(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b, size_t step,
                     size_t lines, const std::uint8_t* next, size_t ask, void* out, size_t out_stride) {
  const auto call = [&]<int kR>(auto& self) __attribute__((always_inline)) {
    if (rows == kR) return accumulate<Dot, kR>(a, a_stride, b, step, lines, next, ask, out, out_stride);
    if constexpr (kR > 1) self.template operator()<kR - 1>(self);
  };
  call.template operator()<Dot::kRows>(call);
}

// out (kR, 1 vector) = rows of A times one vector of columns: what is left of an odd number of panels.
template <class Dot, int kR>
__attribute__((noinline)) void accumulate_narrow(const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                                                 size_t lines, float* out, size_t out_stride) {
  typename Dot::Sum sums[kR];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) sums[r] = Dot::none();
  for (size_t i = 0; i < lines; ++i, a += 4, b += kLineBytes) {
    const auto w = Dot::weights(b);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) sums[r] = Dot::dot(sums[r], w, Dot::row(a + static_cast<size_t>(r) * a_stride));
  }
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) __builtin_memcpy(out + static_cast<size_t>(r) * out_stride, &sums[r], sizeof(sums[r]));
}

constexpr int kNarrowRows = 16;
template <class Dot>
void accumulate_narrow_rows(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b, size_t lines,
                            float* out, size_t out_stride) {
  const auto call = [&]<int kR>(auto& self) __attribute__((always_inline)) {
    if (rows == kR) return accumulate_narrow<Dot, kR>(a, a_stride, b, lines, out, out_stride);
    if constexpr (kR > 1) self.template operator()<kR - 1>(self);
  };
  call.template operator()<kNarrowRows>(call);
}

// What happens to one row of a finished tile, two vectors of sums: scales, bias, GELU, residual, and to where it goes.
// Everything is decided at compile time.
template <bool kInt8, bool kGelu, bool kResidual, bool kHalves>
struct FinishRow {
  F bias0, bias1, scale0, scale1;
  const std::int32_t* corrections;
  const float *row_scales, *residual;
  float* c;
  std::uint16_t* c_bf16;
  size_t residual_stride, c_stride;

  FinishRow(const LowProduct& call, size_t column)
      : bias0(load(call.bias + column)),
        bias1(load(call.bias + column + kWide)),
        scale0(kInt8 ? load(call.b_scales + column) : splat(0.0F)),
        scale1(kInt8 ? load(call.b_scales + column + kWide) : splat(0.0F)),
        corrections(call.a_corrections),
        row_scales(call.a_scales),
        residual(kResidual ? call.residual + column : nullptr),
        c(kHalves ? nullptr : call.c + column),
        c_bf16(kHalves ? call.c_bf16 + column : nullptr),
        residual_stride(call.residual_stride),
        c_stride(call.c_stride) {}

  // sums: 2 vectors
  void operator()(const float* sums, size_t row) const {
    F x, y;
    if constexpr (kInt8) {
      const I correction = splat_integers(corrections[row]);
      const F row_scale = splat(row_scales[row]);
      x = fma(floats(subtract(load_integers(sums), correction)), multiply(scale0, row_scale), bias0);
      y = fma(floats(subtract(load_integers(sums + kWide), correction)), multiply(scale1, row_scale), bias1);
    } else {
      x = add(load(sums), bias0);
      y = add(load(sums + kWide), bias1);
    }
    if constexpr (kGelu) {
      x = gelu(x);
      y = gelu(y);
    }
    if constexpr (kResidual) {
      x = add(x, load(residual + row * residual_stride));
      y = add(y, load(residual + row * residual_stride + kWide));
    }
    if constexpr (kHalves) {
      store_bf16_pair(c_bf16 + row * c_stride, x, y);
    } else {
      store(c + row * c_stride, x);
      store(c + row * c_stride + kWide, y);
    }
  }
};

// The same for any call, a vector at a time: the last columns of odd matrices, and uncommon combinations.
template <bool kInt8>
struct FinishAnyRow {
  const LowProduct* product;
  size_t column;

  FinishAnyRow(const LowProduct& call, size_t at) : product(&call), column(at) {}

  void operator()(const float* sums, size_t row) const {
    for (size_t at = column; at < column + kTileColumns && at < product->n; at += kWide, sums += kWide)
      finish(*product, sums, row, at, min(kWide, product->n - at));
  }

  static void finish(const LowProduct& call, const float* sums, size_t row, size_t at, size_t count) {
    F value = splat(0.0F);
    if constexpr (kInt8) {
      const I sum = subtract(load_integers(sums), splat_integers(call.a_corrections[row]));
      if (call.sums != nullptr) return store_integers_first(call.sums + row * call.c_stride + at, sum, count);
      value = fma(floats(sum), multiply(load(call.b_scales + at), splat(call.a_scales[row])), load(call.bias + at));
    } else {
      value = add(load(sums), load(call.bias + at));
    }
    if (call.gelu) value = gelu(value);
    if (call.residual != nullptr)
      value = add(value, load_first(call.residual + row * call.residual_stride + at, count));
    if (call.c != nullptr)
      store_first(call.c + row * call.c_stride + at, value, count);
    else
      store_bf16_first(call.c_bf16 + row * call.c_stride + at, value, count);
  }
};

// Calls f.operator()<Finish>() with what fits this call.
template <bool kInt8, class Function>
void with_finish(const LowProduct& call, const Function& f) {
  const bool halves = call.c_bf16 != nullptr, residual = call.residual != nullptr;
  if (call.sums != nullptr || call.n % kLowPairColumns != 0 || (residual && (halves || call.gelu)) ||
      (call.gelu && !halves))
    return f.template operator()<FinishAnyRow<kInt8>>();
  if (call.gelu) return f.template operator()<FinishRow<kInt8, true, false, true>>();
  if (halves) return f.template operator()<FinishRow<kInt8, false, false, true>>();
  if (residual) return f.template operator()<FinishRow<kInt8, false, true, false>>();
  f.template operator()<FinishRow<kInt8, false, false, false>>();
}

// Rows [begin, end) against all panels. Tiles are as even as can be: 16 rows are 8 + 8, not 14 + 2.
template <class Dot, class Finish>
void product_block(const LowProduct& call, size_t begin, size_t end) {
  alignas(64) float tile[static_cast<size_t>(Dot::kRows) * kTileColumns];
  const auto* a = static_cast<const std::uint8_t*>(call.a);
  const size_t m = end - begin, tiles = (m + Dot::kRows - 1) / Dot::kRows, panel_bytes = call.lines * kLineBytes;
  constexpr size_t kPanels = kTileColumns / kLowPanelColumns;  // 2 or 1
  const size_t ask = (4 * kPanels + tiles - 1) / tiles;        // lines to ask for with every four used
  for (size_t column = 0; column < call.n; column += kTileColumns) {
    const auto* b = static_cast<const std::uint8_t*>(call.panels) + column / kLowPanelColumns * panel_bytes;
    const std::uint8_t* next = b + kPanels * panel_bytes;  // after the last panel: whatever the caller put behind it
    const Finish finish(call, column);
    size_t row = begin;
    for (size_t i = 0; i < tiles; ++i) {
      const size_t rows = m / tiles + (i < m % tiles ? 1 : 0);
      const bool asks = i * ask < 4 * kPanels;
      accumulate_rows<Dot>(rows, a + row * call.a_stride, call.a_stride, b, kVectorStep(panel_bytes), call.lines, next,
                           asks ? ask : 0, tile, kTileColumns);
      if (asks) next += call.lines / 4 * ask * kLineBytes;
      for (size_t r = 0; r < rows; ++r) finish(tile + r * kTileColumns, row + r);
      row += rows;
    }
  }
}

template <class Dot>
void product(const LowProduct& call) {
  const size_t rows = Dot::kRows, whole = kBlockBytes / (call.lines * 4 + 1) / rows * rows;
  const size_t block = whole < 4 * rows ? 4 * rows : whole;
  with_finish<Dot::kInt8>(call, [&]<class Finish>() {
    for (size_t row = 0; row < call.m; row += block) product_block<Dot, Finish>(call, row, min(call.m, row + block));
  });
}

// --- rows ---

struct FloatRow {
  const float* x;
  F all(size_t i) const { return load(x + i); }
  F first(size_t i, size_t n) const { return load_first(x + i, n); }
};
struct Bf16Row {
  const std::uint16_t* x;
  F all(size_t i) const { return bits_as_floats(shift_left_16(load_halves(x + i))); }
  F first(size_t i, size_t n) const { return bits_as_floats(shift_left_16(load_halves_first(x + i, n))); }
};

// A row whose columns are multiplied by factors.
template <class Row>
struct ScaledRow {
  Row row;
  const float* factors;
  F all(size_t i) const { return multiply(row.all(i), load(factors + i)); }
  F first(size_t i, size_t n) const { return multiply(row.first(i, n), load_first(factors + i, n)); }
};

template <class Row>
float largest_magnitude(const Row& x, size_t n) {
  F top = splat(0.0F), top2 = splat(0.0F);
  size_t i = 0;
  for (; i + 2 * kWide <= n; i += 2 * kWide) {
    top = larger(top, magnitude(x.all(i)));
    top2 = larger(top2, magnitude(x.all(i + kWide)));
  }
  for (; i < n; i += kWide) top = larger(top, magnitude(x.first(i, n - i)));
  return max_of(larger(top, top2));
}

// The same for bf16, whose magnitudes are ordered as their bits are.
inline float largest_magnitude(const Bf16Row& row, size_t n) {
  I top = no_integers(), top2 = top;
  size_t i = 0;
  for (; i + 4 * kWide <= n; i += 4 * kWide) {
    top = larger_halves(top, magnitudes_of_halves(load_integers(row.x + i)));
    top2 = larger_halves(top2, magnitudes_of_halves(load_integers(row.x + i + 2 * kWide)));
  }
  top = larger_halves(top, top2);
  F highest = larger(bits_as_floats(shift_left_16(top)), bits_as_floats(high_half(top)));
  for (; i < n; i += kWide) highest = larger(highest, magnitude(row.first(i, n - i)));
  return max_of(highest);
}

// 4 vectors of x times inverse, as bytes.
template <class Row>
I row_bytes(const Row& x, size_t i, F inverse) {
  const auto numbers = [&](size_t at) __attribute__((always_inline)) {
    return integers(multiply(x.all(at), inverse));
  };
  return bytes_of(numbers(i), numbers(i + kWide), numbers(i + 2 * kWide), numbers(i + 3 * kWide));
}
// The same, odd and even numbers apart: fewer shuffles than taking them in their order.
inline I row_bytes(const Bf16Row& row, size_t i, F inverse) {
  const auto halves = [&](size_t at) __attribute__((always_inline)) {
    const I x = load_integers(row.x + at);
    const I even = integers(multiply(bits_as_floats(shift_left_16(x)), inverse));
    return with_high_halves(even, integers(multiply(bits_as_floats(high_half(x)), inverse)));
  };
  return bytes_of_halves(halves(i), halves(i + 2 * kWide));
}

// x, whose largest magnitude is known, as a row of call.out.
template <class Row>
void quantize_row(const Row& x, size_t n, float largest, const QuantizeCall& call, size_t row) {
  std::int8_t* out = call.out + row * call.out_stride;
  const F inverse = splat(largest > 0 ? 127.0F / largest : 0.0F);
  I sum = no_integers();
  size_t i = 0;
  for (; i + 4 * kWide <= n; i += 4 * kWide) {
    const I bytes = row_bytes(x, i, inverse);
    sum = add_bytes(sum, bytes);
    store_integers(out + i, bytes);
  }
  for (const size_t end = int8_row_bytes(n); i < end; i += kWide) {
    const I q = i < n ? integers(multiply(x.first(i, n - i), inverse)) : no_integers();
    sum = add(sum, q);
    store_bytes(out + i, q);
  }
  call.scales[row] = largest / 127.0F;
  call.corrections[row] = 128 * sum_of(sum);
}

// Rows take each step together, some at a time: what one row waits for (a sum over lanes, a root) passes while the step
// works on the next.
constexpr size_t kRowsTogether = 4;
// Calls f.operator()<count>(first) for all rows.
template <class Function>
void for_rows_together(size_t rows, const Function& f) {
  size_t first = 0;
  for (; first + kRowsTogether <= rows; first += kRowsTogether) f.template operator()<kRowsTogether>(first);
  for (; first < rows; ++first) f.template operator()<1>(first);
}

// row_at(i): row i
template <class RowAt>
void quantize_rows(const QuantizeCall& call, const RowAt& row_at) {
  for_rows_together(call.rows, [&]<size_t kCount>(size_t first) {
    float largest[kCount];
    for (size_t r = 0; r < kCount; ++r) largest[r] = largest_magnitude(row_at(first + r), call.n);
    for (size_t r = 0; r < kCount; ++r) quantize_row(row_at(first + r), call.n, largest[r], call, first + r);
  });
}

template <class Row, class Number>
void quantize_numbers(const QuantizeCall& call, const Number* x) {
  const auto row_at = [&](size_t row) { return Row{x + row * call.x_stride}; };
  if (call.factors == nullptr) return quantize_rows(call, row_at);
  quantize_rows(call, [&](size_t row) { return ScaledRow<Row>{row_at(row), call.factors}; });
}

inline void quantize(const QuantizeCall& call) {
  call.x != nullptr ? quantize_numbers<FloatRow>(call, call.x) : quantize_numbers<Bf16Row>(call, call.x_bf16);
}

inline void round_row(const float* x, size_t n, std::uint16_t* out) {
  size_t i = 0;
  for (; i + kWide <= n; i += kWide) store_bf16(out + i, load(x + i));
  for (const size_t end = bf16_row_bytes(n) / 2; i < end; i += kWide)
    store_bf16(out + i, i < n ? load_first(x + i, n - i) : splat(0.0F));
}

inline void round_rows(const RoundCall& call) {
  for (size_t row = 0; row < call.rows; ++row)
    round_row(call.x + row * call.x_stride, call.n, call.out + row * call.out_stride / 2);
}

// The sum of what `next(sum, vector)` adds to it for each vector of x, four sums at a time: one would wait for itself.
template <class Next>
float sum_over(const float* x, size_t n, const Next& next) {
  F sums[4] = {splat(0.0F), splat(0.0F), splat(0.0F), splat(0.0F)};
  size_t i = 0;
  for (; i + 4 * kWide <= n; i += 4 * kWide) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) sums[j] = next(sums[j], load(x + i + j * kWide));
  }
  for (; i + kWide <= n; i += kWide) sums[0] = next(sums[0], load(x + i));
  if (i < n) sums[1] = or_else(next(sums[1], load_first(x + i, n - i)), n - i, sums[1]);
  return sum_of(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

// Norms of rows [first, first + kCount); largest (kCount): the largest magnitude of each, with kFactors of it times
// factors.
template <bool kFactors, size_t kCount>
void norm_rows(const NormCall& call, size_t first, const float* factors, float* largest) {
  const size_t n = call.n, whole = n / kWide * kWide, left = n - whole;
  const float numbers = static_cast<float>(n), *x = call.x + first * n;
  float* out = call.out + first * n;
  F means[kCount], inverses[kCount], tops[kCount];
  for (size_t r = 0; r < kCount; ++r)
    means[r] = splat(sum_over(x + r * n, n, [](F sum, F part) { return add(sum, part); }) / numbers);
  for (size_t r = 0; r < kCount; ++r) {
    const float squares = sum_over(x + r * n, n, [mean = means[r]](F sum, F part) {
      const F d = subtract(part, mean);
      return fma(d, d, sum);
    });
    inverses[r] = splat(inverse_root(squares / numbers + call.epsilon));
    tops[r] = splat(0.0F);
  }
  const auto norm = [&](size_t r, F part, F gain, F bias) __attribute__((always_inline)) {
    return fma(multiply(subtract(part, means[r]), inverses[r]), gain, bias);
  };
  for (size_t i = 0; i < whole; i += kWide) {
    const F gain = load(call.gain + i), bias = call.bias != nullptr ? load(call.bias + i) : splat(0.0F);
#pragma GCC unroll 4
    for (size_t r = 0; r < kCount; ++r) {
      const F y = norm(r, load(x + r * n + i), gain, bias);
      tops[r] = larger(tops[r], magnitude(kFactors ? multiply(y, load(factors + i)) : y));
      store(out + r * n + i, y);
    }
  }
  for (size_t r = 0; left > 0 && r < kCount; ++r) {
    const F y = norm(r, load_first(x + r * n + whole, left), load_first(call.gain + whole, left),
                     call.bias != nullptr ? load_first(call.bias + whole, left) : splat(0.0F));
    const F size = magnitude(kFactors ? multiply(y, load_first(factors + whole, left)) : y);
    tops[r] = larger(tops[r], zero_behind(size, left));
    store_first(out + r * n + whole, y, left);
  }
  for (size_t r = 0; r < kCount; ++r) largest[r] = max_of(tops[r]);
}

inline void norm_quantize(const NormCall& norm, const QuantizeCall& call) {
  for_rows_together(norm.rows, [&]<size_t kCount>(size_t first) {
    float largest[kCount];
    const bool scaled = call.factors != nullptr;
    scaled ? norm_rows<true, kCount>(norm, first, call.factors, largest)
           : norm_rows<false, kCount>(norm, first, nullptr, largest);
    for (size_t r = 0; r < kCount; ++r) {
      const FloatRow row = {norm.out + (first + r) * norm.n};
      scaled ? quantize_row(ScaledRow<FloatRow>{row, call.factors}, norm.n, largest[r], call, first + r)
             : quantize_row(row, norm.n, largest[r], call, first + r);
    }
  });
}

inline void norm_round(const NormCall& norm, const RoundCall& call) {
  for_rows_together(norm.rows, [&]<size_t kCount>(size_t first) {
    float largest[kCount];
    norm_rows<false, kCount>(norm, first, nullptr, largest);
    for (size_t row = first; row < first + kCount; ++row)
      round_row(norm.out + row * norm.n, norm.n, call.out + row * call.out_stride / 2);
  });
}

// --- attention ---
//
// Keys and values of a head are packed once as panels of weights: scores are queries times panels of 16 keys, contexts
// are probabilities times panels of 16 columns of the values. `Tiles` multiplies up to kLowAttentionRows rows by any
// number of panels of keys, or by two panels of values, and says how many queries (rows_for) and keys (kKeysAtOnce,
// whose scores and probabilities should stay in the first-level cache) it wants at a time, and to what multiple keys
// are padded (kKeyStep).

// Buffers of one head inside the workspace, each on a line of its own.
struct HeadBuffers {
  std::uint8_t *keys, *values, *queries;
  float* scores;
  std::uint8_t* weights;  // probabilities in bf16
  float* context;
  size_t keys_padded, depth;           // t padded to the key step, head_dim to 32
  size_t score_stride, weight_stride;  // elements: a line more than a row, or rows 2 KB apart would share cache sets

  HeadBuffers(const LowAttention& call, size_t keys_at_once, size_t key_step)
      : keys_padded(padded_to(call.t, key_step)),
        depth(padded_to(call.head_dim, 32)),
        score_stride(min(keys_padded, keys_at_once) + kLineBytes / 4),
        weight_stride(min(keys_padded, keys_at_once) + kLineBytes / 2) {
    const auto address = reinterpret_cast<std::uintptr_t>(call.workspace);
    keys = static_cast<std::uint8_t*>(call.workspace) + (kLineBytes - address % kLineBytes) % kLineBytes;
    values = keys + keys_padded * depth * 2;
    queries = values + keys_padded * depth * 2;
    scores = reinterpret_cast<float*>(queries + kLowAttentionRows * depth * 2);
    weights = reinterpret_cast<std::uint8_t*>(scores + kLowAttentionRows * score_stride);
    context = reinterpret_cast<float*>(weights + kLowAttentionRows * weight_stride * 2);
  }
};

// keys (t, head_dim), `stride` elements apart -> panels of 16 keys, a line for each pair of dimensions
inline void pack_keys(const LowAttention& call, const std::uint16_t* keys, const HeadBuffers& to) {
  const size_t pairs = call.head_dim / 2, lines = to.depth / 2;
  for (size_t j = 0; j < to.keys_padded; j += 16) {
    std::uint8_t* panel = to.keys + j / 16 * lines * kLineBytes;
    const size_t rows = j < call.t ? min(16, call.t - j) : 0;
    const auto* from = reinterpret_cast<const std::uint8_t*>(keys + (j < call.t ? j : 0) * call.qkv_stride);
    for (size_t i = 0; i < pairs; i += 16)
      transpose_words(from + i * 4, call.qkv_stride * 2, rows, min(16, pairs - i), panel + i * kLineBytes);
    if (pairs < lines) __builtin_memset(panel + pairs * kLineBytes, 0, (lines - pairs) * kLineBytes);
    for (size_t r = 0; call.head_dim % 2 != 0 && r < rows; ++r)
      __builtin_memcpy(panel + pairs * kLineBytes + r * 4, keys + (j + r) * call.qkv_stride + call.head_dim - 1, 2);
  }
}

// values (t, head_dim) -> panels of 16 columns, a line for each pair of keys
inline void pack_values(const LowAttention& call, const std::uint16_t* values, const HeadBuffers& to) {
  const size_t t = call.t, width = call.head_dim, whole = width / kWide * kWide, lines = to.keys_padded / 2;
  const auto number = [&](const std::uint16_t* value, bool present, size_t d) __attribute__((always_inline)) {
    if (!present || d >= width) return no_integers();
    return d < whole ? load_halves(value + d) : load_halves_first(value + d, width - d);
  };
  for (size_t line = 0; line < lines; ++line) {
    const size_t j = 2 * line;
    const std::uint16_t *even = values + (j < t ? j : 0) * call.qkv_stride, *odd = even + call.qkv_stride;
    std::uint8_t* out = to.values + line * kLineBytes;
    size_t d = 0;
    if (j + 1 < t)  // the most common
      for (; d < whole; d += kWide)
        store_integers(out + d / 16 * lines * kLineBytes + d % 16 * 4,
                       either(load_halves(even + d), shift_left_16(load_halves(odd + d))));
    for (; d < to.depth; d += kWide)
      store_integers(out + d / 16 * lines * kLineBytes + d % 16 * 4,
                     either(number(even, j < t, d), shift_left_16(number(odd, j + 1 < t, d))));
  }
}

constexpr float kUnseen = -1.0e38F;     // the score of a key that is not seen
constexpr float kLogTwo = 1.44269504F;  // e^x = 2^(x / log 2)
constexpr float kLowestTop = -3.0e38F;

// Where the softmax of each query of a tile stands: it takes the keys some at a time (Milakov and Gimelshein, "Online
// normalizer calculation for softmax", 2018). Two things keep what is rounded to bf16 the same however keys and queries
// are cut: exponents are taken above a whole power of two, so that another maximum moves no bit of a mantissa, and the
// sum is of the rounded probabilities, so that they add up to 1.
struct SoftRows {
  alignas(64) float tops[kLowAttentionRows];  // a whole number above all exponents so far
  alignas(64) float sums[kLowAttentionRows];  // of 2^(exponent - top)

  SoftRows() {
    for (size_t r = 0; r < kLowAttentionRows; r += kWide) {
      store(tops + r, splat(kLowestTop));
      store(sums + r, splat(0.0F));
    }
  }
};

inline float whole_above(float x) {
  return first_of(add(splat(x), fraction(splat(-x))));
}
// 2^x of whole numbers
inline F powers_of(F x) {
  return scaled_by_power(splat(1.0F), x);
}

// 2^(x factor - top) of `whole` scores (whole vectors) to bf16, and perhaps a vector of zeros behind them; returns
// their sums, lane by lane.
inline F powers_of_scores(const float* scores, size_t whole, float factor, float top, std::uint16_t* out) {
  const F f = splat(factor), offset = splat(-top);
  F sum = splat(0.0F), sum2 = sum;
  size_t i = 0;
  for (; i + 4 * kWide <= whole; i += 4 * kWide) {
    sum = store_bf16_pair_and_sum(out + i, power_of_two(fma(load(scores + i), f, offset)),
                                  power_of_two(fma(load(scores + i + kWide), f, offset)), sum);
    sum2 = store_bf16_pair_and_sum(out + i + 2 * kWide, power_of_two(fma(load(scores + i + 2 * kWide), f, offset)),
                                   power_of_two(fma(load(scores + i + 3 * kWide), f, offset)), sum2);
  }
  for (; i + 2 * kWide <= whole; i += 2 * kWide)
    sum = store_bf16_pair_and_sum(out + i, power_of_two(fma(load(scores + i), f, offset)),
                                  power_of_two(fma(load(scores + i + kWide), f, offset)), sum);
  if (i < whole)
    sum = store_bf16_pair_and_sum(out + i, power_of_two(fma(load(scores + i), f, offset)), splat(0.0F), sum);
  return add(sum, sum2);
}

// The larger of `highest` and what `whole` scores hold, lane by lane.
inline F largest_score(const float* scores, size_t whole, F highest) {
  F highest2 = highest;
  size_t i = 0;
  for (; i + 2 * kWide <= whole; i += 2 * kWide) {
    highest = larger(highest, load(scores + i));
    highest2 = larger(highest2, load(scores + i + kWide));
  }
  if (i < whole) highest = larger(highest, load(scores + i));
  return larger(highest, highest2);
}

// Scores of some keys to probabilities in bf16, not yet divided by their sum. Keys [begin, end) of `padded` (whole
// vectors) are seen; the others get 0. Returns what the sum and the context so far must be multiplied by.
inline float soft_keys(float* scores, size_t begin, size_t end, size_t padded, float scale, float& row_top,
                       float& row_sum, std::uint16_t* out) {
  size_t whole = 0;
  float shrink = 1;
  if (begin < end) {
    for (size_t i = 0; i < begin; ++i) scores[i] = kUnseen;
    whole = padded_to(end, kWide);
    if (const size_t last = whole - kWide; end < whole)
      store(scores + last, or_else(load(scores + last), end - last, splat(kUnseen)));
    const float factor = scale * kLogTwo;
    const float above = whole_above(max_of(largest_score(scores, whole, splat(kUnseen))) * factor);
    const float top = row_top < above ? above : row_top;
    if (row_sum > 0) shrink = first_of(powers_of(splat(row_top - top)));
    row_top = top;
    row_sum = row_sum * shrink + sum_of(powers_of_scores(scores, whole, factor, top, out));
  }
  for (size_t i = whole; i < padded; i += kWide) store_bf16(out + i, splat(0.0F));
  return shrink;
}

// totals (rows) = the sums of rows of kWide floats.
inline void sum_rows(const float* x, size_t rows, float* totals) {
  alignas(64) float turned[16 * kWide];
  for (size_t r = 0; r < rows; r += 16) {
    transpose_words(reinterpret_cast<const std::uint8_t*>(x + r * kWide), kWide * 4, min(16, rows - r), kWide,
                    reinterpret_cast<std::uint8_t*>(turned));
    for (size_t half = 0; half < 16; half += kWide) {
      F total = load(turned + half);
      for (size_t i = 1; i < kWide; ++i) total = add(total, load(turned + i * 16 + half));
      store(totals + r + half, total);
    }
  }
}

// The same for rows of a tile that all see `seen` keys. They share the largest score of all: a probability keeps its
// precision however small it is, so a row may lie far below the others, and finding one maximum instead of one a row,
// and the rows' sums together, costs half. A row too far below (its sum under 2^-60) would lose its tail; then nothing
// is changed and false returned.
inline bool soft_tile(const HeadBuffers& head, size_t rows, size_t seen, size_t padded, float scale, SoftRows& soft,
                      float* shrinks) {
  constexpr float kSumMin = 0x1p-60F;
  alignas(64) float sums[kLowAttentionRows * kWide], totals[kLowAttentionRows];
  const size_t whole = padded_to(seen, kWide), last = whole - kWide;
  F highest = splat(kUnseen);
  for (size_t r = 0; r < rows; ++r) {
    float* scores = head.scores + r * head.score_stride;
    if (seen < whole) store(scores + last, or_else(load(scores + last), seen - last, splat(kUnseen)));
    highest = largest_score(scores, whole, highest);
  }
  const float factor = scale * kLogTwo;
  F tops = splat(whole_above(max_of(highest) * factor));
  for (size_t r = 0; r < rows; r += kWide) tops = larger(tops, load(soft.tops + r));
  const float top = max_of(tops);
  for (size_t r = 0; r < rows; ++r) {
    auto* out = reinterpret_cast<std::uint16_t*>(head.weights) + r * head.weight_stride;
    store(sums + r * kWide, powers_of_scores(head.scores + r * head.score_stride, whole, factor, top, out));
    for (size_t i = whole; i < padded; i += kWide) store_bf16(out + i, splat(0.0F));
  }
  sum_rows(sums, rows, totals);
  F smallest = splat(kSumMin);
  for (size_t r = 0; r < rows; r += kWide) {
    const F shrink = powers_of(subtract(load(soft.tops + r), splat(top)));
    const F total = fma(load(soft.sums + r), shrink, load(totals + r));
    smallest = smaller(or_else(total, rows - r, smallest), smallest);
    store(shrinks + r, shrink);
    store(totals + r, total);
  }
  if (max_of(subtract(splat(kSumMin), smallest)) > 0) return false;
  for (size_t r = 0; r < rows; r += kWide) {
    store(soft.tops + r, splat(top));
    store(soft.sums + r, load(totals + r));
  }
  return true;
}

// The queries of one tile, and the keys that some of them see.
struct QueryTile {
  const std::uint8_t* a;  // `rows` rows of depth bf16
  size_t a_stride, first, rows, begin, end;
};

inline QueryTile query_tile(const LowAttention& call, const std::uint16_t* query, size_t first, size_t rows,
                            const HeadBuffers& head) {
  const size_t window = call.window == 0 ? call.t : call.window;
  QueryTile tile = {reinterpret_cast<const std::uint8_t*>(query + first * call.qkv_stride),
                    call.qkv_stride * 2,
                    first,
                    rows,
                    first < window ? 0 : (first - window) / 32 * 32,
                    min(call.t, first + rows + window)};
  if (call.head_dim == head.depth) return tile;
  for (size_t r = 0; r < rows; ++r) {  // a padded copy
    __builtin_memset(head.queries + r * head.depth * 2, 0, head.depth * 2);
    __builtin_memcpy(head.queries + r * head.depth * 2, tile.a + r * tile.a_stride, call.head_dim * 2);
  }
  tile.a = head.queries;
  tile.a_stride = head.depth * 2;
  return tile;
}

// Keys [at, at + keys) for one tile of queries: scores, probabilities, and their part of head.context.
template <class Tiles>
void attend_keys(const LowAttention& call, const QueryTile& tile, const HeadBuffers& head, size_t at, size_t keys,
                 SoftRows& soft) {
  const size_t key_panel = head.depth / 2 * kLineBytes, value_panel = head.keys_padded / 2 * kLineBytes;
  Tiles::multiply_keys(tile.rows, tile.a, tile.a_stride, head.keys + at / 16 * key_panel, key_panel, head.depth / 2,
                       keys / 16, head.scores, head.score_stride);
  const size_t window = call.window == 0 ? call.t : call.window;
  alignas(64) float shrink[kLowAttentionRows];
  const bool together =
      call.window == 0 && soft_tile(head, tile.rows, min(call.t - at, keys), keys, call.scale, soft, shrink);
  for (size_t r = 0; !together && r < tile.rows; ++r) {
    const size_t i = tile.first + r, from = i < window ? 0 : i - window, to = min(call.t, i + window + 1);
    shrink[r] = soft_keys(head.scores + r * head.score_stride, from > at ? from - at : 0,
                          to > at ? min(to - at, keys) : 0, keys, call.scale, soft.tops[r], soft.sums[r],
                          reinterpret_cast<std::uint16_t*>(head.weights) + r * head.weight_stride);
  }
  for (size_t d = 0; d < call.head_dim; d += 32) {
    float* context = head.context + d;
    float* part = at == tile.begin ? context : head.context + kLowAttentionRows * head.depth;
    const size_t stride = at == tile.begin ? head.depth : 32;
    Tiles::multiply_values(tile.rows, head.weights, head.weight_stride * 2,
                           head.values + d / 16 * value_panel + at / 2 * kLineBytes, value_panel, keys / 2, part,
                           stride);
    for (size_t r = 0; at != tile.begin && r < tile.rows; ++r)
      for (size_t i = 0; i < 32; i += kWide)
        store(context + r * head.depth + i,
              fma(load(context + r * head.depth + i), splat(shrink[r]), load(part + r * 32 + i)));
  }
}

// Queries [first, first + rows) of one head.
template <class Tiles>
void attend(const LowAttention& call, const std::uint16_t* query, size_t first, size_t rows, const HeadBuffers& head,
            float* out) {
  const QueryTile tile = query_tile(call, query, first, rows, head);
  SoftRows soft;
  for (size_t at = tile.begin; at < tile.end; at += Tiles::kKeysAtOnce)
    attend_keys<Tiles>(call, tile, head, at, min(Tiles::kKeysAtOnce, padded_to(tile.end - at, Tiles::kKeyStep)), soft);
  for (size_t r = 0; r < rows; r += kWide) store(soft.sums + r, divide(splat(1.0F), load(soft.sums + r)));
  const size_t width = call.head_dim, whole = width / kWide * kWide, hidden = call.heads * width;
  out += first * hidden;
  for (size_t r = 0; r < rows; ++r, out += hidden) {
    const F inverse = splat(soft.sums[r]);
    const float* context = head.context + r * head.depth;
    for (size_t i = 0; i < whole; i += kWide) store(out + i, multiply(load(context + i), inverse));
    if (whole < width) store_first(out + whole, multiply(load(context + whole), inverse), width - whole);
  }
}

// Queries are cut into tiles of equal size; the last is moved up to end where they end, and finds again what it shares
// with the one before.
template <class Tiles>
void attention(const LowAttention& call) {
  if (call.t == 0) return;
  const size_t hidden = call.heads * call.head_dim;
  const HeadBuffers buffers(call, Tiles::kKeysAtOnce, Tiles::kKeyStep);
  const size_t most = Tiles::rows_for(call.t);
  const size_t tiles = (call.t + most - 1) / most, rows = (call.t + tiles - 1) / tiles;
  Tiles::begin(rows);
  for (size_t head = 0; head < call.heads; ++head) {
    const std::uint16_t* query = call.qkv + head * call.head_dim;
    pack_keys(call, query + hidden, buffers);
    pack_values(call, query + 2 * hidden, buffers);
    for (size_t i = 0; i < tiles; ++i)
      attend<Tiles>(call, query, min(i * rows, call.t - rows), rows, buffers, call.out + head * call.head_dim);
  }
  Tiles::end();
}

// Keys and values of long sequences do not stay in the first-level cache: then more queries share a reading of them.
constexpr size_t attention_rows_for(size_t t) {
  return t > 256 ? kLowAttentionRows : kLowAttentionRows / 2;
}

// Attention's products by the accumulators of a Dot.
template <class Dot>
struct VectorTiles {
  static constexpr size_t kKeysAtOnce = 512, kKeyStep = kLowPanelColumns;
  // Where there are many accumulators, two full tiles of them.
  static constexpr size_t rows_for(size_t t) {
    constexpr size_t kTwoTiles = size_t{2} * Dot::kRows;
    return kTwoTiles > kLowAttentionRows * 3 / 4 && t <= 256 ? kTwoTiles : attention_rows_for(t);
  }
  static void begin(size_t) {}
  static void end() {}
  static void multiply_keys(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                            size_t panel_bytes, size_t lines, size_t panels, float* out, size_t out_stride) {
    constexpr size_t kPanels = kTileColumns / kLowPanelColumns;
    for (; panels >= kPanels; panels -= kPanels, b += kPanels * panel_bytes, out += kTileColumns)
      multiply_tile(rows, a, a_stride, b, panel_bytes, lines, out, out_stride);
    for (size_t row = 0, some = 0; panels > 0 && row < rows; row += some) {
      some = min(rows - row, kNarrowRows);
      accumulate_narrow_rows<Dot>(some, a + row * a_stride, a_stride, b, lines, out + row * out_stride, out_stride);
    }
  }
  static void multiply_values(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                              size_t panel_bytes, size_t lines, float* out, size_t out_stride) {
    for (size_t column = 0; column < kLowPairColumns; column += kTileColumns)
      multiply_tile(rows, a, a_stride, b + column / kLowPanelColumns * panel_bytes, panel_bytes, lines, out + column,
                    out_stride);
  }

 private:
  static void multiply_tile(size_t rows, const std::uint8_t* a, size_t a_stride, const std::uint8_t* b,
                            size_t panel_bytes, size_t lines, float* out, size_t out_stride) {
    const size_t tiles = (rows + Dot::kRows - 1) / Dot::kRows;
    for (size_t i = 0, row = 0; i < tiles; ++i) {
      const size_t some = rows / tiles + (i < rows % tiles ? 1 : 0);
      accumulate_rows<Dot>(some, a + row * a_stride, a_stride, b, kVectorStep(panel_bytes), lines, nullptr, 0,
                           out + row * out_stride, out_stride);
      row += some;
    }
  }
};

}  // namespace

}  // namespace smidgen
