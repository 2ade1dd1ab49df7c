// The command line as data, taken from the parser's own tree: what help, completion scripts and the manual page are
// written from. An option that is declared is in all three; none of them can be forgotten.
#pragma once

#include <string>
#include <vector>

namespace smidgen {

// An option, or a positional argument (no names).
struct OptionText {
  std::vector<std::string> names;    // "-o", "--out"
  std::string value;                 // what its value is called: "FILE"; empty for a flag
  std::string text;                  // one line
  std::vector<std::string> choices;  // the values it takes, when they are few
  bool required = false, repeats = false;

  bool is_path() const;  // its value is a file or folder
};

struct CommandText {
  std::string name, summary, examples;
  std::vector<OptionText> positionals, options;
};

struct CommandTree {
  std::vector<OptionText> options;  // of every command
  std::vector<CommandText> commands;
};

// Without side effects; the same for every call.
CommandTree command_tree();

std::string general_help(const CommandTree& tree);
std::string command_help(const CommandTree& tree, const CommandText& command);

// Scripts for `source <(smidgen completion bash)` and the like.
std::string bash_completion(const CommandTree& tree);
std::string zsh_completion(const CommandTree& tree);
std::string fish_completion(const CommandTree& tree);

// smidgen.1, in the man macros.
std::string manual_page(const CommandTree& tree);

}  // namespace smidgen
