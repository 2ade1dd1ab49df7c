#include "smidgen/text/repair_command.h"

#include "smidgen/base/shell_word.h"

namespace smidgen {

namespace {

// Where the extension's dot is; the end when there is none.
std::size_t dot_of(const std::string& name) {
  const std::size_t slash = name.find_last_of('/'), first = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t dot = name.find_last_of('.');
  return dot == std::string::npos || dot <= first ? name.size() : dot;
}

}  // namespace

std::string repair_command(std::string_view tool, const std::string& name, const std::string& made, bool redirect) {
  if (name == "<stdin>") return std::string(tool);
  return std::string(tool) + (redirect ? " < " : " ") + shell_word(name) + " > " + shell_word(made);
}

std::string tagged_name(const std::string& name, std::string_view tag) {
  const std::size_t dot = dot_of(name);
  return name.substr(0, dot) + "." + std::string(tag) + name.substr(dot);
}

std::string with_extension(const std::string& name, std::string_view extension) {
  return name.substr(0, dot_of(name)) + (extension.empty() ? "" : "." + std::string(extension));
}

}  // namespace smidgen
