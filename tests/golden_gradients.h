// Gradients beside those of the reference framework, tests/golden/tiny_*_gradients.safetensors (make_gradients.py).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "smidgen/learn/trainable_encoder.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {

inline std::vector<std::int32_t> golden_integers(const Safetensors& file, const char* name) {
  const TensorView* view = file.find(name);
  std::vector<std::int32_t> values(view->count());
  std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
  return values;
}

inline void expect_gradient(const std::string& name, std::span<const float> got, std::span<const float> wanted) {
  ASSERT_EQ(got.size(), wanted.size()) << name;
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], wanted[i], 1e-4 * std::max(1.0F, std::fabs(wanted[i]))) << name << " at " << i;
}

// Of every parameter; query, key and value, three tensors in the file, are one of them.
inline void expect_golden_gradients(TrainableEncoder& encoder, const Safetensors& file) {
  std::size_t compared = 0;
  for (const TrainableEncoder::View& view : encoder.parameters()) {
    std::vector<float> wanted;
    const std::size_t query = view.name.find("self.query");
    for (const char* part : {"query", "key", "value"}) {
      std::string name = "gradient " + view.name;
      if (query != std::string::npos) name.replace(std::strlen("gradient ") + query + std::strlen("self."), 5, part);
      const TensorView* tensor = file.find(name);
      ASSERT_NE(tensor, nullptr) << name;
      const std::vector<float> values = *file.floats(name, tensor->shape);
      wanted.insert(wanted.end(), values.begin(), values.end());
      if (query == std::string::npos) break;
    }
    expect_gradient(view.name, view.gradient, wanted);
    compared += wanted.size();
  }
  EXPECT_GT(compared, 10000U);
}

// All of an encoder's gradients, one after another.
inline std::vector<float> all_gradients(TrainableEncoder& encoder) {
  std::vector<float> all;
  for (const TrainableEncoder::View& view : encoder.parameters())
    all.insert(all.end(), view.gradient.begin(), view.gradient.end());
  return all;
}

// Rounding rows and weights to 8 bits of mantissa moves a gradient by a few parts in a hundred of its own size, and its
// direction hardly.
inline void expect_same_direction(std::span<const float> exact, std::span<const float> rounded, double least_cosine,
                                  double size_tolerance) {
  ASSERT_EQ(exact.size(), rounded.size());
  double dot = 0, of_exact = 0, of_rounded = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    dot += static_cast<double>(exact[i]) * rounded[i];
    of_exact += static_cast<double>(exact[i]) * exact[i];
    of_rounded += static_cast<double>(rounded[i]) * rounded[i];
  }
  EXPECT_GT(dot / std::sqrt(of_exact * of_rounded), least_cosine);
  EXPECT_NEAR(std::sqrt(of_rounded / of_exact), 1, size_tolerance);
}

}  // namespace smidgen
