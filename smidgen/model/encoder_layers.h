// The parts an encoder body is made of. A precision lives in here and nowhere else: the forward pass (encoder_body.cc)
// moves Activations between LinearLayers and Norms and never looks inside.
//
// Today everything is f32. A layer that multiplies in another precision packs its weights so in pack_at(), asks its
// input for the form it needs, and a Norm, which has the rows at hand anyway, may leave that form ready beside the
// floats.
#pragma once

#include <cstddef>
#include <vector>

#include "smidgen/model/activation.h"
#include "smidgen/tensor/packed_matrix.h"

namespace smidgen {

// A matrix of activations, (rows, width), row after row. Grows to the largest seen.
class Activations {
 public:
  void resize(std::size_t rows, std::size_t width);  // the contents are lost when it grows
  std::size_t rows() const { return rows_; }
  std::size_t width() const { return width_; }
  float* f32() { return values_.get(); }
  const float* f32() const { return values_.get(); }

 private:
  AlignedFloats values_;
  std::size_t rows_ = 0, width_ = 0, capacity_ = 0;
};

// A linear layer as it lies in a checkpoint.
struct LinearWeights {
  std::size_t in = 0, out = 0;
  std::vector<float> weight;  // (out, in)
  std::vector<float> bias;    // (out), or empty
};

class LinearLayer {
 public:
  LinearLayer() = default;
  static LinearLayer pack(const Kernels& kernels, LinearWeights weights);
  // Packs at `next`, which moves on by packed_floats(): layers used one after another lie in one block, so that the end
  // of one already fetches the start of the next. The block must outlive them.
  static LinearLayer pack_at(float*& next, const Kernels& kernels, LinearWeights weights);
  static std::size_t packed_floats(const Kernels& kernels, const LinearWeights& weights);

  std::size_t in() const { return matrix_.k(); }
  std::size_t out() const { return matrix_.n(); }
  // y = activation(x W + bias) + residual. x: (rows, in); y becomes (rows, out) and may be the residual, which may be
  // null and needs Activation::kNone or kGelu.
  void apply(const Activations& x, Activation activation, const Activations* residual, Activations& y) const;

 private:
  PackedMatrix matrix_;  // (in, out)
  std::vector<float> bias_;
};

struct NormWeights {
  std::vector<float> gain, bias;  // (width)
};

// Layer norm over each row (Ba et al. 2016).
class Norm {
 public:
  Norm() = default;
  Norm(const Kernels& kernels, NormWeights weights, float epsilon);
  void apply(const Activations& x, Activations& y) const;  // y may be x

 private:
  const Kernels* kernels_ = nullptr;
  NormWeights weights_;
  float epsilon_ = 0;
};

// GeGLU (Shazeer 2020): y = activation(left half of a row) * right half. x: (rows, 2 n), destroyed; y becomes (rows,
// n).
void gate(const Kernels& kernels, Activation activation, Activations& x, Activations& y);

// Attention in which token i sees token j only when |i - j| <= window. call.workspace: t floats are enough.
void local_attention(const Kernels& kernels, const AttentionCall& call, std::size_t window);

}  // namespace smidgen
