#include "smidgen/tensor/training_kernels.h"

#include <string_view>

namespace smidgen {

const TrainingKernels& training_kernels(const Kernels& kernels) {
  const std::string_view name = kernels.name;
  if (name == "scalar") return kScalarTrainingKernels;
  if (name == "avx2" || name == "avx_vnni") return kAvx2TrainingKernels;
  return kAvx512TrainingKernels;
}

}  // namespace smidgen
