// normalise_for_unit: an ASCII text takes a short way; others go through utf8proc.
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "smidgen/base/sha256.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

namespace {

constexpr std::size_t kUnitKeyBytes = 15;

bool is_ascii_white(unsigned char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Unicode property White_Space, what NFKC leaves of it.
bool is_white(utf8proc_int32_t c) {
  if (c < 0x80) return is_ascii_white(static_cast<unsigned char>(c));
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_ascii(std::string_view text) {
  unsigned char bits = 0;
  for (const char c : text) bits = static_cast<unsigned char>(bits | static_cast<unsigned char>(c));
  return bits < 0x80;
}

// Collapses and trims white space in place; `text` is valid UTF-8.
void collapse_white(std::string& text) {
  std::size_t out = 0;
  bool gap = false;
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t point = 0;
    const auto length = static_cast<std::size_t>(
        std::max<utf8proc_ssize_t>(1, utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                                       static_cast<utf8proc_ssize_t>(text.size() - at), &point)));
    if (is_white(point)) {
      gap = out > 0;
    } else {
      if (gap) text[out++] = ' ';
      gap = false;
      for (std::size_t i = 0; i < length; ++i) text[out++] = text[at + i];
    }
    at += length;
  }
  text.resize(out);
}

std::string normalise_ascii(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool gap = false;
  for (const char c : text) {
    if (is_ascii_white(static_cast<unsigned char>(c))) {
      gap = !out.empty();
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

// One pass of NFKC_Casefold; nullptr on invalid UTF-8.
std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> casefold(std::string_view text, std::size_t& size) {
  utf8proc_uint8_t* folded = nullptr;
  const utf8proc_ssize_t got = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &folded,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD |
                                     UTF8PROC_IGNORE));
  size = got > 0 ? static_cast<std::size_t>(got) : 0;
  return {got < 0 ? nullptr : folded, &std::free};
}

}  // namespace

std::string normalise_for_unit(std::string_view text) {
  if (is_ascii(text)) return normalise_ascii(text);
  std::string out(text);
  for (int pass = 0; pass < 2; ++pass) {  // folding can undo normal form for a few characters; twice is stable
    std::size_t size = 0;
    const auto folded = casefold(out, size);
    if (!folded) return std::string(text);
    out.assign(reinterpret_cast<const char*>(folded.get()), size);
  }
  collapse_white(out);
  return out;
}

std::string unit_key(std::string_view text) {
  thread_local Sha256 hasher;
  hasher.add(normalise_for_unit(text));
  const Sha256Digest digest = hasher.finish();
  return std::string(reinterpret_cast<const char*>(digest.data()), kUnitKeyBytes);
}

}  // namespace smidgen
