#include "smidgen/app/argument_words.h"

#include <algorithm>
#include <utility>

namespace smidgen {

namespace {

// The parser takes a word in brackets for a list, and "++" for the end of the command. Behind a NUL, which no argument
// can hold, a word is neither, nor is it an option.
constexpr char kMark = '\0';

// Whether the next argument is a value: behind "--out", "-o" and "-qo", not behind "--out=x", "-ox" and "-q".
bool takes_next(const std::string& word, const CLI::App& app, const CLI::App& verb) {
  const auto takes_value = [](const CLI::Option* option) {
    return option != nullptr && option->get_expected_max() > 0;
  };
  if (word.starts_with("--")) return word.find('=') == std::string::npos && takes_value(option_of(word, app, verb));
  for (std::size_t i = 1; i < word.size(); ++i) {
    const CLI::Option* option = option_of({'-', word[i]}, app, verb);
    if (option == nullptr || takes_value(option)) return option != nullptr && i + 1 == word.size();
  }
  return false;
}

// What each argument is; all behind "--" are words, and so is the verb.
enum class Role { kOption, kValue, kDashes, kWord };
std::vector<Role> roles_of(const std::vector<std::string>& arguments, const CLI::App& app, const CLI::App& verb) {
  std::vector<Role> roles(arguments.size(), Role::kWord);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].size() < 2 || arguments[i][0] != '-') continue;
    roles[i] = arguments[i] == "--" ? Role::kDashes : Role::kOption;
    if (roles[i] == Role::kDashes) break;
    if (takes_next(arguments[i], app, verb) && i + 1 < arguments.size()) roles[++i] = Role::kValue;
  }
  return roles;
}

}  // namespace

std::size_t verb_at(const std::vector<std::string>& arguments, std::size_t at) {
  for (; at < arguments.size(); ++at) {
    if (arguments[at] == "--seed" || arguments[at] == "--threads")
      ++at;
    else if (arguments[at].empty() || arguments[at][0] != '-')
      break;
  }
  return std::min(at, arguments.size());
}

const CLI::Option* option_of(const std::string& word, const CLI::App& app, const CLI::App& verb) {
  const std::string name = word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
  const CLI::Option* option = verb.get_option_no_throw(name);
  return option != nullptr ? option : app.get_option_no_throw(name);
}

std::vector<std::string> option_words(const std::vector<std::string>& arguments, const CLI::App& app,
                                      const CLI::App& verb) {
  const std::vector<Role> roles = roles_of(arguments, app, verb);
  std::vector<std::string> words;
  for (std::size_t i = 0; i < roles.size(); ++i)
    if (roles[i] == Role::kOption) words.push_back(arguments[i]);
  return words;
}

bool is_given(const CLI::Option& option, const std::vector<std::string>& typed) {
  return std::any_of(typed.begin(), typed.end(), [&](const std::string& word) {
    const std::string name = word.substr(0, word.find('='));
    return name.starts_with("--") ? option.check_lname(name.substr(2)) : option.check_sname(word.substr(1, 1));
  });
}

std::vector<std::string> words_for_parser(const std::vector<std::string>& arguments, std::size_t verb_index,
                                          const std::vector<Setting>& settings, const CLI::App& app,
                                          const CLI::App& verb) {
  const std::vector<Role> roles = roles_of(arguments, app, verb);
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (roles[i] == Role::kDashes) continue;  // the mark says the same, and "--" may end a command
    std::string word = arguments[i];
    // Of "--out=" the parser would take the next argument for the value.
    const bool no_value = roles[i] == Role::kOption && word.starts_with("--") && word.find('=') == word.size() - 1 &&
                          takes_next(word.substr(0, word.size() - 1), app, verb);
    if (no_value) word.pop_back();
    words.push_back(roles[i] == Role::kWord && i != verb_index ? kMark + word : word);
    if (no_value) words.emplace_back();
    if (i == verb_index)
      for (const Setting& one : settings) words.push_back("--" + one.key + "=" + one.value);
  }
  return words;
}

void take_as_typed(CLI::App& app) {
  const CLI::Validator unmark(
      [](std::string& word) {
        word = as_typed(std::move(word));
        return std::string();
      },
      "", "as typed");
  for (CLI::App* verb : app.get_subcommands(nullptr))
    for (CLI::Option* option : verb->get_options())
      if (option->get_expected_max() > 0) option->transform(unmark);
}

std::string as_typed(std::string word) {
  if (word.starts_with(kMark)) word.erase(0, 1);
  return word;
}

}  // namespace smidgen
