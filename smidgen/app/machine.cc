#include "smidgen/app/machine.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
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

std::string own_program() {
  std::error_code code;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", code);
  return code ? "smidgen" : path.string();
}

double memory_peak_mb() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  return 0;
}

}  // namespace smidgen
