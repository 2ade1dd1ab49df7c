// What each argument is: an option, the value of one, or a word by itself. The parser finds out too, but only while it
// parses; help, settings and messages have to know before that.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "smidgen/base/settings.h"

namespace smidgen {

// Where the verb stands: the first argument from `at` on that is no option and no value of a global option. The number
// of arguments when there is none.
std::size_t verb_at(const std::vector<std::string>& arguments, std::size_t at = 0);

// The option that `word` gives or begins with ("--out", "--out=x", "-o", "-ox"); null when there is none.
const CLI::Option* option_of(const std::string& word, const CLI::App& app, const CLI::App& verb);

// The arguments that stand as options: not as the value of one, nor behind "--".
std::vector<std::string> option_words(const std::vector<std::string>& arguments, const CLI::App& app,
                                      const CLI::App& verb);

// Whether one of these (option_words) gives the option.
bool is_given(const CLI::Option& option, const std::vector<std::string>& typed);

// What the parser is given so that it takes every word as it was typed, with the settings behind the verb. Its options
// must have gone through take_as_typed.
std::vector<std::string> words_for_parser(const std::vector<std::string>& arguments, std::size_t verb_index,
                                          const std::vector<Setting>& settings, const CLI::App& app,
                                          const CLI::App& verb);

// Of every option and word of every verb.
void take_as_typed(CLI::App& app);

// A word for the parser, as it was typed.
std::string as_typed(std::string word);

}  // namespace smidgen
