#include "smidgen/text/unicode_tables.h"

#include <algorithm>
#include <span>

namespace smidgen::unicode {

namespace {

constexpr char32_t kHangulFirst = 0xac00, kHangulCount = 11172, kLeadFirst = 0x1100, kVowelFirst = 0x1161,
                   kTrailBase = 0x11a7, kVowelsTrails = 588, kTrails = 28;

void append_mapped(char32_t c, std::span<const char32_t> keys, const std::uint16_t* starts, const char32_t* pool,
                   std::vector<char32_t>& out) {
  const auto at = static_cast<std::size_t>(std::lower_bound(keys.begin(), keys.end(), c) - keys.begin());
  out.insert(out.end(), pool + starts[at], pool + starts[at + 1]);
}

}  // namespace

void append_lower(char32_t c, std::vector<char32_t>& out) {
  if ((record(c).flags & kLower) == 0) {
    out.push_back(c);
  } else {
    append_mapped(c, {kLowerKeys, kLowerCount}, kLowerStarts, kLowerPool, out);
  }
}

void append_decomposed(char32_t c, std::vector<char32_t>& out) {
  if ((record(c).flags & kDecomposed) != 0) {
    append_mapped(c, {kDecompositionKeys, kDecompositionCount}, kDecompositionStarts, kDecompositionPool, out);
  } else if (c >= kHangulFirst && c - kHangulFirst < kHangulCount) {
    const char32_t syllable = c - kHangulFirst;
    out.push_back(kLeadFirst + syllable / kVowelsTrails);
    out.push_back(kVowelFirst + syllable % kVowelsTrails / kTrails);
    if (syllable % kTrails != 0) out.push_back(kTrailBase + syllable % kTrails);
  } else {
    out.push_back(c);
  }
}

void decompose(const std::vector<char32_t>& in, std::vector<char32_t>& out) {
  out.clear();
  for (const char32_t c : in) append_decomposed(c, out);
  // Canonical ordering: between starters, marks stand by class, equal classes as they came.
  const auto by_class = [](char32_t a, char32_t b) { return record(a).order < record(b).order; };
  for (std::size_t i = 0; i < out.size();) {
    std::size_t end = i;
    while (end < out.size() && record(out[end]).order != 0) ++end;
    if (end - i > 1) {
      std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(i), out.begin() + static_cast<std::ptrdiff_t>(end),
                       by_class);
    }
    i = end + 1;
  }
}

Decoded decode_one(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> char32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : char32_t{0};
  };
  const char32_t lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  // The second byte's range depends on the lead (Unicode 15, table 3-7): no overlong forms, surrogates or > 10FFFF.
  std::size_t length = 0;
  char32_t low = 0x80, high = 0xbf, c = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
    c = lead & 0x1f;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    c = lead & 0x0f;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    c = lead & 0x07;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return {kReplacement, 1, false};
  }
  for (std::size_t i = 1; i < length; ++i) {
    const char32_t next = byte(at + i);
    if (next < low || next > high) return {kReplacement, i, false};
    c = c << 6 | (next & 0x3f);
    low = 0x80;
    high = 0xbf;
  }
  return {c, length, true};
}

std::size_t previous_start(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  return at;
}

bool is_ascii(std::string_view text) {
  unsigned all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Decoded decoded = decode_one(text, at);
    if (!decoded.valid) return false;
    at += decoded.length;
  }
  return true;
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Decoded decoded = decode_one(text, at);
    append_utf8(decoded.c, out);
    at += decoded.length;
  }
  return out;
}

void decode(std::string_view text, std::vector<char32_t>& out) {
  for (std::size_t at = 0; at < text.size();) {
    const Decoded decoded = decode_one(text, at);
    out.push_back(decoded.c);
    at += decoded.length;
  }
}

void append_utf8(char32_t c, std::string& out) {
  const auto tail = [](char32_t bits) { return static_cast<char>(0x80 | (bits & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += tail(c);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += tail(c >> 6);
    out += tail(c);
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += tail(c >> 12);
    out += tail(c >> 6);
    out += tail(c);
  }
}

std::vector<char32_t> from_utf8(std::string_view text) {
  std::vector<char32_t> out;
  decode(text, out);
  return out;
}

std::string to_utf8(const std::vector<char32_t>& text) {
  std::string out;
  for (const char32_t c : text) append_utf8(c, out);
  return out;
}

}  // namespace smidgen::unicode
