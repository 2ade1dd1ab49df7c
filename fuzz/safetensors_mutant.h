// Structure-aware mutants of safetensors files. Random bytes almost never get past the header: its length, its JSON,
// its offsets and its shapes must agree. A mutant is taken apart, changed as tensors, and put together again so that
// they do; about one in five then gets a single fault of the kinds the reader names, with the numbers that break
// arithmetic. tests/safetensors_mutant_test.cc holds the share that passes at 70 % or more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/json_write.h"
#include "smidgen/base/random.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen::fuzz {

class SafetensorsMutant {
 public:
  // `bytes` may be anything: what does not open starts from one tensor.
  SafetensorsMutant(std::string_view bytes, std::uint64_t seed) : random_(seed) {
    const auto file = Safetensors::from_bytes(bytes);
    if (file.ok()) {
      for (const std::string& name : file->names()) {
        const TensorView* view = file->find(name);
        tensors_.push_back({name, std::string(to_string(view->dtype)), view->shape, std::string(view->bytes)});
      }
      for (const auto& [key, value] : file->metadata()) metadata_.emplace_back(key, value);
    }
    if (tensors_.empty()) tensors_.push_back({"w", "F32", {2}, std::string(8, '\1')});
  }

  // The file after one to four changes.
  std::string make() {
    for (std::size_t changes = 1 + random_.below(4); changes > 0; --changes) change();
    fault_ = random_.below(5) == 0 ? 1 + random_.below(kFaults) : 0;
    return write();
  }

 private:
  static constexpr std::size_t kTensorsMax = 12, kCountMax = 64, kFaults = 10;
  struct Tensor {
    std::string name, dtype;
    std::vector<std::size_t> shape;
    std::string bytes;
  };

  static std::size_t bits(std::string_view dtype) {
    for (int type = 0; type <= static_cast<int>(DType::kU64); ++type)
      if (to_string(static_cast<DType>(type)) == dtype) return dtype_bits(static_cast<DType>(type));
    return 8;
  }
  Tensor& any() { return tensors_[random_.below(tensors_.size())]; }
  std::string any_dtype() {
    return std::string(to_string(static_cast<DType>(random_.below(static_cast<std::size_t>(DType::kU64) + 1))));
  }
  std::string any_name() {
    static constexpr std::string_view kPieces[] = {"w",  ".", "layer",      "\xc3\xa9", "\"", "\\",
                                                   "\n", "0", "__metadata", "/",        ""};
    std::string name;
    for (std::size_t i = random_.below(5); i > 0; --i) name += kPieces[random_.below(std::size(kPieces))];
    while (std::any_of(tensors_.begin(), tensors_.end(), [&](const Tensor& t) { return t.name == name; })) name += "+";
    return name;
  }

  // Bytes that fit the shape; a type below a byte must fill whole bytes.
  void fit(Tensor& tensor) {
    std::size_t count = 1;
    for (const std::size_t dim : tensor.shape) count *= dim;
    if (count > 4096) {
      tensor.shape = {count = 1 + random_.below(kCountMax)};
    }
    if (count * bits(tensor.dtype) % 8 != 0) tensor.dtype = "U8";
    tensor.bytes.resize(count * bits(tensor.dtype) / 8, static_cast<char>(random_.below(256)));
  }

  void change() {
    switch (random_.below(8)) {
      case 0:
        if (tensors_.size() < kTensorsMax) {
          tensors_.push_back({any_name(), any_dtype(), {random_.below(kCountMax)}, {}});
          fit(tensors_.back());
        }
        break;
      case 1:
        if (tensors_.size() > 1)
          tensors_.erase(tensors_.begin() + static_cast<std::ptrdiff_t>(random_.below(tensors_.size())));
        break;
      case 2: {
        const std::string name = any_name();
        any().name = name;
        break;
      }
      case 3: {
        Tensor& tensor = any();
        tensor.dtype = any_dtype();
        fit(tensor);
        break;
      }
      case 4: {
        Tensor& tensor = any();
        tensor.shape.assign(random_.below(5), 0);
        for (std::size_t& dim : tensor.shape) dim = random_.below(5);
        fit(tensor);
        break;
      }
      case 5:
        std::rotate(tensors_.begin(), tensors_.begin() + static_cast<std::ptrdiff_t>(random_.below(tensors_.size())),
                    tensors_.end());
        break;
      case 6:
        metadata_.emplace_back(any_name() + std::to_string(metadata_.size()), any_name());
        break;
      default:
        if (Tensor& tensor = any(); !tensor.bytes.empty())
          tensor.bytes[random_.below(tensor.bytes.size())] = static_cast<char>(random_.below(256));
    }
  }

  // A number that breaks arithmetic somewhere.
  std::string odd_number() {
    static constexpr std::string_view kNumbers[] = {"0",
                                                    "1",
                                                    "-1",
                                                    "1.5",
                                                    "1e3",
                                                    "2147483647",
                                                    "2147483648",
                                                    "2147483649",
                                                    "4294967296",
                                                    "9223372036854775807",
                                                    "9223372036854775808",
                                                    "9223372036854775809",
                                                    "18446744073709551615",
                                                    "18446744073709551616",
                                                    "null",
                                                    "\"2\"",
                                                    "[]"};
    return std::string(kNumbers[random_.below(std::size(kNumbers))]);
  }

  std::string write() {
    const std::size_t hit = random_.below(tensors_.size());
    std::string header = "{", data;
    if (!metadata_.empty() || fault_ == 9) {
      header += "\"__metadata__\":{";
      for (std::size_t i = 0; i < metadata_.size(); ++i) {
        if (i > 0) header += ',';
        append_json_string(header, metadata_[i].first);
        header += ':';
        append_json_string(header, metadata_[i].second);
      }
      if (fault_ == 9) header += std::string(metadata_.empty() ? "" : ",") + "\"n\":" + odd_number();
      header += "},";
    }
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const Tensor& tensor = tensors_[i];
      const std::size_t fault = i == hit ? fault_ : 0;
      if (i > 0) header += ',';
      append_json_string(header, fault == 1 ? tensors_[0].name : tensor.name);
      header += ":{\"dtype\":\"" + (fault == 2 ? any_dtype() : tensor.dtype) + "\",\"shape\":[";
      for (std::size_t d = 0; d < tensor.shape.size(); ++d)
        header += (d > 0 ? "," : "") + (fault == 3 ? odd_number() : std::to_string(tensor.shape[d]));
      if (fault == 4) header += (tensor.shape.empty() ? "" : ",") + odd_number();
      if (fault == 5) data += std::string(1 + random_.below(9), '\0');
      std::size_t begin = data.size(), end = begin + tensor.bytes.size();
      data += tensor.bytes;
      if (fault == 6 && begin > 0) {  // into the bytes before it
        const std::size_t back = 1 + random_.below(begin);
        begin -= back;
        end -= back;
      }
      header += "],\"data_offsets\":[" + (fault == 7 ? odd_number() : std::to_string(begin)) + "," +
                (fault == 8 ? odd_number() : std::to_string(end)) + "]}";
    }
    header += '}';
    header.append(random_.below(8), ' ');
    if (fault_ == 10) data.resize(random_.below(data.size() + 9));
    const std::uint64_t length = header.size();
    std::string out(8, '\0');
    std::memcpy(out.data(), &length, 8);
    return out + header + data;
  }

  Random random_;
  std::vector<Tensor> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::size_t fault_ = 0;
};

}  // namespace smidgen::fuzz
