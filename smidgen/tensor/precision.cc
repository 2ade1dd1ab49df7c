#include "smidgen/tensor/precision.h"

namespace smidgen {

std::string_view precision_name(Precision precision) {
  if (precision == Precision::kF32) return "f32";
  return precision == Precision::kBf16 ? "bf16" : "int8";
}

std::optional<Precision> precision_by_name(std::string_view name) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8})
    if (name == precision_name(precision)) return precision;
  return std::nullopt;
}

}  // namespace smidgen
