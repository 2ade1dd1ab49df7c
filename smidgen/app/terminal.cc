#include "smidgen/app/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace smidgen {

namespace {

std::string painted(Paint paint, std::string_view text) {
  static constexpr const char* kCodes[] = {"1", "2", "32", "33", "31"};
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<int>(paint)], text);
}

bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_colour == nullptr || *no_colour == '\0') && term != nullptr && std::strcmp(term, "dumb") != 0;
}

}  // namespace

Terminal Terminal::detect() {
  Terminal terminal;
  terminal.output_is_tty = ::isatty(STDOUT_FILENO) == 1;
  terminal.error_is_tty = ::isatty(STDERR_FILENO) == 1;
  terminal.input_is_tty = ::isatty(STDIN_FILENO) == 1;
  terminal.output_colour = terminal.output_is_tty && wants_colour();
  terminal.error_colour = terminal.error_is_tty && wants_colour();
  struct winsize size {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) terminal.columns = size.ws_col;
  return terminal;
}

std::string Terminal::paint(Paint paint, std::string_view text) const {
  return output_colour ? painted(paint, text) : std::string(text);
}

std::string Terminal::paint_error(Paint paint, std::string_view text) const {
  return error_colour ? painted(paint, text) : std::string(text);
}

std::string Table::render(bool plain, std::size_t indent) const {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  if (std::any_of(titles.begin(), titles.end(), [](const std::string& title) { return !title.empty(); }))
    lines.push_back(std::move(titles));
  lines.insert(lines.end(), rows_.begin(), rows_.end());
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (auto& line : lines) {
    line.resize(columns_.size());
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], text_columns(line[i]));
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text(plain ? 0 : indent, ' ');
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i > 0) text += plain ? "\t" : "  ";
      const std::string padding(plain ? 0 : widths[i] - text_columns(line[i]), ' ');
      text += columns_[i].right ? padding + line[i] : line[i] + padding;
    }
    if (!plain) text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

std::size_t text_columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string fixed(double value, int digits) {
  return fmt::format("{:.{}f}", value, digits);
}

}  // namespace smidgen
