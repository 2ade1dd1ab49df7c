#include "smidgen/tensor/kernels.h"

#include <cstdlib>
#include <string>

namespace smidgen {

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> found = {&kScalarKernels};
  // The compiler's check reads CPUID and XGETBV, so a feature the operating system does not save is absent.
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (avx2) found.push_back(&kAvx2Kernels);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    found.push_back(&kAvx512Kernels);
  return found;
}

Result<const Kernels*> select_kernels(std::string_view isa) {
  const std::vector<const Kernels*> found = available_kernels();
  if (isa.empty()) return found.back();
  std::string names;
  for (const Kernels* table : found) {
    if (isa == table->name) return table;
    names += (names.empty() ? "" : ", ") + std::string(table->name);
  }
  const std::string quoted = "\"" + std::string(isa.substr(0, 64)) + "\"";
  if (isa == kAvx2Kernels.name || isa == kAvx512Kernels.name)
    return Error(ErrorKind::kUnavailable, "this processor cannot run the instruction set " + quoted)
        .hint("set SMIDGEN_ISA to one of: " + names + ", or leave it unset");
  return Error::usage("unknown instruction set " + quoted)
      .hint("set SMIDGEN_ISA to one of: " + names + ", or leave it unset");
}

Result<const Kernels*> kernels_from_environment() {
  const char* isa = std::getenv("SMIDGEN_ISA");
  return select_kernels(isa == nullptr ? "" : isa);
}

const Kernels& kernels() {
  static const Kernels& chosen = [&]() -> const Kernels& {
    const Result<const Kernels*> forced = kernels_from_environment();
    return forced.ok() ? **forced : *available_kernels().back();
  }();
  return chosen;
}

}  // namespace smidgen
