// Running another program and waiting for it.
#pragma once

#include <string>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

struct ProcessOutcome {
  int exit_code = 0;   // 128 + signal when it was killed
  std::string output;  // the last 4 kB of its standard output and error together
};

// `arguments[0]` is looked up in PATH. Standard input is /dev/null; output goes to `log`. kUnavailable when the program
// cannot be started.
Result<ProcessOutcome> run_process(const std::vector<std::string>& arguments, const std::string& log);

}  // namespace smidgen
