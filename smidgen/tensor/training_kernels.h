// The kernels of training for an instruction set that kernels.h chose.
#pragma once

#include "smidgen/tensor/kernels.h"
#include "smidgen/tensor/training_kernel_table.h"

namespace smidgen {

// The table that goes with `kernels`: the widest its processor is sure to have.
const TrainingKernels& training_kernels(const Kernels& kernels);

}  // namespace smidgen
