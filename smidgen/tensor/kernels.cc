#include "smidgen/tensor/kernels.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "smidgen/tensor/encoder_kernel_table.h"

namespace smidgen {

namespace {

// The f32 kernels of `base` with the low-precision ones of another instruction set.
Kernels with_encoder(const Kernels& base, const EncoderKernels& encoder) {
  Kernels table = base;
  table.name = encoder.name;
  table.encoder = &encoder;
  return table;
}

// All tables, slowest first, with the instruction sets beyond the base's that each needs.
struct Tables {
  Kernels avx_vnni = with_encoder(kAvx2Kernels, kAvxVnniEncoderKernels);
  Kernels avx512_vnni = with_encoder(kAvx512Kernels, kAvx512VnniEncoderKernels);
  Kernels avx512_bf16 = with_encoder(kAvx512Kernels, kAvx512Bf16EncoderKernels);
  Kernels amx = with_encoder(kAvx512Kernels, kAmxEncoderKernels);
};
const Tables& tables() {
  static const Tables made;
  return made;
}
std::vector<const Kernels*> known_kernels() {
  return {&kScalarKernels,       &kAvx2Kernels,         &tables().avx_vnni, &kAvx512Kernels,
          &tables().avx512_vnni, &tables().avx512_bf16, &tables().amx};
}

struct Leaf7 {
  unsigned ebx = 0, ecx = 0, edx = 0, eax1 = 0;  // eax1 of sub-leaf 1
  Leaf7() {
    unsigned eax = 0, ignored_b = 0, ignored_c = 0, ignored_d = 0;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return;
    if (eax >= 1) static_cast<void>(__get_cpuid_count(7, 1, &eax1, &ignored_b, &ignored_c, &ignored_d));
  }
};
constexpr unsigned kAvxVnni = 1U << 4, kAvx512Bf16 = 1U << 5;                      // 7.1 eax
constexpr unsigned kAmxBf16 = 1U << 22, kAmxTile = 1U << 24, kAmxInt8 = 1U << 25;  // 7.0 edx

// The state of tiles is large, so Linux saves it only for processes that ask (arch_prctl(2), ARCH_REQ_XCOMP_PERM); XCR0
// must hold the bits of tile configuration and tile data, and a refusal means doing without.
bool tiles_granted() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & bit_OSXSAVE) == 0) return false;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr unsigned kTileState = (1U << 17) | (1U << 18);
  if ((low & kTileState) != kTileState) return false;
#ifdef SYS_arch_prctl
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// vdpbf16ps: on AMD twice the rate of floats, on Intel (measured on Sapphire Rapids) 0.4 times.
bool is_amd() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(0, &eax, &ebx, &ecx, &edx) != 0 && ebx == signature_AMD_ebx && ecx == signature_AMD_ecx &&
         edx == signature_AMD_edx;
}

std::vector<const Kernels*> find_kernels() {
  std::vector<const Kernels*> found = {&kScalarKernels};
  // The compiler's check reads CPUID and XGETBV, so a feature the operating system does not save is absent; features it
  // has no name for live in the same registers.
  __builtin_cpu_init();
  const Leaf7 leaf;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (!avx2) return found;
  found.push_back(&kAvx2Kernels);
  if ((leaf.eax1 & kAvxVnni) != 0) found.push_back(&tables().avx_vnni);
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (!avx512) return found;
  found.push_back(&kAvx512Kernels);
  if (!__builtin_cpu_supports("avx512vnni")) return found;
  if ((leaf.eax1 & kAvx512Bf16) == 0) {
    found.push_back(&tables().avx512_vnni);
  } else if (is_amd()) {
    found.insert(found.end(), {&tables().avx512_vnni, &tables().avx512_bf16});
  } else {
    found.insert(found.end(), {&tables().avx512_bf16, &tables().avx512_vnni});
  }
  constexpr unsigned kTiles = kAmxTile | kAmxInt8 | kAmxBf16;
  if ((leaf.edx & kTiles) == kTiles && (leaf.eax1 & kAvx512Bf16) != 0 && tiles_granted())
    found.push_back(&tables().amx);
  return found;
}

}  // namespace

std::vector<const Kernels*> available_kernels() {
  static const std::vector<const Kernels*> found = find_kernels();
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
  for (const Kernels* table : known_kernels())
    if (isa == table->name)
      return Error(ErrorKind::kUnavailable,
                   "this processor (or its operating system) cannot run the instruction set " + quoted)
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
