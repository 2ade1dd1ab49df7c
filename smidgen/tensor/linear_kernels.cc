#include "smidgen/tensor/linear_kernels.h"

#include <string_view>

#include "smidgen/tensor/kernels.h"

namespace smidgen {

const LinearKernels& linear_kernels() {
  static const LinearKernels& chosen = []() -> const LinearKernels& {
    const std::string_view base = kernels().base;
    if (base == kAvx512LinearKernels.name) return kAvx512LinearKernels;
    if (base == kAvx2LinearKernels.name) return kAvx2LinearKernels;
    return kScalarLinearKernels;
  }();
  return chosen;
}

}  // namespace smidgen
