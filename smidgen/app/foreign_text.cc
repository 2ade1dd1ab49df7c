#include "smidgen/app/foreign_text.h"

#include <fmt/format.h>

#include <cstdint>

namespace smidgen {

namespace {

constexpr char32_t kReplacement = 0xfffd;

// The code point that starts at text[at], and its length in bytes; a bad byte is one U+FFFD of length 1.
char32_t next_code_point(std::string_view text, std::size_t at, std::size_t& length) {
  const auto lead = static_cast<unsigned char>(text[at]);
  length = 1;
  if (lead < 0x80) return lead;
  const std::size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() - at < wanted) return kReplacement;
  auto point = static_cast<char32_t>(lead & (0x7f >> wanted));
  for (std::size_t i = 1; i < wanted; ++i) {
    const auto next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xc0) != 0x80) return kReplacement;
    point = (point << 6) | (next & 0x3f);
  }
  const bool overlong = (wanted == 3 && point < 0x800) || (wanted == 4 && point < 0x10000);
  if (overlong || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return kReplacement;
  length = wanted;
  return point;
}

void append_utf8(std::string& out, char32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  }
}

// Characters that act instead of showing: C0, DEL, C1, soft hyphen, zero-width and bidirectional controls, line
// separators, byte-order mark, tags.
bool acts(char32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad || point == 0x61c ||
         (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2060 && point <= 0x206f) || point == 0xfeff || (point >= 0xe0000 && point <= 0xe007f);
}

std::string visible(char32_t point) {
  if (point == '\n') return "\\n";
  if (point == '\r') return "\\r";
  if (point == '\t') return "\\t";
  return fmt::format("\\u{:04x}", static_cast<std::uint32_t>(point));
}

// Calls write(out, code point, what follows it) for each character that fits; adds "..." when some did not.
template <class Write>
std::string one_line(std::string_view text, std::size_t characters_max, Write write) {
  std::string out;
  std::size_t characters = 0;
  for (std::size_t at = 0, length = 1; at < text.size(); at += length) {
    const char32_t point = next_code_point(text, at, length);
    if (characters++ == characters_max) return out + "...";
    write(out, point, text.substr(at + length));
  }
  return out;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0, length = 1; at < text.size(); at += length)
    append_utf8(out, next_code_point(text, at, length));
  return out;
}

std::string for_terminal(std::string_view text, std::size_t characters_max) {
  return one_line(text, characters_max, [](std::string& out, char32_t point, std::string_view) {
    if (acts(point)) {
      out += visible(point);
    } else {
      append_utf8(out, point);
    }
  });
}

std::string for_markdown(std::string_view text, std::size_t characters_max) {
  bool digits = true;  // only digits so far: "1. " would start a list
  return one_line(text, characters_max, [&digits](std::string& out, char32_t point, std::string_view rest) {
    const bool first = out.empty();
    if (point == '<') {
      out += "&lt;";
    } else if (point == '&') {
      out += "&amp;";
    } else if (point == ':' && rest.starts_with('/')) {
      out += "&#58;";  // no automatic link
    } else if (acts(point)) {
      out += '\\';
      out += visible(point);
    } else {
      const auto among = [point](std::string_view set) {
        return point < 0x80 && set.find(static_cast<char>(point)) != std::string_view::npos;
      };
      const bool list = digits && !first && among(".)") && rest.starts_with(' ');
      if (among("\\`*_[]|~$") || (first && among("#+-=>")) || list) out += '\\';
      append_utf8(out, point);
    }
    digits = digits && point >= '0' && point <= '9';
  });
}

std::string base_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.find_last_of('/');
  return std::string(slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1));
}

}  // namespace smidgen
