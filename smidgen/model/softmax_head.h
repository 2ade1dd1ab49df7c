// A linear map and a softmax: features in, one log-probability per label out. What the encoder and the static rung
// answer with; learn/head_trainer.h fits it (any centring, rotation or scaling of features is folded into the weights).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

// No answer of a rung is surer than this (natural logarithm): keeps blends finite.
inline constexpr float kLogProbabilityMin = -50.0F;

struct SoftmaxHead {
  std::size_t labels = 0, dimensions = 0;
  std::vector<float> weights;  // (labels, dimensions) row-major
  std::vector<float> bias;     // (labels)

  // out[l] = log softmax(weights x + bias)[l], at least kLogProbabilityMin. x: (dimensions), out: (labels). The order
  // of additions is fixed, so equal features give equal bits whatever the batch. Finite for every input, even a
  // non-finite x.
  void log_probabilities(std::span<const float> x, std::span<float> out) const;

  // One file with tensors "weight" (labels, dimensions) and "bias" (labels), f32: the names of torch.nn.Linear.
  Status save(const std::string& path) const;
  // Untrusted: both tensors must be there, of exactly these sizes, f32 and finite.
  static Result<SoftmaxHead> load(const std::string& path, std::size_t labels, std::size_t dimensions);
};

// In place: logits to log-probabilities, as above.
void log_softmax(std::span<float> logits);

}  // namespace smidgen
