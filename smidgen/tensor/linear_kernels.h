// The linear rung's kernels for the instruction set this process uses (kernels.h chooses it).
#pragma once

#include "smidgen/tensor/linear_kernel_table.h"

namespace smidgen {

const LinearKernels& linear_kernels();

}  // namespace smidgen
