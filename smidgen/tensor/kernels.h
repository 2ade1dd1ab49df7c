// Which kernels this process uses: the best the processor has, or the one SMIDGEN_ISA names.
#pragma once

#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/tensor/kernel_table.h"

namespace smidgen {

// Those this processor and operating system can run (CPUID and XGETBV), slowest first: "scalar" always.
std::vector<const Kernels*> available_kernels();

// By name; "" is the best there is. Unknown name: kUsage; known but not on this processor: kUnavailable. Both list what
// there is.
Result<const Kernels*> select_kernels(std::string_view isa);

// Chosen once: SMIDGEN_ISA when it is set and can be had, else the best. A program should first call
// `kernels_from_environment()` and stop on its error, so that a forced path never falls back silently.
const Kernels& kernels();
Result<const Kernels*> kernels_from_environment();

}  // namespace smidgen
