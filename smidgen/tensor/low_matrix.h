// A weight matrix in bf16 or int8, in the panel order all instruction sets share (encoder_kernel_table.h), with the
// bias that follows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "smidgen/tensor/encoder_kernel_table.h"
#include "smidgen/tensor/packed_matrix.h"
#include "smidgen/tensor/precision.h"

namespace smidgen {

class LowMatrix {
 public:
  LowMatrix() = default;
  // B (k, n), element (i, j) at b[i * row_stride + j * column_stride]; bias (n) or null. `storage`: packed_floats()
  // long, must outlive the matrix; matrices used one after another should lie one behind the other, as the end of one
  // already fetches the start of the next. precision is not kF32.
  static LowMatrix pack_into(float* storage, Precision precision, const float* b, std::size_t k, std::size_t n,
                             std::size_t row_stride, std::size_t column_stride, const float* bias);
  static LowMatrix pack(Precision precision, const float* b, std::size_t k, std::size_t n, std::size_t row_stride,
                        std::size_t column_stride, const float* bias);
  static std::size_t packed_floats(Precision precision, std::size_t k, std::size_t n);
  // Bytes of a row of the other operand.
  static std::size_t row_bytes(Precision precision, std::size_t k) {
    return precision == Precision::kInt8 ? int8_row_bytes(k) : bf16_row_bytes(k);
  }

  Precision precision() const { return precision_; }
  std::size_t k() const { return k_; }
  std::size_t n() const { return n_; }
  std::size_t lines() const { return row_bytes(precision_, k_) / 4; }
  const std::uint8_t* panels() const { return panels_; }
  const std::vector<float>& scales() const { return scales_; }  // (n padded), int8 only

  // A call with everything set that belongs to this matrix.
  LowProduct product() const;

 private:
  Precision precision_ = Precision::kInt8;
  std::size_t k_ = 0, n_ = 0;
  AlignedFloats owned_;
  const std::uint8_t* panels_ = nullptr;
  std::vector<float> scales_, bias_;  // (n padded to kLowPairColumns)
};

// Nearest, ties to even.
std::uint16_t bf16_of(float x);
float float_of_bf16(std::uint16_t x);

}  // namespace smidgen
