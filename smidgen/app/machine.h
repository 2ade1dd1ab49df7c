// What this machine and this process are called and use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace smidgen {

std::string processor_name();                       // "Intel(R) Xeon(R) Processor"
std::string machine_in_words(std::size_t threads);  // "Intel(R) Xeon(R) Processor, avx512, 2 threads"
// To start the running program once more, even after its file was replaced or removed.
inline constexpr char kOwnProgram[] = "/proc/self/exe";
std::uint64_t last_level_cache_bytes();  // of core 0; 0 when the system does not say
// The most memory this process has held (VmHWM), MB. A child's figure from wait4 would include its parent's.
double memory_peak_mb();

}  // namespace smidgen
