#include "smidgen/base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>
#include <vector>

#include "smidgen/base/file.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/out_of_memory.h"

namespace smidgen {

namespace {

constexpr std::size_t kDepthMax = 1024;

// The first key that some object below `root` holds twice, if any. An explicit stack: foreign depth must not recurse.
std::optional<std::string> duplicate_key(simdjson::dom::element root) {
  std::vector<simdjson::dom::element> pending = {root};
  std::vector<std::string_view> keys;
  while (!pending.empty()) {
    const simdjson::dom::element element = pending.back();
    pending.pop_back();
    if (element.is_array()) {
      const simdjson::dom::array array = element.get_array().value_unsafe();
      for (const auto child : array)
        if (child.is_array() || child.is_object()) pending.push_back(child);
    } else if (element.is_object()) {
      keys.clear();
      const simdjson::dom::object object = element.get_object().value_unsafe();
      for (const auto [key, value] : object) {
        keys.push_back(key);
        if (value.is_array() || value.is_object()) pending.push_back(value);
      }
      std::sort(keys.begin(), keys.end());
      const auto twice = std::adjacent_find(keys.begin(), keys.end());
      if (twice != keys.end()) return std::string(twice->substr(0, 64));
    }
  }
  return std::nullopt;
}

// RFC 8259, section 6.
bool is_json_number(std::string_view text) {
  const auto take = [&](std::string_view one_of) {
    const bool found = !text.empty() && one_of.find(text.front()) != std::string_view::npos;
    if (found) text.remove_prefix(1);
    return found;
  };
  const auto digits = [&] {
    std::size_t count = 0;
    while (take("0123456789")) ++count;
    return count;
  };
  take("-");
  const bool zero = text.starts_with('0');
  if (const std::size_t count = digits(); count == 0 || (zero && count > 1)) return false;
  if (take(".") && digits() == 0) return false;
  if (take("eE")) {
    take("+-");
    if (digits() == 0) return false;
  }
  return text.empty();
}

template <class Number>
bool fits(std::string_view digits) {
  Number value{};
  return std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc();
}

bool is_large_number(std::string_view text) {
  if (!is_json_number(text)) return false;
  if (text.find_first_of(".eE") != std::string_view::npos) return !fits<double>(text);
  return !fits<std::int64_t>(text) && !fits<std::uint64_t>(text);
}

Error wrong(std::string_view key, const std::string& wanted) {
  return Error::bad_data("`" + std::string(key) + "` must be " + wanted);
}

}  // namespace

Result<JsonDocument> JsonDocument::parse(std::string_view text) try {
  JsonDocument document;
  const auto refused = [](const char* what, simdjson::error_code code) -> Error {
    if (code == simdjson::MEMALLOC) return out_of_memory();
    return Error::bad_data(std::string(what) + simdjson::error_message(code));
  };
  if (const auto code = document.parser_->allocate(text.size() + 1, kDepthMax); code != simdjson::SUCCESS)
    return refused("JSON: ", code);
  const auto result = document.parser_->parse(text.data(), text.size());
  if (const auto code = result.get(document.root_); code != simdjson::SUCCESS) return refused("not valid JSON: ", code);
  if (const auto key = duplicate_key(document.root_))
    return Error::bad_data("JSON object has the key \"" + *key + "\" twice");
  return document;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Result<JsonDocument> JsonDocument::load(const std::string& path, std::uint64_t bytes_max) try {
  SMIDGEN_ASSIGN(const std::string text, read_file(path, bytes_max));
  auto document = parse(text);
  if (!document.ok()) return std::move(document).error().in(path);
  return document;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

std::string quote_large_numbers(std::string_view json) {
  constexpr std::string_view kBegin = "+-.0123456789";  // not of numbers alone: "1e999" is none in ".1e999"
  std::string out;
  for (std::size_t i = 0; i < json.size();) {
    std::size_t end = i + 1;
    if (json[i] == '"') {
      while (end < json.size() && json[end] != '"') end += json[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, json.size());
    } else if (kBegin.find(json[i]) != std::string_view::npos) {
      end = std::min(json.find_first_not_of("+-.0123456789eE", i), json.size());
    }
    const std::string_view token = json.substr(i, end - i);
    const bool large = json[i] != '"' && is_large_number(token);
    if (large) out += '"';
    out += token;
    if (large) out += '"';
    i = end;
  }
  return out;
}

Result<std::int64_t> json_integer(simdjson::dom::element object, std::string_view key, std::int64_t min,
                                  std::int64_t max) {
  std::int64_t value = 0;
  if (object.at_key(key).get(value) != simdjson::SUCCESS || value < min || value > max)
    return wrong(key, "an integer in " + std::to_string(min) + ".." + std::to_string(max));
  return value;
}

Result<double> json_number(simdjson::dom::element object, std::string_view key, double min, double max) {
  double value = 0;
  if (object.at_key(key).get(value) != simdjson::SUCCESS || !(value >= min && value <= max)) {
    std::string range = "a number in ";
    append_json_number(range, min);
    range += "..";
    append_json_number(range, max);
    return wrong(key, range);
  }
  return value;
}

Result<std::string> json_string(simdjson::dom::element object, std::string_view key, std::size_t bytes_max) {
  std::string_view value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS || value.size() > bytes_max)
    return wrong(key, "a string of at most " + std::to_string(bytes_max) + " bytes");
  return std::string(value);
}

Result<bool> json_bool(simdjson::dom::element object, std::string_view key) {
  bool value = false;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) return wrong(key, "true or false");
  return value;
}

bool json_has(simdjson::dom::element object, std::string_view key) {
  simdjson::dom::element value;
  return object.is_object() && object.at_key(key).get(value) == simdjson::SUCCESS && !value.is_null();
}

namespace {

// Length of the valid UTF-8 sequence at `text[at]`, or 0; `bad` is then the length of the maximal ill-formed subpart
// (Unicode 15, table 3-7 and "U+FFFD substitution of maximal subparts").
std::size_t utf8_length(std::string_view text, std::size_t at, std::size_t& bad) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(at);
  bad = 1;
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  unsigned low = 0x80, high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    const unsigned next = byte(at + i);
    if (next < low || next > high) {
      bad = i;
      return 0;
    }
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  std::size_t plain = 0;  // start of bytes not copied yet
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
      ++i;
      continue;
    }
    std::size_t bad = 1;
    const std::size_t length = byte >= 0x80 ? utf8_length(text, i, bad) : 0;
    if (length > 0) {
      i += length;
      continue;
    }
    out.append(text.substr(plain, i - plain));
    switch (byte) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (byte >= 0x80) {
          out += "\xef\xbf\xbd";
        } else {
          out += "\\u00";
          out += kDigits[byte >> 4];
          out += kDigits[byte & 15];
        }
    }
    i += bad;
    plain = i;
  }
  out.append(text.substr(plain));
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  out.append(buffer, end.ptr);
}

}  // namespace smidgen
