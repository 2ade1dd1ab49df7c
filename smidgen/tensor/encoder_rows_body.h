// Rows of encoder_kernels_body.h: quantization, rounding and layer norm.
#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/encoder_kernel_table.h"

namespace smidgen {

namespace {

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

}  // namespace

}  // namespace smidgen
