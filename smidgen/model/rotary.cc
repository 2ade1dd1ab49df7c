#include "smidgen/model/rotary.h"

#include <cmath>

#include "smidgen/base/result.h"

namespace smidgen {

Rotary::Rotary(double theta, std::size_t positions, std::size_t head_dim) : theta_(theta), half_(head_dim / 2) {
  SMIDGEN_CHECK(head_dim >= 2 && head_dim % 2 == 0);
  cos_.reserve(positions * half_);
  sin_.reserve(positions * half_);
  std::vector<float> frequencies(half_);
  for (std::size_t i = 0; i < half_; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequencies[i] = 1.0F / std::pow(static_cast<float>(theta), exponent);
  }
  for (std::size_t position = 0; position < positions; ++position)
    for (const float frequency : frequencies) {
      const float angle = static_cast<float>(position) * frequency;
      cos_.push_back(std::cos(angle));
      sin_.push_back(std::sin(angle));
    }
}

void Rotary::rotate(float* qkv, std::size_t first, std::size_t t, std::size_t heads) const {
  SMIDGEN_CHECK((first + t) * half_ <= cos_.size());
  const std::size_t head_dim = 2 * half_, stride = 3 * heads * head_dim;
  for (std::size_t position = first; position < first + t; ++position, qkv += stride) {
    const float *cos = &cos_[position * half_], *sin = &sin_[position * half_];
    for (std::size_t head = 0; head < 2 * heads; ++head) {  // the queries' heads, then the keys'
      float *left = qkv + head * head_dim, *right = left + half_;
      for (std::size_t i = 0; i < half_; ++i) {
        const float a = left[i], b = right[i];
        left[i] = a * cos[i] - b * sin[i];
        right[i] = b * cos[i] + a * sin[i];
      }
    }
  }
}

}  // namespace smidgen
