// Policy: which rung answers which row. Scores in, decision out. learn/ certifies exactly the function that run uses.
//
// A row climbs the stages in order. At stage j the scores of rungs 0..j are stacked and calibrated:
//   p_j = softmax( sum_{i<=j} weight[i] * logp_i + bias )
// which covers a single rung (one weight = inverse temperature: Guo et al., "On Calibration of Modern Neural Networks",
// 2017), vector scaling (bias) and blending (several weights: logarithmic opinion pool). The row leaves at the first
// stage whose largest probability reaches that stage's threshold; a row that no stage keeps is escalated, with the last
// stage's label as best guess.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

struct Stage {
  std::vector<float> weights;  // one per rung 0..own; a zero for a rung that is not stacked
  std::vector<float> bias;     // one per label, or empty
  double threshold = 0;        // in [0, 1]: leave when confidence >= threshold; above 1: never leave here
};

struct Decision {
  std::uint32_t label = 0;
  std::uint32_t stage = 0;  // the last one reached
  float confidence = 0;     // calibrated probability of `label`
  bool escalated = false;
};

struct Policy {
  std::vector<Stage> stages;  // stage j stacks rungs 0..j and belongs to rung j

  // scores: (j + 1, labels) row-major, log-probabilities of rungs 0..j for one text. Writes probabilities (labels).
  void blend(std::size_t stage, std::span<const float> scores, std::span<float> probabilities) const;
  // One step: true when the row leaves here (kept, or last stage); `decision` is then final.
  bool decide_at(std::size_t stage, std::span<const float> scores, std::span<float> probabilities,
                 Decision& decision) const;
  // All steps at once, from the cached scores of every rung: (stages, labels).
  Decision decide(std::span<const float> scores, std::span<float> probabilities) const;

  // Sizes agree, all numbers finite, thresholds in range.
  Status validate(std::size_t labels) const;
};

}  // namespace smidgen
