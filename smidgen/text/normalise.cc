// normalise_for_unit. Most bytes of most texts are ASCII, where folding is a lower-case letter; only what is not goes
// through utf8proc, each run of it together with the one ASCII character before it, which it may combine with (e +
// U+0301 = U+00E9). ASCII never combines with what stands before it, so runs can be folded one by one.
// normalise_for_unit_reference folds the whole text at once.
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
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

// Collapses and trims white space in place.
void collapse_ascii_white(std::string& text) {
  std::size_t out = 0;
  bool gap = false;
  for (const char c : text) {
    if (is_ascii_white(static_cast<unsigned char>(c))) {
      gap = out > 0;
      continue;
    }
    if (gap) text[out++] = ' ';
    gap = false;
    text[out++] = c;
  }
  text.resize(out);
}

// The same for valid UTF-8.
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

bool is_ascii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

// Appends the NFKC_Casefold of `text`; false on invalid UTF-8. Folding can undo normal form for a few characters: what
// one pass changed takes another, and twice is stable.
bool append_folded(std::string& out, std::string_view text) {
  const utf8proc_ssize_t whole = static_cast<utf8proc_ssize_t>(text.size());
  constexpr auto kFold = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
                                                        UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  using Folded = std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)>;
  utf8proc_uint8_t* bytes = nullptr;
  utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), whole, &bytes, kFold);
  if (size < 0) return false;
  Folded folded(bytes, &std::free);
  if (size != whole || std::memcmp(bytes, text.data(), text.size()) != 0) {
    size = utf8proc_map(folded.get(), size, &bytes, kFold);
    if (size < 0) return false;
    folded.reset(bytes);
  }
  out.append(reinterpret_cast<const char*>(folded.get()), static_cast<std::size_t>(size));
  return true;
}

// Replaces `out`.
void normalise_into(std::string& out, std::string_view text) {
  out.clear();
  bool plain = true;
  for (std::size_t at = 0; at < text.size();) {
    if (is_ascii(text[at]) && (at + 1 == text.size() || is_ascii(text[at + 1]))) {
      const char c = text[at++];
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      continue;
    }
    std::size_t end = at + 1;
    while (end < text.size() && !is_ascii(text[end])) ++end;
    plain = false;
    if (!append_folded(out, text.substr(at, end - at))) {
      out = text;
      return;
    }
    at = end;
  }
  if (plain)
    collapse_ascii_white(out);
  else
    collapse_white(out);
}

}  // namespace

std::string normalise_for_unit(std::string_view text) {
  std::string out;
  normalise_into(out, text);
  return out;
}

std::string normalise_for_unit_reference(std::string_view text) {
  std::string out;
  if (!append_folded(out, text)) return std::string(text);
  collapse_white(out);
  return out;
}

std::string unit_key(std::string_view text) {
  thread_local Sha256 hasher;
  thread_local std::string normalised;  // reused: a buffer a row between the texts that stay would tear the heap
  normalise_into(normalised, text);
  hasher.add(normalised);
  const Sha256Digest digest = hasher.finish();
  return std::string(reinterpret_cast<const char*>(digest.data()), kUnitKeyBytes);
}

}  // namespace smidgen
