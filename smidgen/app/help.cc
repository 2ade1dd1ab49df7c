// `smidgen -h` and `smidgen COMMAND -h`: examples first.
#include <fmt/format.h>

#include "smidgen/app/command_tree.h"
#include "smidgen/app/verbs.h"

namespace smidgen {

namespace {

std::string option_lines(const std::vector<OptionText>& options) {
  std::string out;
  for (const OptionText& option : options) {
    std::string name;
    for (const std::string& one : option.names) name += (name.empty() ? "" : " ") + one;
    if (!option.value.empty()) name += (name.empty() ? "" : " ") + option.value;
    out += fmt::format("  {:<30} {}{}\n", name, option.text,
                       option.required && !option.names.empty() ? " (required)" : "");
  }
  return out;
}

}  // namespace

std::string general_help(const CommandTree& tree) {
  std::string out = "smidgen: " + std::string(kPurpose) + "\n\nExamples:\n";
  out += std::string(kFirstSteps) + "\nCommands (smidgen COMMAND -h says more):\n";
  for (const CommandText& command : tree.commands) out += fmt::format("  {:<10} {}\n", command.name, command.summary);
  out += "\nOptions of every command:\n" + option_lines(tree.options);
  out += fmt::format("  {:<30} {}\n  {:<30} {}\n", "-h --help", kHelpText, "--version", kVersionText);
  out += "\nExit codes:\n";
  for (const ExitCodeText& code : kExitCodes) out += fmt::format("  {:<4} {}\n", code.code, code.meaning);
  return out;
}

std::string command_help(const CommandTree& tree, const CommandText& command) {
  std::string usage = "smidgen " + command.name;
  for (const OptionText& positional : command.positionals)
    usage += positional.required ? " " + positional.value : " [" + positional.value + "]";
  std::string out = fmt::format("smidgen {}: {}\n\nExamples:\n{}\nUsage: {} [OPTIONS]\n", command.name, command.summary,
                                command.examples, usage);
  out += option_lines(command.positionals);
  if (!command.options.empty()) out += "\nOptions:\n" + option_lines(command.options);
  return out + "\nOptions of every command:\n" + option_lines(tree.options);
}

}  // namespace smidgen
