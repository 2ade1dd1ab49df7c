// Kernels whose instructions a machine lacks, run on an emulation of them; for tests only.
#pragma once

#include <vector>

#include "smidgen/tensor/encoder_kernel_table.h"
#include "smidgen/tensor/kernels.h"

namespace smidgen {

extern const EncoderKernels kEmulatedAmxEncoderKernels;  // emulated_amx.cc

// available_kernels() and, where the processor has AVX-512 BF16 (their other instructions), the AMX kernels on emulated
// tiles as "amx_emulated".
inline std::vector<const Kernels*> available_and_emulated_kernels() {
  std::vector<const Kernels*> found = available_kernels();
  for (const Kernels* table : available_kernels()) {
    if (table->encoder != &kAvx512Bf16EncoderKernels) continue;
    static const Kernels emulated = [&] {
      Kernels made = *table;
      made.name = "amx_emulated";
      made.encoder = &kEmulatedAmxEncoderKernels;
      return made;
    }();
    found.push_back(&emulated);
  }
  return found;
}

}  // namespace smidgen
