// Where settings come from, nearest first: the environment (SMIDGEN_TEXT_COLUMN for --text-column), ./smidgen.conf, and
// the user's own ~/.config/smidgen/smidgen.conf. The command line is before all of them (docs/settings.md).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/base/settings.h"

namespace smidgen {

// Options that may be set: those that describe data and machine. None that writes, replaces or waives anything,
// or decides what is certified: a folder from somebody else may hold a smidgen.conf.
std::span<const std::string_view> settable_options();

// All settings, nearest first. ErrorKind::kConfig: an unknown key, a section that is no command, or a variable such as
// SMIDGEN_CONFIDENCE for what stands on the command line only.
Result<std::vector<Setting>> read_settings();

}  // namespace smidgen
