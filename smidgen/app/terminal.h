// What the terminal can do, and text laid out for it: colour and tables. Numbers: figures.h; foreign
// text: foreign_text.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smidgen {

enum class Paint { kBold, kDim, kGreen, kYellow, kRed };

// Colour is off without a terminal, with NO_COLOR (any non-empty value), TERM=dumb, --no-color or --plain.
struct Terminal {
  bool output_is_tty = false, error_is_tty = false, input_is_tty = false;
  bool output_colour = false, error_colour = false;
  std::size_t columns = 80;

  static Terminal detect();
  void no_colour() { output_colour = error_colour = false; }
  std::string paint(Paint paint, std::string_view text) const;        // for standard output
  std::string paint_error(Paint paint, std::string_view text) const;  // for standard error
};

// A table: numbers to the right, words to the left, two spaces between columns. With plain = true: tab-separated cells
// without padding, for other programs.
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;  // align to the right
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell per column; missing cells are empty.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // `indent` spaces before every line; the last line ends with a newline.
  std::string render(bool plain, std::size_t indent = 0) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Code points, which is what columns are for the scripts we align.
std::size_t text_columns(std::string_view text);

std::string fixed(double value, int digits);  // 0.12345, 3 -> "0.123"

}  // namespace smidgen
