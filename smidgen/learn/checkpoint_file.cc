#include "smidgen/learn/checkpoint_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace smidgen {

namespace {

constexpr const char* kDigest = "digest";

// Every step is one-to-one in the state and in the word, so no single change goes unseen; chance hides two with 2^-64.
// As fast as memory, unlike a cryptographic hash: checkpoints of large encoders are gigabytes.
class Digest {
 public:
  void add(std::string_view bytes) {
    add(bytes.size());
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      add(word);
    }
    std::uint64_t rest = 0;
    if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);  // an empty view may be null
    add(rest);
  }
  void add(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15ULL;
    state_ ^= state_ >> 29;
  }
  std::string text() const { return fmt::format("{:016x}", state_); }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3ULL;
};

void add(Digest& digest, std::string_view name, DType type, std::span<const std::size_t> shape,
         std::string_view bytes) {
  digest.add(name);
  digest.add(static_cast<std::uint64_t>(type));
  digest.add(shape.size());
  for (const std::size_t size : shape) digest.add(size);
  digest.add(bytes);
}

template <class Map>
void add_texts(Digest& digest, const Map& metadata) {
  for (const auto& [name, value] : metadata) {
    if (name == kDigest || name == "format") continue;  // "format" is write_safetensors's own
    digest.add(name);
    digest.add(value);
  }
}

}  // namespace

Status write_training_file(const std::string& path, std::vector<NamedTensor> tensors,
                           std::map<std::string, std::string> metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  Digest digest;
  for (const NamedTensor& tensor : tensors) add(digest, tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
  add_texts(digest, metadata);
  metadata[kDigest] = digest.text();
  return write_safetensors(path, std::move(tensors), metadata);
}

Result<Safetensors> open_training_file(const std::string& path) {
  SMIDGEN_ASSIGN(Safetensors file, Safetensors::open(path));
  Digest digest;
  for (const std::string& name : file.names()) {
    const TensorView& tensor = *file.find(name);
    add(digest, name, tensor.dtype, tensor.shape, tensor.bytes);
  }
  add_texts(digest, file.metadata());
  if (text_of(file, kDigest) != digest.text()) return Error::bad_data("is damaged").in(path);
  return file;
}

std::string text_of(const Safetensors& file, std::string_view name) {
  const auto at = file.metadata().find(name);
  return at == file.metadata().end() ? std::string() : at->second;
}

}  // namespace smidgen
