// The parts an encoder body is made of. A precision lives in here and nowhere else: the forward pass (encoder_body.cc)
// moves Activations between LinearLayers and Norms and never looks inside.
//
// A low-precision layer (int8 or bf16, tensor/encoder_kernel_table.h) packs its weights so in pack_at() and asks its
// input for the form it multiplies; a Norm, which has the rows at hand anyway, leaves that form ready beside the
// floats. Residuals, norms and what comes out at the end are f32 in every precision.
#pragma once

#include <cstddef>
#include <vector>

#include "smidgen/model/activation.h"
#include "smidgen/tensor/kernels.h"
#include "smidgen/tensor/low_matrix.h"
#include "smidgen/tensor/packed_matrix.h"

namespace smidgen {

// A matrix of activations, (rows, width), row after row, in one or several forms: floats, bf16 (rows padded to
// bf16_row_bytes) and int8 (to int8_row_bytes, with a scale and a sum for each row). Grows to the largest seen.
class Activations {
 public:
  // New contents, which the caller writes in this form; other forms are forgotten.
  void resize(std::size_t rows, std::size_t width, Precision form = Precision::kF32);
  std::size_t rows() const { return rows_; }
  std::size_t width() const { return width_; }
  bool has(Precision form) const { return (forms_ & bit(form)) != 0; }

  float* f32() { return floats_.get(); }
  const float* f32() const { return floats_.get(); }
  std::uint16_t* bf16() { return reinterpret_cast<std::uint16_t*>(halves_.get()); }
  const std::uint16_t* bf16() const { return reinterpret_cast<const std::uint16_t*>(halves_.get()); }
  std::size_t bf16_stride() const { return bf16_row_bytes(width_) / 2; }  // elements

  // Makes this form of the floats (or, for int8, of the bf16) unless it is there; int8 is made of the matrix with its
  // columns times `factors` (width), which may be null. What the matrix says stays the same, hence const; like the rest
  // of a scratch, it is for one thread.
  void need(Precision form, const EncoderKernels& kernels, const float* factors = nullptr) const;
  // As the left operand of a product, in a form it has.
  void as_operand(Precision form, LowProduct& call) const;

  // Room for this form beside the present ones, for a kernel that fills it.
  QuantizeCall add_int8() const;
  RoundCall add_bf16() const;

 private:
  static unsigned bit(Precision form) { return 1U << static_cast<unsigned>(form); }

  std::size_t rows_ = 0, width_ = 0;
  mutable unsigned forms_ = 0;
  AlignedFloats floats_;
  mutable AlignedFloats halves_, bytes_;
  std::size_t floats_size_ = 0;
  mutable std::size_t halves_size_ = 0, bytes_size_ = 0;  // in floats
  mutable std::vector<float> scales_;
  mutable std::vector<std::int32_t> corrections_;
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
  // Alone in its memory, f32: heads and projections, which are small.
  static LinearLayer pack(const Kernels& kernels, LinearWeights weights);
  // Packs at `next`, which moves on by packed_floats(): layers used one after another lie in one block, so that the end
  // of one already fetches the start of the next. The block must outlive them.
  // factors: int8 only, of the columns of its input (smoothing.h); empty: none.
  static LinearLayer pack_at(float*& next, const Kernels& kernels, Precision precision, LinearWeights weights,
                             std::vector<float> factors = {});
  static std::size_t packed_floats(const Kernels& kernels, Precision precision, const LinearWeights& weights);

  Precision precision() const { return precision_; }  // the form of its input that it multiplies
  const float* factors() const { return factors_.empty() ? nullptr : factors_.data(); }
  std::size_t in() const { return in_; }
  std::size_t out() const { return out_; }
  // y = activation(x W + bias) + residual. x: (rows, in); y becomes (rows, out) and may be the residual, which may be
  // null and needs Activation::kNone or kGelu. `form` is a wish: y has floats when they must pass through an activation
  // that is not fused, or when the layer is f32.
  void apply(const Activations& x, Activation activation, const Activations* residual, Activations& y,
             Precision form = Precision::kF32) const;

 private:
  void multiply_f32(const Activations& x, bool gelu, const Activations* residual, Activations& y) const;
  void multiply_low(const Activations& x, bool gelu, const Activations* residual, Activations& y) const;

  const Kernels* kernels_ = nullptr;
  Precision precision_ = Precision::kF32;
  std::size_t in_ = 0, out_ = 0;
  PackedMatrix matrix_;      // (in, out), when f32
  std::vector<float> bias_;  // when f32
  LowMatrix low_;            // otherwise
  std::vector<float> factors_;
};

struct NormWeights {
  std::vector<float> gain, bias;  // (width)
};

// Layer norm over each row (Ba et al. 2016).
class Norm {
 public:
  Norm() = default;
  Norm(const Kernels& kernels, NormWeights weights, float epsilon);
  // y may be x. y has floats, and beside them the rows as `next`, which may be null, multiplies them.
  void apply(const Activations& x, Activations& y, const LinearLayer* next = nullptr) const;

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
