// What every program here shares: an error ends it.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <initializer_list>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "smidgen/base/result.h"

namespace smidgen {

template <class T>
T need(Result<T> result) {
  if (!result.ok()) {
    fmt::print(stderr, "{}\n", result.error().message());
    std::exit(result.error().exit_code());
  }
  return std::move(result).value();
}

// The words `name=value` into `set`. A name that is neither in it nor in `more` ends the program: it would change
// nothing.
inline void read_settings(std::map<std::string, double>& set, std::span<char* const> words,
                          std::initializer_list<const char*> more) {
  std::set<std::string> known(more.begin(), more.end());
  for (const auto& [name, value] : set) known.insert(name);
  for (const std::string word : words) {
    const std::size_t at = word.find('=');
    if (at == std::string::npos || !known.contains(word.substr(0, at))) need<Ok>(Error::usage("no setting: " + word));
    set[word.substr(0, at)] = std::atof(word.substr(at + 1).c_str());
  }
}

}  // namespace smidgen
