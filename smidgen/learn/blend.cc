#include "smidgen/learn/blend.h"

#include <utility>

#include "smidgen/learn/score_quality.h"

namespace smidgen {

Blend choose_blend(const ScoredRows& rows, const CalibrationOptions& options, ThreadPool* pool) {
  Blend best;
  std::vector<double> losses_of_all;
  for (std::uint32_t subset = (1U << rows.rungs) - 1; subset > 0; --subset) {  // all of them first
    std::vector<std::size_t> columns;
    for (std::size_t rung = 0; rung < rows.rungs; ++rung)
      if ((subset >> rung & 1U) != 0) columns.push_back(rung);
    Calibration calibration = calibrate(rows, columns, options, pool);
    const std::vector<double> losses = losses_of(calibration, rows.labels);
    if (best.columns.empty()) {
      losses_of_all = losses;
    } else {
      const PairedDifference gain = paired_difference(losses_of_all, losses, rows.units);
      if (gain.mean <= gain.standard_error || calibration.after.log_loss >= best.calibration.after.log_loss) continue;
    }
    best = {columns, std::move(calibration)};
  }
  return best;
}

}  // namespace smidgen
