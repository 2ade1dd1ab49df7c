// Reading untrusted JSON: simdjson's DOM (which refuses depth, bad UTF-8, lone surrogates, 1e400) plus a check that no
// object has the same key twice, which it accepts. Writing: `append_json_string`, or nlohmann-json for documents (in
// .cc files).
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

// An owned, immutable, validated document.
class JsonDocument {
 public:
  // Depth <= 1024. Errors are kBadData with a byte offset where known.
  static Result<JsonDocument> parse(std::string_view text);
  static Result<JsonDocument> load(const std::string& path, std::uint64_t bytes_max);
  simdjson::dom::element root() const { return root_; }

 private:
  JsonDocument() = default;
  std::unique_ptr<simdjson::dom::parser> parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::dom::element root_;
};

// Numbers that fit neither 64 bits nor a finite double, which parse() refuses, become strings of the same characters.
// What is no JSON otherwise stays so.
std::string quote_large_numbers(std::string_view json);

// Typed member access. The error names the key and what was expected: "`hidden_size` must be an integer in 1..65536".
Result<std::int64_t> json_integer(simdjson::dom::element object, std::string_view key, std::int64_t min,
                                  std::int64_t max);
Result<double> json_number(simdjson::dom::element object, std::string_view key, double min, double max);
Result<std::string> json_string(simdjson::dom::element object, std::string_view key, std::size_t bytes_max = 1 << 20);
Result<bool> json_bool(simdjson::dom::element object, std::string_view key);
// True when the object has the key and its value is not null.
bool json_has(simdjson::dom::element object, std::string_view key);

}  // namespace smidgen
