// JSON lines, plain lines and the guess between them from any bytes.
#include <cstddef>
#include <cstdint>

#include "fuzz/read_twice.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  smidgen::ReadOptions options;  // as the bytes ask: one reading an input keeps the fuzzer fast
  if (bytes.find("\"g\"") != std::string_view::npos) {
    options.group_column = "g";
    options.time_column = "t";
    options.extra_column = "x";
    options.id_column = "text";
  }
  if (bytes.starts_with("{"))
    smidgen::fuzz::read_twice(bytes, "f.jsonl", options);
  else
    smidgen::fuzz::read_twice(bytes, "f.json", {});
  smidgen::fuzz::read_all(bytes, "f", {}, 1 + size % 7, 1 << 20);
  return 0;
}
