// CSV and TSV from any bytes: the same rows however the bytes arrive, then a data set, its report and its split.
#include <cstddef>
#include <cstdint>

#include "fuzz/read_twice.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  smidgen::fuzz::read_twice(bytes, "f.csv", {});
  smidgen::fuzz::read_twice(bytes, "f.tsv", {});
  smidgen::ReadOptions options;
  options.group_column = "g";
  options.time_column = "t";
  smidgen::fuzz::read_twice(bytes, "f.csv", options);
  return 0;
}
