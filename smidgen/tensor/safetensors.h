// Reading and writing safetensors files: an 8-byte little-endian header length, a JSON header, then tensors as raw
// little-endian bytes, without holes. The byte layout: safetensors.cc.
//
//   SMIDGEN_ASSIGN(Safetensors file, Safetensors::open(folder + "/model.safetensors"));
//   SMIDGEN_ASSIGN(std::vector<float> gain, file.floats("encoder.norm.weight", {384}));
//
// The file is untrusted: everything in the header is checked before anything is allocated or dereferenced, and each of
// 14 ways to be wrong has its own SafetensorsFault and message. A file that opens has only tensors that lie inside it,
// aligned to nothing in particular.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smidgen/base/file.h"
#include "smidgen/base/result.h"

namespace smidgen {

// Every type the format names; those below a byte, 8-bit floats and complex numbers can be carried but not read as
// floats.
enum class DType {
  kF4,
  kF6E2M3,
  kF6E3M2,
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64
};
std::string_view to_string(DType type);  // "F32"
std::size_t dtype_bits(DType type);

// NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): the analyzer loses what a Result holds when it moves
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape;  // empty: a scalar
  std::string_view bytes;          // little-endian, row-major; may be misaligned

  std::size_t count() const { return bytes.size() * 8 / dtype_bits(dtype); }
};

// What is wrong with a file, one per check of the format.
enum class SafetensorsFault {
  kNone,
  kHeaderTooSmall,  // fewer than 8 bytes
  kHeaderTooLarge,  // header length > 100,000,000
  kHeaderPastEnd,   // header length > file
  kHeaderNotUtf8,
  kHeaderNotJson,      // or not the shape of a header
  kHeaderStart,        // first byte is not {
  kHole,               // bytes between tensors that belong to none
  kOverlap,            // two tensors share bytes
  kPastEnd,            // tensors and file do not end together
  kShapeSize,          // shape times type is not the number of bytes
  kOverflow,           // shape times type is more than 2^64
  kSubByte,            // types smaller than a byte that do not fill whole bytes
  kDuplicate,          // a name twice
  kMetadataNotString,  // __metadata__ must map strings to strings
};

class Safetensors {
 public:
  // Maps the file. A git-LFS pointer in its place is an error that says so.
  static Result<Safetensors> open(const std::string& path);
  // The same over bytes in memory, which must outlive the object; `name` stands in messages.
  static Result<Safetensors> from_bytes(std::string_view bytes, const std::string& name = "<memory>");
  // Only the verdict: kNone for a good file. What the fuzzer and the tests of each fault look at.
  static SafetensorsFault check(std::string_view bytes);

  std::vector<std::string> names() const;  // sorted
  bool has(std::string_view name) const { return tensors_.contains(name); }
  const TensorView* find(std::string_view name) const;  // null when missing
  // As it lies in the file; the error names the tensor, what it is and what was wanted.
  Result<TensorView> get(std::string_view name, DType type, std::span<const std::size_t> shape) const;
  // F32, F16, BF16 or F64 as float; NaN, infinities and what exceeds 1e6 are refused with the tensor's name and place.
  Result<std::vector<float>> floats(std::string_view name, std::span<const std::size_t> shape) const;
  Result<std::vector<float>> floats(std::string_view name, std::initializer_list<std::size_t> shape) const {
    return floats(name, std::span<const std::size_t>(shape.begin(), shape.size()));
  }
  const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }
  const std::string& path() const { return path_; }

 private:
  std::optional<MappedFile> file_;
  std::string path_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

// One tensor to be written; `bytes` holds its values little-endian.
struct NamedTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape;
  std::string_view bytes;
};
inline std::string_view as_bytes(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}
inline std::string_view as_bytes(std::span<const std::int8_t> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}
inline std::string_view as_bytes(std::span<const std::uint8_t> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}
inline std::string_view as_bytes(std::span<const std::int32_t> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}
inline std::string_view as_bytes(std::span<const std::uint32_t> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// The whole file as bytes, or written atomically. Tensors are laid out by falling type size, then name, as the
// reference writer does; the header is padded to 8 bytes. `__metadata__` gets "format": "pt" (transformers refuses
// others) beside `metadata`. Sizes that do not fit the shape, or a name twice, are bugs of the caller.
std::string safetensors_bytes(std::vector<NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata = {});
Status write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                         const std::map<std::string, std::string>& metadata = {});

}  // namespace smidgen
