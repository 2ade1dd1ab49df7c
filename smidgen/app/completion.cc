// Completion scripts. Each holds the whole tree and calls nothing: a shell completes in microseconds, also where the
// program is not in PATH yet. tests/command_line_test.py runs the bash one, and the others where their shells are
// there.
#include <fmt/format.h>

#include <algorithm>

#include "smidgen/app/command_tree.h"
#include "smidgen/app/verbs.h"

namespace smidgen {

namespace {

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : std::string(separator)) + word;
  return out;
}

std::vector<std::string> all_names(const std::vector<OptionText>& options) {
  std::vector<std::string> names;
  for (const OptionText& option : options) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

std::vector<std::string> command_names(const CommandTree& tree) {
  std::vector<std::string> names;
  for (const CommandText& command : tree.commands) names.push_back(command.name);
  return names;
}

// 'text' for any POSIX shell and fish; a quote inside leaves the quotes, stands escaped, and enters them again.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

// ---- bash ----

// What follows `option`: one arm of a case over "COMMAND OPTION".
std::string bash_value(const std::string& command, const OptionText& option) {
  std::vector<std::string> patterns;
  for (const std::string& name : option.names)
    patterns.push_back(quoted(command.empty() ? name : command + " " + name));
  std::string action = "return";
  if (!option.choices.empty())
    action = "_smidgen_words " + quoted(join(option.choices, " ")) + "; return";
  else if (option.is_path())
    action = "_smidgen_files; return";
  return fmt::format("    {}) {} ;;\n", join(patterns, "|"), action);
}

// ---- zsh ----

// Inside a specification of _arguments, [ ] and : have a meaning.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const OptionText& option) {
  if (!option.choices.empty()) return "(" + join(option.choices, " ") + ")";
  return option.is_path() ? "_files" : " ";
}

std::string zsh_option(const OptionText& option) {
  const std::string text = "[" + zsh_text(option.text) + "]";
  const std::string value = option.value.empty() ? "" : ":" + option.value + ":" + zsh_action(option);
  const bool several = option.names.size() > 1;
  const std::string exclusive = option.repeats ? "*" : several ? "(" + join(option.names, " ") + ")" : "";
  std::string out;
  for (const std::string& name : option.names) {
    const std::string glue = option.value.empty() ? "" : name.starts_with("--") ? "=" : "+";
    out += " \\\n      " + quoted(exclusive + name + glue + text + value);
  }
  return out;
}

std::string zsh_positionals(const CommandText& command) {
  std::string out;
  for (const OptionText& option : command.positionals)
    out += " \\\n      " + quoted((option.repeats    ? "*:"
                                   : option.required ? ":"
                                                     : "::") +
                                  option.value + ":" + zsh_action(option));
  return out;
}

// ---- fish ----

std::string fish_option(std::string_view condition, const OptionText& option) {
  std::string out = "complete -c smidgen" + std::string(condition);
  for (const std::string& name : option.names)
    out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (!option.value.empty()) out += option.is_path() && option.choices.empty() ? " -r -F" : " -x";
  if (!option.choices.empty()) out += " -a " + quoted(join(option.choices, " "));
  return out + " -d " + quoted(option.text) + "\n";
}

}  // namespace

bool OptionText::is_path() const {
  static constexpr std::string_view kPaths[] = {"FILE", "FILES", "DIR", "DATA", "BUNDLE", "MODEL"};
  return std::find(std::begin(kPaths), std::end(kPaths), value) != std::end(kPaths);
}

std::string bash_completion(const CommandTree& tree) {
  std::string values, options, positionals, with_value;
  for (const OptionText& option : tree.options)
    if (!option.value.empty()) with_value += (with_value.empty() ? "" : "|") + join(option.names, "|");
  for (const CommandText& command : tree.commands) {
    for (const OptionText& option : command.options)
      if (!option.value.empty()) values += bash_value(command.name, option);
    options +=
        fmt::format("    {}) options+={} ;;\n", command.name, quoted(" " + join(all_names(command.options), " ")));
    if (command.positionals.empty()) continue;
    const OptionText& first = command.positionals.front();
    const std::string action = !first.choices.empty() ? "_smidgen_words " + quoted(join(first.choices, " "))
                               : first.is_path()      ? "_smidgen_files"
                                                      : ":";
    positionals += fmt::format("    {}) {} ;;\n", command.name, action);
  }
  std::string global_values;
  for (const OptionText& option : tree.options)
    if (!option.value.empty()) global_values += bash_value("", option);
  return fmt::format(R"(# bash completion of smidgen, written by `smidgen completion bash`
_smidgen_words() {{ COMPREPLY=($(compgen -W "$1" -- "$word")); }}
_smidgen_files() {{ compopt -o default 2>/dev/null; COMPREPLY=(); }}
_smidgen() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} verb= i
  COMPREPLY=()
  if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${{COMP_WORDS[COMP_CWORD-2]}}; fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${{COMP_WORDS[i]}} in
    {}) ((++i)) ;;
    -*|=) ;;
    *) verb=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  case $before in
{}  esac
  case "$verb $before" in
{}  esac
  local options={}
  case $verb in
{}  esac
  if [[ $word == -* ]]; then _smidgen_words "$options"; return; fi
  case $verb in
    ''|help) _smidgen_words {} ;;
{}  esac
}}
complete -F _smidgen smidgen
)",
                     with_value, global_values, values,
                     quoted("-h --help --version " + join(all_names(tree.options), " ")), options,
                     quoted("help " + join(command_names(tree), " ")), positionals);
}

std::string zsh_completion(const CommandTree& tree) {
  std::string global, commands, cases;
  for (const OptionText& option : tree.options) global += zsh_option(option);
  global += " \\\n      " + quoted("(- *)-h[" + zsh_text(kHelpText) + "]") + " \\\n      " +
            quoted("(- *)--help[" + zsh_text(kHelpText) + "]") + " \\\n      " +
            quoted("(- *)--version[" + zsh_text(kVersionText) + "]");
  for (const CommandText& command : tree.commands) {
    commands += "    " + quoted(command.name + ":" + zsh_text(command.summary)) + "\n";
    std::string own;
    for (const OptionText& option : command.options) own += zsh_option(option);
    cases += fmt::format("    {}) _arguments -s{}{} \\\n      $everywhere ;;\n", command.name, own,
                         zsh_positionals(command));
  }
  commands += "    " + quoted("help:" + zsh_text(kHelpText)) + "\n";
  return fmt::format(R"(#compdef smidgen
# zsh completion of smidgen, written by `smidgen completion zsh`
_smidgen() {{
  local curcontext="$curcontext" state line
  local -a commands everywhere
  commands=(
{}  )
  everywhere=({}
  )
  _arguments -C $everywhere '1: :->command' '*:: :->rest'
  case $state in
  command) _describe -t commands command commands ;;
  rest)
    case $line[1] in
    help) _describe -t commands command commands ;;
{}    esac ;;
  esac
}}
if [[ $funcstack[1] == _smidgen ]]; then _smidgen "$@"; else compdef _smidgen smidgen; fi
)",
                     commands, global, cases);
}

std::string fish_completion(const CommandTree& tree) {
  std::string out = "# fish completion of smidgen, written by `smidgen completion fish`\ncomplete -c smidgen -f\n";
  for (const CommandText& command : tree.commands)
    out += fmt::format("complete -c smidgen -n __fish_use_subcommand -a {} -d {}\n", command.name,
                       quoted(command.summary));
  out += fmt::format("complete -c smidgen -n __fish_use_subcommand -a help -d {}\n", quoted(kHelpText));
  out += fmt::format("complete -c smidgen -l version -d {}\n", quoted(kVersionText));
  out += fmt::format("complete -c smidgen -s h -l help -d {}\n", quoted(kHelpText));
  out += fmt::format("complete -c smidgen -n '__fish_seen_subcommand_from help' -a {}\n",
                     quoted(join(command_names(tree), " ")));
  for (const OptionText& option : tree.options) out += fish_option("", option);
  for (const CommandText& command : tree.commands) {
    const std::string condition = " -n '__fish_seen_subcommand_from " + command.name + "'";
    for (const OptionText& option : command.options) out += fish_option(condition, option);
    for (const OptionText& option : command.positionals) {
      if (!option.choices.empty())
        out += "complete -c smidgen" + condition + " -a " + quoted(join(option.choices, " ")) + "\n";
      else if (option.is_path())
        out += "complete -c smidgen" + condition + " -F\n";
    }
  }
  return out;
}

}  // namespace smidgen
