#include "smidgen/app/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include "smidgen/tensor/kernels.h"

namespace smidgen {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const std::size_t colon = line.find(':'); colon + 2 < line.size()) return line.substr(colon + 2);
  return "unknown";
}

std::string machine_in_words(std::size_t threads) {
  return fmt::format("{}, {}, {} thread{}", processor_name(), kernels().name, threads, threads == 1 ? "" : "s");
}

std::uint64_t last_level_cache_bytes() {
  std::uint64_t largest = 0;
  for (int index = 0; index < 6; ++index) {
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", index));
    std::string size;
    if (!(file >> size)) continue;
    const std::uint64_t unit = size.ends_with('K') ? 1 << 10 : size.ends_with('M') ? 1 << 20 : 1;
    largest = std::max<std::uint64_t>(largest, unit * std::strtoull(size.c_str(), nullptr, 10));
  }
  return largest;
}

double memory_peak_mb() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  return 0;
}

}  // namespace smidgen
