// The precision of an encoder's arithmetic: a property of a loaded model, and part of a bundle and its certificate.
#pragma once

#include <optional>
#include <string_view>

namespace smidgen {

enum class Precision {
  kF32,
  kBf16,  // weights and the rows they meet rounded to bf16, sums in f32
  kInt8,  // weights one scale a column, rows one scale each (encoder_kernel_table.h); attention in bf16
};

// "f32", "bf16", "int8".
std::string_view precision_name(Precision precision);
std::optional<Precision> precision_by_name(std::string_view name);

}  // namespace smidgen
