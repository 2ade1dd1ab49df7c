// CSV and TSV from any bytes: the same rows however the bytes arrive, then a data set, its report and its split.
#include <cstddef>
#include <cstdint>

#include "fuzz/read_twice.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string_view header = bytes.substr(0, bytes.find('\n'));
  smidgen::ReadOptions options;  // as the header asks: one reading an input keeps the fuzzer fast
  if (header.find("g") != std::string_view::npos) options.group_column = "g";
  if (header.find("t,") != std::string_view::npos && options.group_column == "g") options.time_column = "t";
  smidgen::fuzz::read_twice(bytes, header.find('\t') == std::string_view::npos ? "f.csv" : "f.tsv", options);
  return 0;
}
