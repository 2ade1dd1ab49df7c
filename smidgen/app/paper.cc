#include "smidgen/app/paper.h"

#include <fmt/format.h>

#include <algorithm>

namespace smidgen {

Paper::Paper(bool colour, std::size_t width)
    : colour_(colour), width_(width == 0 ? 0 : std::max<std::size_t>(width, 60)) {}

std::string Paper::inked(Ink ink, const std::string& text) const {
  if (!colour_ || ink == Ink::kPlain || text.empty()) return text;
  const char* code = ink == Ink::kBold ? "1" : ink == Ink::kDim ? "2" : ink == Ink::kGood ? "1;32" : "1;31";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

void Paper::sentence(const std::string& key, const std::string& text, Ink ink) {
  std::string padded = key;
  padded.resize(std::max(kKeyWidth, key.size() + (key.empty() ? 0 : 1)), ' ');
  out_ += inked(ink == Ink::kPlain ? Ink::kBold : ink, padded);
  std::size_t column = padded.size();
  bool first = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    at = end + 1;
    if (!first && width_ > 0 && column + 1 + columns(word) > width_) {
      out_ += "\n" + std::string(kKeyWidth, ' ');
      column = kKeyWidth;
    } else if (!first) {
      out_ += ' ';
      ++column;
    }
    out_ += word;
    column += columns(word);
    first = false;
  }
  out_ += '\n';
}

std::size_t Paper::columns(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace smidgen
