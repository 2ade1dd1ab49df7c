// Arguments to options. Wrong usage is Error::usage with what to type instead; nothing is printed here.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "smidgen/app/options.h"
#include "smidgen/base/result.h"
#include "smidgen/base/settings.h"

namespace smidgen {

struct CommandLine {
  GlobalOptions global;
  Command command;
  std::optional<std::string> text;  // help or version: print this and stop
};

// `arguments` without the program's name. `settings` is asked, nearest first, for what the arguments leave open (not
// for help, nor behind --no-settings); a value there that is none is ErrorKind::kConfig with its place.
using SettingsSource = std::function<Result<std::vector<Setting>>()>;
Result<CommandLine> parse_command_line(const std::vector<std::string>& arguments, const SettingsSource& settings);

// "smidgen 0.1.0 (commit 0123abc)".
std::string version_text();

}  // namespace smidgen
