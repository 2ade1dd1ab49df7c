#include "smidgen/base/sha256.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "smidgen/base/open_error.h"

namespace smidgen {

struct Sha256::Context {
  EVP_MD_CTX* state = EVP_MD_CTX_new();
  EVP_MD* method = EVP_MD_fetch(nullptr, "SHA256", nullptr);  // fetched once: an implicit fetch costs more than a hash

  Context() { SMIDGEN_CHECK(state != nullptr && method != nullptr); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() {
    EVP_MD_free(method);
    EVP_MD_CTX_free(state);
  }
  void start() { SMIDGEN_CHECK(EVP_DigestInit_ex2(state, method, nullptr) == 1); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  context_->start();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(std::string_view bytes) {
  SMIDGEN_CHECK(EVP_DigestUpdate(context_->state, bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  unsigned size = 0;
  SMIDGEN_CHECK(EVP_DigestFinal_ex(context_->state, digest.data(), &size) == 1 && size == digest.size());
  context_->start();
  return digest;
}

std::string to_hex(const Sha256Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::uint64_t leading_bits(const Sha256Digest& digest) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof(bits); ++i) bits = bits << 8 | digest[i];
  return bits;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hasher;
  hasher.add(bytes);
  return to_hex(hasher.finish());
}

Result<std::string> sha256_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) return open_error(path, errno);
  Sha256 hasher;
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get());
    hasher.add({buffer.data(), got});
    if (got < buffer.size()) break;
  }
  if (std::ferror(file.get()) != 0) return Error::io(std::string("cannot read: ") + std::strerror(errno)).in(path);
  return to_hex(hasher.finish());
}

}  // namespace smidgen
