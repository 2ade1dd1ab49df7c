#include "smidgen/model/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "smidgen/base/exponential.h"

namespace smidgen {
namespace {

constexpr std::size_t kLabelsOnStack = 256;
constexpr double kParameterMax = 1e6;  // beyond any fit; keeps every sum of products finite
constexpr std::size_t kStagesMax = 64;

bool acceptable(float value) {
  return std::isfinite(value) && std::abs(static_cast<double>(value)) <= kParameterMax;
}

// softmax into floats; logits (labels) is overwritten.
void softmax(std::span<double> logits, std::span<float> probabilities) {
  double largest = logits[0];
  for (const double logit : logits) largest = std::max(largest, logit);
  double sum = 0;
  for (double& logit : logits) {
    logit = exp_portable(logit - largest);
    sum += logit;
  }
  for (std::size_t l = 0; l < logits.size(); ++l) probabilities[l] = static_cast<float>(logits[l] / sum);
}

Error broken(std::size_t stage, std::string_view what) {
  return Error::bad_data(fmt::format("policy stage {}: {}", stage, what))
      .hint("the bundle is damaged or was edited; pick or train it again");
}

}  // namespace

void blend_stage(const Stage& stage, std::span<const float> scores, std::span<float> probabilities) {
  const std::size_t labels = probabilities.size();
  SMIDGEN_CHECK(labels > 0 && scores.size() == stage.weights.size() * labels);
  SMIDGEN_CHECK(stage.bias.empty() || stage.bias.size() == labels);
  double small[kLabelsOnStack];
  std::vector<double> large(labels > kLabelsOnStack ? labels : 0);
  const std::span<double> logits(large.empty() ? small : large.data(), labels);
  if (stage.bias.empty()) {
    std::fill(logits.begin(), logits.end(), 0.0);
  } else {
    std::copy(stage.bias.begin(), stage.bias.end(), logits.begin());
  }
  for (std::size_t rung = 0; rung < stage.weights.size(); ++rung) {
    const double weight = stage.weights[rung];
    if (weight == 0) continue;
    const std::span<const float> own = scores.subspan(rung * labels, labels);
    for (std::size_t l = 0; l < labels; ++l) logits[l] += weight * static_cast<double>(own[l]);
  }
  softmax(logits, probabilities);
}

std::uint32_t top_label(std::span<const float> probabilities) {
  std::size_t best = 0;
  for (std::size_t l = 1; l < probabilities.size(); ++l) {
    if (probabilities[l] > probabilities[best]) best = l;
  }
  return static_cast<std::uint32_t>(best);
}

void Policy::blend(std::size_t stage, std::span<const float> scores, std::span<float> probabilities) const {
  blend_stage(stages[stage], scores, probabilities);
}

bool Policy::decide_at(std::size_t stage, std::span<const float> scores, std::span<float> probabilities,
                       Decision& decision) const {
  blend(stage, scores, probabilities);
  const std::uint32_t label = top_label(probabilities);
  const bool kept = leaves(stages[stage].threshold, probabilities[label]);
  decision = {label, static_cast<std::uint32_t>(stage), probabilities[label], !kept};
  return kept || stage + 1 == stages.size();
}

Decision Policy::decide(std::span<const float> scores, std::span<float> probabilities) const {
  const std::size_t labels = probabilities.size();
  SMIDGEN_CHECK(!stages.empty() && scores.size() == stages.size() * labels);
  Decision decision;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    if (decide_at(stage, scores.first((stage + 1) * labels), probabilities, decision)) break;
  }
  return decision;
}

Status Policy::validate(std::size_t labels) const {
  if (stages.empty() || stages.size() > kStagesMax) {
    return Error::bad_data(fmt::format("a policy needs 1..{} stages, this one has {}", kStagesMax, stages.size()));
  }
  if (labels == 0) return Error::bad_data("a policy needs at least one label");
  for (std::size_t j = 0; j < stages.size(); ++j) {
    const Stage& stage = stages[j];
    if (stage.weights.size() != j + 1) {
      return broken(j, fmt::format("{} weights where {} are needed", stage.weights.size(), j + 1));
    }
    if (!stage.bias.empty() && stage.bias.size() != labels) {
      return broken(j, fmt::format("{} bias values for {} labels", stage.bias.size(), labels));
    }
    if (!std::all_of(stage.weights.begin(), stage.weights.end(), acceptable)) {
      return broken(j, "a weight is not a number within 1e6");
    }
    if (!std::all_of(stage.bias.begin(), stage.bias.end(), acceptable)) {
      return broken(j, "a bias value is not a number within 1e6");
    }
    if (!std::isfinite(stage.threshold) || stage.threshold < 0) {
      return broken(j, "the threshold must be a number, 0 or more");
    }
  }
  return Ok{};
}

}  // namespace smidgen
