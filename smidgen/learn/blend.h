// Which rungs a blend that answers everything stacks: what `train --rung blend` keeps.
//
// All of the ladder, unless leaving rungs out lowers the cross-validated log loss (calibrate.h) by more than one
// standard error of the paired difference: a rung that adds little costs little beside the last one, while the
// difference of two near-equal subsets is noise, and following it makes the answer depend on the seed.
#pragma once

#include <cstdint>
#include <vector>

#include "smidgen/learn/calibrate.h"

namespace smidgen {

struct Blend {
  std::vector<std::size_t> columns;  // rungs of the ladder, rising
  Calibration calibration;           // of the last of them, over all of them
};

// Cross-validates every subset on `rows`.
Blend choose_blend(const ScoredRows& rows, const CalibrationOptions& options, ThreadPool* pool = nullptr);

}  // namespace smidgen
