#include "smidgen/tensor/low_matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "smidgen/base/result.h"

namespace smidgen {

namespace {

// A column whose weights are all smaller has no scale that is a normal number: it is zeros.
constexpr float kLargestMin = 127.0F * std::numeric_limits<float>::min();

}  // namespace

std::uint16_t bf16_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (std::isnan(x)) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

float float_of_bf16(std::uint16_t x) {
  return std::bit_cast<float>(std::uint32_t{x} << 16);
}

std::size_t LowMatrix::packed_floats(Precision precision, std::size_t k, std::size_t n) {
  return padded_to(n, kLowPairColumns) * row_bytes(precision, k) / sizeof(float);
}

LowMatrix LowMatrix::pack(Precision precision, const float* b, std::size_t k, std::size_t n, std::size_t row_stride,
                          std::size_t column_stride, const float* bias) {
  AlignedFloats storage = allocate_floats(packed_floats(precision, k, n));
  LowMatrix packed = pack_into(storage.get(), precision, b, k, n, row_stride, column_stride, bias);
  packed.owned_ = std::move(storage);
  return packed;
}

LowMatrix LowMatrix::pack_into(float* storage, Precision precision, const float* b, std::size_t k, std::size_t n,
                               std::size_t row_stride, std::size_t column_stride, const float* bias) {
  SMIDGEN_CHECK(precision != Precision::kF32);
  LowMatrix packed;
  packed.precision_ = precision;
  packed.k_ = k;
  packed.n_ = n;
  auto* bytes = reinterpret_cast<std::uint8_t*>(storage);
  packed.panels_ = bytes;
  const std::size_t padded = padded_to(n, kLowPairColumns), lines = packed.lines();
  packed.bias_.assign(padded, 0.0F);
  if (bias != nullptr) std::copy(bias, bias + n, packed.bias_.begin());
  const bool int8 = precision == Precision::kInt8;
  if (int8) packed.scales_.assign(padded, 0.0F);
  std::fill(bytes, bytes + padded * lines * 4, static_cast<std::uint8_t>(int8 ? 128 : 0));
  for (std::size_t j = 0; j < n; ++j) {
    std::uint8_t* column =
        bytes + j / kLowPanelColumns * lines * kLineBytes + j % kLowPanelColumns * 4;  // its bytes in the first line
    const float* from = b + j * column_stride;
    float largest = 0;
    for (std::size_t i = 0; i < k; ++i) largest = std::max(largest, std::fabs(from[i * row_stride]));
    if (int8 && largest < kLargestMin) continue;
    if (int8) packed.scales_[j] = largest / 127.0F;
    for (std::size_t i = 0; i < k; ++i) {
      const float x = from[i * row_stride];
      if (int8) {
        const float q = std::nearbyint(x * (127.0F / largest));
        column[i / 4 * kLineBytes + i % 4] = static_cast<std::uint8_t>(static_cast<int>(q) + 128);
      } else {
        const std::uint16_t half = bf16_of(x);
        std::uint8_t* at = column + i / 2 * kLineBytes + i % 2 * 2;
        at[0] = static_cast<std::uint8_t>(half & 0xffU);
        at[1] = static_cast<std::uint8_t>(half >> 8);
      }
    }
  }
  return packed;
}

LowProduct LowMatrix::product() const {
  LowProduct call;
  call.panels = panels_;
  call.lines = lines();
  call.n = n_;
  call.b_scales = scales_.data();
  call.bias = bias_.data();
  return call;
}

}  // namespace smidgen
