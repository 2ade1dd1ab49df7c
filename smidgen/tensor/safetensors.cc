// Byte layout:
//
//   0        8 bytes   N, the header's length, unsigned, little-endian; at most 100,000,000
//   8        N bytes   JSON, UTF-8, first byte `{`, may end in spaces:
//                        {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ..,
//                         "__metadata__": {"key": "text", ..}}            (optional)
//   8 + N    the rest  tensors; offsets count from here. Sorted by offset they follow each other without a gap, from 0
//                      to the end of the file, and end - begin is the product of the shape times the type's size.
//
// Differences from the reference reader (safetensors 0.8): a name twice is refused here.
#include "smidgen/tensor/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "smidgen/base/atomic_file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/out_of_memory.h"

namespace smidgen {

static_assert(std::endian::native == std::endian::little, "tensors are read in place");

namespace {

constexpr std::uint64_t kHeaderBytesMax = 100'000'000;
constexpr std::size_t kLengthBytes = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

struct TypeName {
  DType type;
  std::string_view name;
  std::size_t bits;
};
constexpr TypeName kTypes[] = {{DType::kF4, "F4", 4},
                               {DType::kF6E2M3, "F6_E2M3", 6},
                               {DType::kF6E3M2, "F6_E3M2", 6},
                               {DType::kBool, "BOOL", 8},
                               {DType::kU8, "U8", 8},
                               {DType::kI8, "I8", 8},
                               {DType::kF8E5M2, "F8_E5M2", 8},
                               {DType::kF8E4M3, "F8_E4M3", 8},
                               {DType::kF8E8M0, "F8_E8M0", 8},
                               {DType::kF8E4M3Fnuz, "F8_E4M3FNUZ", 8},
                               {DType::kF8E5M2Fnuz, "F8_E5M2FNUZ", 8},
                               {DType::kI16, "I16", 16},
                               {DType::kU16, "U16", 16},
                               {DType::kF16, "F16", 16},
                               {DType::kBF16, "BF16", 16},
                               {DType::kI32, "I32", 32},
                               {DType::kU32, "U32", 32},
                               {DType::kF32, "F32", 32},
                               {DType::kC64, "C64", 64},
                               {DType::kF64, "F64", 64},
                               {DType::kI64, "I64", 64},
                               {DType::kU64, "U64", 64}};

const TypeName& type_name(DType type) {
  return kTypes[static_cast<std::size_t>(type)];
}

// Foreign text for a message: short, and never a control character.
std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text.substr(0, 64));
  return out;
}

std::string shape_text(std::span<const std::size_t> shape) {
  std::string out = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + ")";
}

struct Fault {
  SafetensorsFault kind;
  Error error;
};

Fault fault(SafetensorsFault kind, const std::string& what, std::string hint = "the file is damaged: get it again") {
  return {kind, Error::bad_data("safetensors: " + what).hint(std::move(hint))};
}

struct Range {
  std::uint64_t begin = 0, end = 0;
  std::string_view name;
};

struct Contents {
  std::map<std::string, TensorView, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;
};

std::optional<Fault> read_metadata(simdjson::dom::element element, Contents& contents) {
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS)
    return fault(SafetensorsFault::kMetadataNotString, "__metadata__ is not an object of strings");
  for (const auto [key, value] : object) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS)
      return fault(SafetensorsFault::kMetadataNotString, "__metadata__ " + quoted(key) + " is not a string");
    contents.metadata.emplace(key, text);
  }
  return std::nullopt;
}

// dtype, shape and data_offsets of one tensor, as far as they can be judged alone.
std::optional<Fault> read_tensor(std::string_view name, simdjson::dom::element element, std::uint64_t data_bytes,
                                 TensorView& view, Range& range) {
  const auto malformed = [&](const std::string& what) {
    return fault(SafetensorsFault::kHeaderNotJson, "tensor " + quoted(name) + ": " + what);
  };
  std::string_view type;
  if (element["dtype"].get(type) != simdjson::SUCCESS) return malformed("has no `dtype`");
  const auto* known = std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto& t) { return t.name == type; });
  if (known == std::end(kTypes)) return malformed("unknown dtype " + quoted(type));
  view.dtype = known->type;
  simdjson::dom::array shape, offsets;
  if (element["shape"].get(shape) != simdjson::SUCCESS) return malformed("has no `shape`");
  std::uint64_t count = 1;
  for (const auto item : shape) {
    std::uint64_t size = 0;
    if (item.get(size) != simdjson::SUCCESS) return malformed("`shape` must hold whole numbers >= 0");
    view.shape.push_back(size);
    if (__builtin_mul_overflow(count, size, &count))
      return fault(SafetensorsFault::kOverflow, "tensor " + quoted(name) + ": the product of its shape overflows");
  }
  if (element["data_offsets"].get(offsets) != simdjson::SUCCESS || offsets.size() != 2 ||
      offsets.at(0).get(range.begin) != simdjson::SUCCESS || offsets.at(1).get(range.end) != simdjson::SUCCESS)
    return malformed("`data_offsets` must be two whole numbers >= 0");
  std::uint64_t bits = 0;
  if (__builtin_mul_overflow(count, known->bits, &bits))
    return fault(SafetensorsFault::kOverflow, "tensor " + quoted(name) + ": its size in bits overflows");
  if (bits % 8 != 0)
    return fault(SafetensorsFault::kSubByte, "tensor " + quoted(name) + ": " + std::to_string(count) + " values of " +
                                                 std::string(type) + " do not fill whole bytes");
  if (range.end < range.begin || range.end - range.begin != bits / 8)
    return fault(SafetensorsFault::kShapeSize, "tensor " + quoted(name) + ": " + shape_text(view.shape) + " of " +
                                                   std::string(type) + " needs " + std::to_string(bits / 8) +
                                                   " bytes, its offsets are " + std::to_string(range.begin) + " to " +
                                                   std::to_string(range.end));
  if (range.end > data_bytes)
    return fault(SafetensorsFault::kPastEnd, "tensor " + quoted(name) + " ends at byte " + std::to_string(range.end) +
                                                 " of " + std::to_string(data_bytes) + " bytes of data");
  return std::nullopt;
}

// Sorted by offset, the ranges must cover [0, data_bytes) once.
std::optional<Fault> check_cover(std::vector<Range>& ranges, std::uint64_t data_bytes) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t end = 0;
  for (const Range& range : ranges) {
    if (range.begin > end)
      return fault(SafetensorsFault::kHole, "bytes " + std::to_string(end) + " to " + std::to_string(range.begin) +
                                                " before tensor " + quoted(range.name) + " belong to no tensor");
    if (range.begin < end)
      return fault(SafetensorsFault::kOverlap, "tensor " + quoted(range.name) + " overlaps the one before it at byte " +
                                                   std::to_string(range.begin));
    end = range.end;
  }
  if (end != data_bytes)
    return fault(SafetensorsFault::kPastEnd,
                 "tensors end at byte " + std::to_string(end) + ", the data at byte " + std::to_string(data_bytes));
  return std::nullopt;
}

// The header's bytes, once its length is known to be possible.
std::optional<Fault> find_header(std::string_view bytes, std::string_view& header) {
  if (bytes.starts_with("version https://git-lfs"))
    return fault(SafetensorsFault::kHeaderTooLarge, "this is a git-LFS pointer, not the file itself",
                 "run `git lfs pull` where it was cloned, or download the file");
  if (bytes.size() < kLengthBytes)
    return fault(SafetensorsFault::kHeaderTooSmall,
                 "only " + std::to_string(bytes.size()) + " bytes; a header has at least 8");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kHeaderBytesMax)
    return fault(SafetensorsFault::kHeaderTooLarge,
                 "header of " + std::to_string(length) + " bytes; the format allows 100000000",
                 "check that this is a safetensors file");
  if (length > bytes.size() - kLengthBytes)
    return fault(SafetensorsFault::kHeaderPastEnd,
                 "header of " + std::to_string(length) + " bytes in a file of " + std::to_string(bytes.size()));
  header = bytes.substr(kLengthBytes, length);
  if (!simdjson::validate_utf8(header.data(), header.size()))
    return fault(SafetensorsFault::kHeaderNotUtf8, "the header is not valid UTF-8");
  if (!header.starts_with('{')) return fault(SafetensorsFault::kHeaderStart, "the header does not start with `{`");
  return std::nullopt;
}

std::optional<Fault> read_contents(std::string_view bytes, Contents& contents) {
  std::string_view header;
  if (auto bad = find_header(bytes, header)) return bad;
  auto document = JsonDocument::parse(header);
  if (!document.ok()) {
    if (document.error().kind() == ErrorKind::kIo) throw std::bad_alloc();  // what it says; the header may be good
    const bool twice = document.error().what().find(" twice") != std::string::npos;  // JsonDocument's own check
    return fault(twice ? SafetensorsFault::kDuplicate : SafetensorsFault::kHeaderNotJson,
                 "header: " + document.error().what());
  }
  simdjson::dom::object object;
  if (document->root().get(object) != simdjson::SUCCESS)
    return fault(SafetensorsFault::kHeaderNotJson, "the header is not an object");
  const std::string_view data = bytes.substr(kLengthBytes + header.size());
  std::vector<Range> ranges;
  for (const auto [key, value] : object) {
    if (key == kMetadataKey) {
      if (auto bad = read_metadata(value, contents)) return bad;
      continue;
    }
    TensorView view;
    Range range{0, 0, key};
    if (auto bad = read_tensor(key, value, data.size(), view, range)) return bad;
    view.bytes = data.substr(range.begin, range.end - range.begin);
    contents.tensors.emplace(key, std::move(view));
    ranges.push_back(range);
  }
  return check_cover(ranges, data.size());
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16, exponent = (half >> 10) & 31U, fraction = half & 1023U;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | fraction << 13);
  if (exponent == 0) return (sign ? -1.0F : 1.0F) * static_cast<float>(fraction) * 0x1.0p-24F;
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

// The values of `view` as float. Only called for the four types it knows.
void convert(const TensorView& view, std::vector<float>& out) {
  const char* bytes = view.bytes.data();
  const auto each = [&]<class T>(T, auto&& make) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      T value;
      std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
      out[i] = make(value);
    }
  };
  switch (view.dtype) {
    case DType::kF32:
      if (!out.empty()) std::memcpy(out.data(), bytes, out.size() * sizeof(float));
      break;
    case DType::kF16:
      each(std::uint16_t{}, half_to_float);
      break;
    case DType::kBF16:
      each(std::uint16_t{}, [](std::uint16_t x) { return std::bit_cast<float>(std::uint32_t{x} << 16); });
      break;
    default:
      each(double{}, [](double x) { return static_cast<float>(x); });
  }
}

// Sums of products of two such numbers stay far from infinity, and float16 ends at 65,504: what is larger is damage (a
// flipped bit of an exponent), and behind the next layer it would be NaN.
constexpr float kNumberMax = 1e6F;

// Index of the first value that is no weight, or the size.
std::size_t first_no_number(std::span<const float> values) {
  constexpr std::size_t kBlock = 1024;  // a branch a block lets the compiler use vectors inside
  for (std::size_t block = 0; block < values.size(); block += kBlock) {
    const std::size_t end = std::min(values.size(), block + kBlock);
    std::uint32_t good = 1;
    for (std::size_t i = block; i < end; ++i) good &= static_cast<std::uint32_t>(std::fabs(values[i]) <= kNumberMax);
    if (good == 1) continue;
    for (std::size_t i = block; i < end; ++i)
      if (!(std::fabs(values[i]) <= kNumberMax)) return i;
  }
  return values.size();
}

}  // namespace

std::string_view to_string(DType type) {
  return type_name(type).name;
}
std::size_t dtype_bits(DType type) {
  return type_name(type).bits;
}

Result<Safetensors> Safetensors::from_bytes(std::string_view bytes, const std::string& name) try {
  Contents contents;
  if (auto bad = read_contents(bytes, contents)) return std::move(bad->error).in(name);
  Safetensors file;
  file.path_ = name;
  file.tensors_ = std::move(contents.tensors);
  file.metadata_ = std::move(contents.metadata);
  return file;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

SafetensorsFault Safetensors::check(std::string_view bytes) {
  Contents contents;
  const auto bad = read_contents(bytes, contents);
  return bad ? bad->kind : SafetensorsFault::kNone;
}

Result<Safetensors> Safetensors::open(const std::string& path) try {
  SMIDGEN_ASSIGN(MappedFile map, MappedFile::open(path));
  SMIDGEN_ASSIGN(Safetensors file, from_bytes(map.bytes(), path));
  file.file_ = std::move(map);
  return file;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

std::vector<std::string> Safetensors::names() const {
  std::vector<std::string> out;
  for (const auto& [name, view] : tensors_) out.push_back(name);
  return out;
}

const TensorView* Safetensors::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

Result<TensorView> Safetensors::get(std::string_view name, DType type, std::span<const std::size_t> shape) const {
  const TensorView* view = find(name);
  if (view == nullptr) return Error::bad_data("has no tensor " + quoted(name)).in(path_);
  if (view->dtype != type || !std::equal(shape.begin(), shape.end(), view->shape.begin(), view->shape.end()))
    return Error::bad_data("tensor " + quoted(name) + " is " + std::string(to_string(view->dtype)) + " " +
                           shape_text(view->shape) + ", wanted " + std::string(to_string(type)) + " " +
                           shape_text(shape))
        .in(path_);
  return *view;
}

Result<std::vector<float>> Safetensors::floats(std::string_view name, std::span<const std::size_t> shape) const try {
  const TensorView* found = find(name);
  DType wanted = DType::kF32;
  if (found != nullptr && (found->dtype == DType::kF16 || found->dtype == DType::kBF16 || found->dtype == DType::kF64))
    wanted = found->dtype;
  SMIDGEN_ASSIGN(const TensorView view, get(name, wanted, shape));
  std::vector<float> out(view.count());
  convert(view, out);
  const std::size_t bad = first_no_number(out);
  if (bad != out.size())
    return Error::bad_data("tensor " + quoted(name) + " holds " +
                           (std::isfinite(out[bad]) ? "a number beyond a million" : "NaN or infinity") +
                           " at element " + std::to_string(bad))
        .in(path_)
        .hint("the weights are broken: train or download them again");
  return out;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

namespace {

// Sorts the tensors as they will lie; returns what stands before them.
std::string file_head(std::vector<NamedTensor>& tensors, const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return std::pair(-static_cast<int>(dtype_bits(a.dtype)), std::string_view(a.name)) <
           std::pair(-static_cast<int>(dtype_bits(b.dtype)), std::string_view(b.name));
  });
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"";
  for (const auto& [key, value] : metadata) {
    SMIDGEN_CHECK(key != "format");
    header += ',';
    append_json_string(header, key);
    header += ':';
    append_json_string(header, value);
  }
  header += '}';
  std::size_t offset = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const NamedTensor& tensor = tensors[i];
    std::size_t count = 1;
    for (const std::size_t size : tensor.shape) count *= size;
    SMIDGEN_CHECK(count * dtype_bits(tensor.dtype) == tensor.bytes.size() * 8);
    SMIDGEN_CHECK(tensor.name != kMetadataKey && (i == 0 || tensors[i - 1].name != tensor.name));
    header += ',';
    append_json_string(header, tensor.name);
    header += ":{\"dtype\":\"" + std::string(to_string(tensor.dtype)) + "\",\"shape\":[";
    for (std::size_t j = 0; j < tensor.shape.size(); ++j) header += (j ? "," : "") + std::to_string(tensor.shape[j]);
    header +=
        "],\"data_offsets\":[" + std::to_string(offset) + ',' + std::to_string(offset + tensor.bytes.size()) + "]}";
    offset += tensor.bytes.size();
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = header.size();
  std::string out(kLengthBytes, '\0');
  std::memcpy(out.data(), &length, kLengthBytes);
  return out + header;
}

}  // namespace

std::string safetensors_bytes(std::vector<NamedTensor> tensors, const std::map<std::string, std::string>& metadata) {
  std::string out = file_head(tensors, metadata);
  std::size_t size = out.size();
  for (const NamedTensor& tensor : tensors) size += tensor.bytes.size();
  out.reserve(size);
  for (const NamedTensor& tensor : tensors) out += tensor.bytes;
  return out;
}

Status write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                         const std::map<std::string, std::string>& metadata) {
  // Tensor by tensor: a model must not need its own size once more to be written.
  SMIDGEN_ASSIGN(AtomicFile file, AtomicFile::create(path));
  SMIDGEN_TRY(file.write(file_head(tensors, metadata)));
  for (const NamedTensor& tensor : tensors) SMIDGEN_TRY(file.write(tensor.bytes));
  return file.commit();
}

}  // namespace smidgen
