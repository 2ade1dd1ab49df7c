// JSON lines, plain lines and the guess between them from any bytes.
#include <cstddef>
#include <cstdint>

#include "fuzz/read_twice.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  smidgen::fuzz::read_twice(bytes, "f.jsonl", {});
  smidgen::fuzz::read_twice(bytes, "f.json", {});
  smidgen::fuzz::read_all(bytes, "f", {}, 1 + size % 7, 1 << 20);
  smidgen::ReadOptions options;
  options.group_column = "g";
  options.time_column = "t";
  options.extra_column = "x";
  options.id_column = "text";
  smidgen::fuzz::read_twice(bytes, "f.jsonl", options);
  return 0;
}
