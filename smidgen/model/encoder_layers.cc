#include "smidgen/model/encoder_layers.h"

#include <algorithm>
#include <utility>

#include "smidgen/base/result.h"

namespace smidgen {

void Activations::resize(std::size_t rows, std::size_t width) {
  rows_ = rows;
  width_ = width;
  if (rows * width <= capacity_) return;
  capacity_ = rows * width;
  values_ = allocate_floats(capacity_);
}

std::size_t LinearLayer::packed_floats(const Kernels& kernels, const LinearWeights& weights) {
  return PackedMatrix::packed_floats(kernels, weights.in, weights.out);
}

LinearLayer LinearLayer::pack_at(float*& next, const Kernels& kernels, LinearWeights weights) {
  LinearLayer layer;
  layer.matrix_ = PackedMatrix::pack_into(next, kernels, weights.weight.data(), weights.in, weights.out, 1, weights.in);
  layer.bias_ = std::move(weights.bias);
  next += packed_floats(kernels, weights);
  return layer;
}

LinearLayer LinearLayer::pack(const Kernels& kernels, LinearWeights weights) {
  LinearLayer layer;
  layer.matrix_ = PackedMatrix::pack(kernels, weights.weight.data(), weights.in, weights.out, 1, weights.in);
  layer.bias_ = std::move(weights.bias);
  return layer;
}

void LinearLayer::apply(const Activations& x, Activation activation, const Activations* residual,
                        Activations& y) const {
  const bool fused = activation == Activation::kNone || activation == Activation::kGelu;
  SMIDGEN_CHECK(x.width() == in() && (residual == nullptr || (fused && residual->width() == out())));
  const std::size_t rows = x.rows();
  y.resize(rows, out());
  GemmCall call;
  call.a = x.f32();
  call.a_stride = in();
  call.panels = matrix_.panels();
  call.m = rows;
  call.n = out();
  call.k = in();
  call.bias = bias_.empty() ? nullptr : bias_.data();
  call.gelu = activation == Activation::kGelu;
  call.residual = residual == nullptr ? nullptr : residual->f32();
  call.residual_stride = call.n;
  call.c = y.f32();
  call.c_stride = call.n;
  matrix_.kernels().gemm(call);
  if (!fused) activate(matrix_.kernels(), activation, y.f32(), rows * out());
}

Norm::Norm(const Kernels& kernels, NormWeights weights, float epsilon)
    : kernels_(&kernels), weights_(std::move(weights)), epsilon_(epsilon) {}

void Norm::apply(const Activations& x, Activations& y) const {
  SMIDGEN_CHECK(kernels_ != nullptr && x.width() == weights_.gain.size());
  y.resize(x.rows(), x.width());
  kernels_->layer_norm(x.f32(), x.rows(), x.width(), weights_.gain.data(), weights_.bias.data(), epsilon_, y.f32());
}

void gate(const Kernels& kernels, Activation activation, Activations& x, Activations& y) {
  const std::size_t n = x.width() / 2;
  y.resize(x.rows(), n);
  float *row = x.f32(), *out = y.f32();
  for (std::size_t r = 0; r < x.rows(); ++r, row += 2 * n, out += n) {
    activate(kernels, activation, row, n);
    for (std::size_t i = 0; i < n; ++i) out[i] = row[i] * row[n + i];
  }
}

void local_attention(const Kernels& kernels, const AttentionCall& call, std::size_t window) {
  const std::size_t hidden = call.heads * call.head_dim, stride = 3 * hidden;
  float* scores = call.workspace;
  for (std::size_t head = 0; head < call.heads; ++head) {
    const float* query = call.qkv + head * call.head_dim;
    const float *key = query + hidden, *value = key + hidden;
    for (std::size_t i = 0; i < call.t; ++i) {
      const std::size_t first = i - std::min(i, window), count = std::min(call.t, i + window + 1) - first;
      for (std::size_t j = 0; j < count; ++j)
        scores[j] = kernels.dot(query + i * stride, key + (first + j) * stride, call.head_dim) * call.scale;
      kernels.softmax(scores, count);
      float* out = call.out + i * hidden + head * call.head_dim;
      std::fill(out, out + call.head_dim, 0.0F);
      for (std::size_t j = 0; j < count; ++j) kernels.axpy(scores[j], value + (first + j) * stride, out, call.head_dim);
    }
  }
}

}  // namespace smidgen
