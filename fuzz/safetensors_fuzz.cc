// Any bytes: an error, or tensors that lie inside the file and cover it once; reading them must be safe.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "fuzz/safetensors_mutant.h"
#include "smidgen/tensor/safetensors.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);

// Three of four mutants are made of tensors, so that the fuzzer sees what lies behind the header; the rest of bytes.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  if (seed % 4 == 0) return LLVMFuzzerMutate(data, size, size_max);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string mutant = smidgen::fuzz::SafetensorsMutant(bytes, seed).make();
  if (mutant.size() > size_max) return LLVMFuzzerMutate(data, size, size_max);
  std::memcpy(data, mutant.data(), mutant.size());
  return mutant.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace smidgen;  // NOLINT(google-build-using-namespace)
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = Safetensors::from_bytes(bytes);
  if (file.ok() != (Safetensors::check(bytes) == SafetensorsFault::kNone)) std::abort();
  if (!file.ok()) {
    if (file.error().message().empty()) std::abort();
    return 0;
  }
  std::size_t total = 0;
  for (const std::string& name : file->names()) {
    const TensorView* view = file->find(name);
    total += view->bytes.size();
    const auto values = file->floats(name, view->shape);
    if (values.ok() && values->size() != view->count()) std::abort();
  }
  std::uint64_t header = 0;
  for (std::size_t i = 0; i < 8; ++i) header |= std::uint64_t{data[i]} << (8 * i);
  if (8 + header + total != size) std::abort();
  return 0;
}
