// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

using Sha256Digest = std::array<std::uint8_t, 32>;

// In pieces, for bytes that pass by once. Reusable: finish() starts anew, which is also the cheap way to hash many
// short strings (one context, no allocation each).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void add(std::string_view bytes);
  Sha256Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};
std::string to_hex(const Sha256Digest& digest);
// The first 64 bits, as a big-endian number.
std::uint64_t leading_bits(const Sha256Digest& digest);

// The same of a whole file, read in pieces (constant memory).
Result<std::string> sha256_file(const std::string& path);

}  // namespace smidgen
