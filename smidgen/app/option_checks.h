// Values of options, checked before anything runs. Each check returns "" when the value is right, else what is wrong
// with it and, after "; ", what was probably meant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace smidgen {

// A share between 0 and 1. One given in percent is the likeliest mistake: 30 or 30% is asked to be 0.3.
std::string check_share(const std::string& text);
// The same for what must be right at least: 1.5 is no slip for 0.015, so nothing below one half is proposed.
std::string check_target_share(const std::string& text);
// LABEL=SHARE.
std::string check_target(const std::string& text);
// A share from 0, for none, to 0.9.
std::string check_held_out(const std::string& text);
std::string check_arithmetic(const std::string& text);
// Of pick, where --precision also promises something about a label.
std::string check_precision(const std::string& text);
std::string check_positive(const std::string& text);
// A whole number from `least` to `most`, in base 10: `text` becomes its usual form, for the parser would read 010 as 8.
std::string read_whole(std::string& text, std::uint64_t least, std::uint64_t most);
std::string check_split(const std::string& text);
std::string check_delimiter(const std::string& text);
// An unset variable of a script leaves an empty word.
std::string check_name(const std::string& text);

// Whether reading `path` waits for somebody at a terminal: "-" where standard input is one, /dev/stdin, /dev/tty.
bool reads_terminal(const std::string& path);

// The character itself, or its name.
std::optional<char> delimiter_from(const std::string& text);

}  // namespace smidgen
