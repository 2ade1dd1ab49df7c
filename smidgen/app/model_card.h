// README.md of a bundle: what it does, how to run it, what was measured, what is certified and under which assumptions.
// It travels with the bundle, so it holds no row of the data and no path of the machine.
#pragma once

#include <string>

#include "smidgen/learn/pick_report.h"

namespace smidgen {

std::string render_model_card(const PickReport& report);

}  // namespace smidgen
