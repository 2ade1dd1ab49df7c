// Text that is not ours (labels, file names, rows) on its way to a terminal, a Markdown page or a JSON document. Each
// place has its own dangers (escape sequences, markup, bad UTF-8, text that runs backwards), so each has its function.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smidgen {

// The same text with every byte that is not UTF-8 replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

// One line that cannot move the cursor, colour the screen or reorder what stands beside it: control characters, line
// separators, zero-width and bidirectional controls become "\n", "\u202e" and the like. Longer than `characters_max`
// code points: cut, with "..." at the end.
std::string for_terminal(std::string_view text, std::size_t characters_max = 60);

// One line of Markdown that shows as plain text anywhere (paragraph, list, table cell): markup is escaped by a
// backslash, `<`, `&` and the colon of a link by entities, controls as in for_terminal.
std::string for_markdown(std::string_view text, std::size_t characters_max = 80);

// The last part of a path, without trailing slashes: what may stand in a file that travels (a path may name people).
std::string base_name(std::string_view path);

}  // namespace smidgen
