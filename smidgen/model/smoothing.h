// Smoothing of int8 layers: a column of activations that is ten times the others takes the steps of int8 for itself.
// What is quantized is therefore x_j / s_j, and the weights that meet it are w_j s_j: the product is the same, the
// columns are of one size (Xiao, Lin et al., "SmoothQuant", 2023, equation 4: s_j = max |x_j|^a / max |w_j|^(1 - a)).
//
// s is a power of two, so that neither side is rounded by it; a is 0.65, chosen on MiniLM-L6 over 480 texts (mean and
// worst cosine of its vectors to those of f32: 0.9970 and 0.981 without smoothing, 0.9988 and 0.993 with it).
//
// max |x_j| is measured on one sequence of random tokens when a checkpoint is loaded: the channels that stand out do so
// on any text (40 sequences, or real texts, change the mean in the fifth digit). The measurement is floating-point
// arithmetic of the machine at hand, so a bundle carries what was found (`int8_smoothing.json`), and weights
// are the same integers wherever it runs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/encoder_layers.h"

namespace smidgen {

// e of s_j = 2^e_j for each column of a layer's input, -kSmoothingExponentMax..kSmoothingExponentMax.
using SmoothingExponents = std::vector<std::int8_t>;
inline constexpr int kSmoothingExponentMax = 12;

// Of an encoder's layers: what the queries, keys and values of layer i multiply stands at 2 i, what its perceptron
// multiplies at 2 i + 1.
struct Smoothing {
  std::vector<SmoothingExponents> inputs;

  static constexpr const char* kFileName = "int8_smoothing.json";
  // Nothing when `folder` has no such file. kBadData: a file that does not fit `layers` layers of width `hidden`.
  static Result<std::optional<Smoothing>> load(const std::string& folder, std::size_t layers, std::size_t hidden);
  Status save(const std::string& folder) const;
};

// largest: (in), max |x_j|.
SmoothingExponents smoothing_exponents(std::span<const float> largest, const LinearWeights& weights);

// What int8 multiplies instead of x and w: factors (in) of the columns of x, and weights with their columns multiplied
// by the inverse.
std::vector<float> smooth(const SmoothingExponents& exponents, LinearWeights& weights);

}  // namespace smidgen
