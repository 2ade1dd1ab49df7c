// smidgen.1: written from the tree that parses the command line, so that it names every command, option and exit code.
#include <fmt/format.h>

#include "smidgen/app/command_tree.h"
#include "smidgen/app/read_settings.h"
#include "smidgen/app/verbs.h"
#include "smidgen/base/version.h"

namespace smidgen {

namespace {

// Text as roff reads it: no escape, no hyphen for a minus, no line that begins like a request.
std::string roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else if (c == '`')
      out += "\\(ga";
    else if (c == '~')
      out += "\\(ti";
    else
      out += c;
    line_begins = c == '\n';
  }
  return out;
}

std::string entry(const std::string& bold, const std::string& value, std::string_view text) {
  return fmt::format(".TP\n{}{}\n{}\n", bold, value.empty() ? "" : " \\fI" + roff(value) + "\\fR", roff(text));
}

std::string entries(const std::vector<OptionText>& options) {
  std::string out;
  for (const OptionText& option : options) {
    std::string names;
    for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + ("\\fB" + roff(name) + "\\fR");
    const std::string text = option.text + (option.required && !option.names.empty() ? " (required)" : "");
    out += names.empty() ? entry("\\fI" + roff(option.value) + "\\fR", "", text) : entry(names, option.value, text);
  }
  return out;
}

std::string verbatim(std::string_view text) {
  return ".nf\n" + roff(text) + (text.ends_with('\n') ? "" : "\n") + ".fi\n";
}

struct Variable {
  std::string_view name, meaning;
};
constexpr Variable kVariables[] = {
    {"NO_COLOR", "when not empty: no colour, as with --no-color. So does TERM=dumb."},
    {"XDG_CACHE_HOME", "pulled models and data are kept in its folder smidgen, else in ~/.cache/smidgen."},
    {"XDG_STATE_HOME",
     "the record of certification attempts is kept in its folder smidgen, else in ~/.local/state/smidgen."},
    {"HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME",
     "where the Hugging Face cache is, whose encoders --encoder finds by name. Nothing is fetched into it."},
    {"SMIDGEN_THREADS, SMIDGEN_TEXT_COLUMN, ..",
     "in place of --threads, --text-column and the like where they are not given; see FILES."},
    {"XDG_CONFIG_HOME", "settings are read from its folder smidgen, else from ~/.config/smidgen."},
    {"SMIDGEN_ISA", "the instruction set to use, such as scalar or avx2; one that cannot be had is an error."},
};

std::string join_options() {
  std::string out;
  for (const std::string_view option : settable_options()) out += (out.empty() ? "" : ", ") + std::string(option);
  return out;
}

}  // namespace

std::string manual_page(const CommandTree& tree) {
  std::string out =
      fmt::format(".\\\" Written by `smidgen man`.\n.TH SMIDGEN 1 \"\" \"smidgen {}\" \"User Commands\"\n", kVersion);
  out += ".SH NAME\nsmidgen \\- " + roff(kPurpose) + "\n.SH SYNOPSIS\n";
  for (const CommandText& command : tree.commands) {
    out += ".B smidgen " + roff(command.name) + "\n";
    for (const OptionText& positional : command.positionals)
      out += fmt::format("{}\\fI{}\\fR{}\n", positional.required ? "" : "[", roff(positional.value),
                         positional.required ? "" : "]");
    out += "[\\fIOPTIONS\\fR]\n";
    if (&command != &tree.commands.back()) out += ".br\n";
  }
  out += ".SH DESCRIPTION\n" +
         roff(
             "From a labelled file, smidgen finds the smallest model that answers as well as asked, certifies it on "
             "rows nothing else touched, writes it as a bundle, and answers texts with it. Data goes to standard "
             "output, everything said about it to standard error. Nothing but `pull` uses the network.\n");
  out += ".SH EXAMPLES\n" + verbatim(kFirstSteps) + ".SH COMMANDS\n";
  for (const CommandText& command : tree.commands) {
    out += ".SS smidgen " + roff(command.name) + "\n" + roff(command.summary) + "\n.PP\n" + verbatim(command.examples);
    out += entries(command.positionals) + entries(command.options);
  }
  out += ".SH OPTIONS\n" + roff("Of every command, before or behind its name:\n") + entries(tree.options);
  out += entry("\\fB\\-h\\fR, \\fB\\-\\-help\\fR", "", kHelpText) + entry("\\fB\\-\\-version\\fR", "", kVersionText);
  out += ".SH EXIT STATUS\n";
  for (const ExitCodeText& code : kExitCodes) out += entry(fmt::format("\\fB{}\\fR", code.code), "", code.meaning);
  out +=
      ".SH FILES\n" + entry("\\fBsmidgen.conf\\fR, \\fB" + roff("~/.config/smidgen/smidgen.conf") + "\\fR", "",
                            "settings of the folder and of the user, a line KEY = VALUE each, in sections [COMMAND] "
                            "where they are for one command. The command line goes before the environment, that "
                            "before the folder's file, and that before the user's; --no-settings reads none. Keys: " +
                                join_options() + ".");
  out += ".SH ENVIRONMENT\n";
  for (const Variable& variable : kVariables) out += entry("\\fB" + roff(variable.name) + "\\fR", "", variable.meaning);
  return out;
}

}  // namespace smidgen
