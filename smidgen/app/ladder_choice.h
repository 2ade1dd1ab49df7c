// Which rungs to train, from what the command line asks and what this machine has.
#pragma once

#include <string>
#include <vector>

#include "smidgen/app/app.h"
#include "smidgen/learn/ladder.h"

namespace smidgen {

// rungs empty: all that can be trained; without an encoder that is `linear` alone, and `notes` says so. A rung asked
// for by name whose encoder is missing is an error.
Result<LadderOptions> ladder_options(const std::vector<std::string>& rungs, const std::string& encoder,
                                     std::size_t tokens_max, const App& app, std::vector<std::string>& notes);

}  // namespace smidgen
