// Policy: which rung answers which row. Scores in, decision out. learn/ certifies exactly the function that run uses.
//
// A row climbs the stages in order. At stage j the scores of rungs 0..j are stacked and calibrated:
//   p_j = softmax( sum_{i<=j} weight[i] * logp_i + bias )
// which covers a single rung (one weight = inverse temperature: Guo et al., "On Calibration of Modern Neural Networks",
// 2017), vector scaling (bias) and blending (several weights: logarithmic opinion pool). The row leaves at the first
// stage whose largest probability reaches that stage's threshold; a row that no stage keeps is escalated, with the last
// stage's label as best guess.
//
// The arithmetic is fixed to the bit: doubles added in rung order, an exponential of our own (base/exponential.h), one
// rounding to float at the end. Equal scores give equal decisions in any batch, thread and processor.
//
//   Policy policy;                                    // linear alone, answers when it is 90 % sure
//   policy.stages = {{.weights = {1.3F}, .bias = {}, .threshold = 0.9}};
//   Decision decision = policy.decide(scores, probabilities);
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

// The threshold of a stage that is only there to be stacked by later ones, and of a last stage that escalates all.
inline constexpr double kNeverLeave = 2;

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

// The pieces decide_at is made of, for those who sweep thresholds over cached probabilities.
void blend_stage(const Stage& stage, std::span<const float> scores, std::span<float> probabilities);
std::uint32_t top_label(std::span<const float> probabilities);  // the largest; the lowest index among equals
inline bool leaves(double threshold, float confidence) {
  return static_cast<double>(confidence) >= threshold;
}

}  // namespace smidgen
