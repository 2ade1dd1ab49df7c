// Products of encoder_kernels_body.h: tiles of sums, and what happens to them.
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

// kR rows, `stride` bytes apart, read side by side through few registers: every fourth has a pointer, and one, two or
// three strides lead from it to the rows behind it. Left alone, g++ 12 keeps an offset for each row, in vector
// registers when it runs out of others, and moving them back takes the place of one product in twenty. What is behind
// `asm` it cannot know, and so not take apart.
template <int kR>
struct RowPointers {
  static constexpr int kPointers = (kR + 3) / 4;
  const std::uint8_t* fourth[kPointers];
  size_t stride, strides3;

  __attribute__((always_inline)) RowPointers(const std::uint8_t* first, size_t apart)
      : stride(apart), strides3(3 * apart) {
#pragma GCC unroll 4
    for (int i = 0; i < kPointers; ++i) {
      fourth[i] = first + static_cast<size_t>(4 * i) * apart;
      __asm__("" : "+r"(fourth[i]));
    }
  }
  __attribute__((always_inline)) const std::uint8_t* at(int row, size_t offset) const {
    const std::uint8_t* near = fourth[row / 4] + offset;
    return row % 4 == 0 ? near : near + (row % 4 == 3 ? strides3 : static_cast<size_t>(row % 4) * stride);
  }
  __attribute__((always_inline)) void advance(size_t bytes) {
#pragma GCC unroll 4
    for (int i = 0; i < kPointers; ++i) fourth[i] += bytes;
    __asm__("" : "+r"(stride), "+r"(strides3));
  }
};

// out (kR, 2 vectors) of 4-byte sums, rows out_stride apart, = rows of A times two vectors of columns. `next` is asked
// for `ask` lines at a time while this tile is computed, so that memory works during arithmetic.
template <class Dot, int kR>
__attribute__((noinline)) void accumulate(const std::uint8_t* a, size_t a_stride, const std::uint8_t* b, size_t step,
                                          size_t lines, const std::uint8_t* next, size_t ask, void* out,
                                          size_t out_stride) {
  typename Dot::Sum left[kR], right[kR];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) left[r] = right[r] = Dot::none();
  RowPointers<kR> rows(a, a_stride);
  const auto line = [&](size_t at, const std::uint8_t* weights) __attribute__((always_inline)) {
    const auto w0 = Dot::weights(weights), w1 = Dot::weights(weights + step);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const auto x = Dot::row(rows.at(r, at));
      left[r] = Dot::dot(left[r], w0, x);
      right[r] = Dot::dot(right[r], w1, x);
    }
  };
  for (size_t i = 0; i < lines; i += 4, rows.advance(16), b += 4 * kLineBytes) {  // lines is a multiple of 8
    for (size_t l = 0; l < ask; ++l, next += kLineBytes) _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
    line(0, b);
    line(4, b + kLineBytes);
    line(8, b + 2 * kLineBytes);
    line(12, b + 3 * kLineBytes);
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
  RowPointers<kR> rows(a, a_stride);
  for (size_t i = 0; i < lines; ++i, rows.advance(4), b += kLineBytes) {
    const auto w = Dot::weights(b);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) sums[r] = Dot::dot(sums[r], w, Dot::row(rows.at(r, 0)));
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

}  // namespace

}  // namespace smidgen
