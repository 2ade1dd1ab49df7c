// Any bytes: an error, or tensors that lie inside the file and cover it once; reading them must be safe.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "smidgen/tensor/safetensors.h"

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
