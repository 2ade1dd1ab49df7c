#include "smidgen/model/softmax_head.h"

#include <algorithm>
#include <cmath>

#include "smidgen/tensor/safetensors.h"

namespace smidgen {

namespace {

constexpr std::size_t kLanes = 16;

// Sixteen running sums, added in a fixed tree: the same bits on every processor, and a loop compilers vectorize.
float dot(const float* a, const float* b, std::size_t n) {
  float sums[kLanes] = {};
  std::size_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[j + lane] * b[j + lane];
  }
  for (std::size_t lane = 0; j < n; ++j, ++lane) sums[lane] += a[j] * b[j];
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0];
}

}  // namespace

void log_softmax(std::span<float> logits) {
  constexpr float kLimit = 1e30F;  // of a logit: keeps differences finite; NaN counts as the lowest
  float top = -kLimit;
  for (float& value : logits) {
    value = value >= -kLimit ? std::min(value, kLimit) : -kLimit;
    top = std::max(top, value);
  }
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value - top));
  const auto shift = static_cast<float>(std::log(sum));
  for (float& value : logits) value = std::max(value - top - shift, kLogProbabilityMin);
}

void SoftmaxHead::log_probabilities(std::span<const float> x, std::span<float> out) const {
  SMIDGEN_CHECK(x.size() == dimensions && out.size() == labels);
  for (std::size_t label = 0; label < labels; ++label) {
    out[label] = bias[label] + dot(x.data(), &weights[label * dimensions], dimensions);
  }
  log_softmax(out);
}

Status SoftmaxHead::save(const std::string& path) const {
  return write_safetensors(path, {{"weight", DType::kF32, {labels, dimensions}, as_bytes(std::span(weights))},
                                  {"bias", DType::kF32, {labels}, as_bytes(std::span(bias))}});
}

Result<SoftmaxHead> SoftmaxHead::load(const std::string& path, std::size_t labels, std::size_t dimensions) {
  SMIDGEN_ASSIGN(const Safetensors file, Safetensors::open(path));
  SoftmaxHead head{labels, dimensions, {}, {}};
  SMIDGEN_ASSIGN(head.weights, file.floats("weight", {labels, dimensions}));
  SMIDGEN_ASSIGN(head.bias, file.floats("bias", {labels}));
  return head;
}

}  // namespace smidgen
