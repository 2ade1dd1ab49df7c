#include "smidgen/model/encoder_layers.h"

#include <algorithm>
#include <utility>

#include "smidgen/base/result.h"

namespace smidgen {

namespace {

void grow(AlignedFloats& block, std::size_t& capacity, std::size_t floats) {
  if (floats <= capacity) return;
  capacity = floats;
  block = allocate_floats(floats);
}

}  // namespace

void Activations::resize(std::size_t rows, std::size_t width, Precision form) {
  SMIDGEN_CHECK(form != Precision::kInt8);
  rows_ = rows;
  width_ = width;
  forms_ = bit(form);
  if (form == Precision::kF32) return grow(floats_, floats_size_, rows * width);
  static_cast<void>(add_bf16());
  // Products write `width` numbers of a row; what is behind them is read as zeros.
  for (std::size_t row = 0; width < bf16_stride() && row < rows; ++row)
    std::fill(bf16() + row * bf16_stride() + width, bf16() + (row + 1) * bf16_stride(), std::uint16_t{0});
}

QuantizeCall Activations::add_int8() const {
  const std::size_t stride = int8_row_bytes(width_);
  forms_ |= bit(Precision::kInt8);
  grow(bytes_, bytes_size_, rows_ * stride / sizeof(float));
  if (scales_.size() < rows_) {
    scales_.resize(rows_);
    corrections_.resize(rows_);
  }
  QuantizeCall call;
  call.rows = rows_;
  call.n = width_;
  call.out = reinterpret_cast<std::int8_t*>(bytes_.get());
  call.out_stride = stride;
  call.scales = scales_.data();
  call.corrections = corrections_.data();
  return call;
}

RoundCall Activations::add_bf16() const {
  forms_ |= bit(Precision::kBf16);
  grow(halves_, halves_size_, rows_ * bf16_row_bytes(width_) / sizeof(float));
  return {nullptr, rows_, width_, width_, reinterpret_cast<std::uint16_t*>(halves_.get()), bf16_row_bytes(width_)};
}

void Activations::need(Precision form, const EncoderKernels& kernels, const float* factors) const {
  if (has(form)) return;
  SMIDGEN_CHECK(has(Precision::kF32) || (form == Precision::kInt8 && has(Precision::kBf16)));
  if (form == Precision::kBf16) {
    RoundCall call = add_bf16();
    call.x = f32();
    return kernels.round(call);
  }
  QuantizeCall call = add_int8();
  call.factors = factors;
  if (has(Precision::kF32)) {
    call.x = f32();
    call.x_stride = width_;
  } else {
    call.x_bf16 = bf16();
    call.x_stride = bf16_stride();
  }
  kernels.quantize(call);
}

void Activations::as_operand(Precision form, LowProduct& call) const {
  SMIDGEN_CHECK(has(form));
  call.m = rows_;
  call.a = form == Precision::kInt8 ? bytes_.get() : halves_.get();
  call.a_stride = LowMatrix::row_bytes(form, width_);
  call.a_scales = scales_.data();
  call.a_corrections = corrections_.data();
}

std::size_t LinearLayer::packed_floats(const Kernels& kernels, Precision precision, const LinearWeights& weights) {
  return precision == Precision::kF32 ? PackedMatrix::packed_floats(kernels, weights.in, weights.out)
                                      : LowMatrix::packed_floats(precision, weights.in, weights.out);
}

LinearLayer LinearLayer::pack_at(float*& next, const Kernels& kernels, Precision precision, LinearWeights weights,
                                 std::vector<float> factors) {
  SMIDGEN_CHECK(factors.empty() || (precision == Precision::kInt8 && factors.size() == weights.in));
  LinearLayer layer;
  layer.kernels_ = &kernels;
  layer.precision_ = precision;
  layer.in_ = weights.in;
  layer.out_ = weights.out;
  if (precision == Precision::kF32) {
    layer.matrix_ =
        PackedMatrix::pack_into(next, kernels, weights.weight.data(), weights.in, weights.out, 1, weights.in);
    layer.bias_ = std::move(weights.bias);
  } else {
    layer.low_ = LowMatrix::pack_into(next, precision, weights.weight.data(), weights.in, weights.out, 1, weights.in,
                                      weights.bias.empty() ? nullptr : weights.bias.data());
  }
  layer.factors_ = std::move(factors);
  next += packed_floats(kernels, precision, weights);
  return layer;
}

LinearLayer LinearLayer::pack(const Kernels& kernels, LinearWeights weights) {
  LinearLayer layer;
  layer.kernels_ = &kernels;
  layer.in_ = weights.in;
  layer.out_ = weights.out;
  layer.matrix_ = PackedMatrix::pack(kernels, weights.weight.data(), weights.in, weights.out, 1, weights.in);
  layer.bias_ = std::move(weights.bias);
  return layer;
}

void LinearLayer::apply(const Activations& x, Activation activation, const Activations* residual, Activations& y,
                        Precision form) const {
  const bool fused = activation == Activation::kNone || activation == Activation::kGelu;
  SMIDGEN_CHECK(kernels_ != nullptr && x.width() == in_);
  SMIDGEN_CHECK(residual == nullptr || (fused && residual->width() == out_));
  const bool gelu = activation == Activation::kGelu;
  if (precision_ == Precision::kF32) {
    y.resize(x.rows(), out_);
    multiply_f32(x, gelu, residual, y);
  } else {
    y.resize(x.rows(), out_, fused && form != Precision::kF32 ? Precision::kBf16 : Precision::kF32);
    multiply_low(x, gelu, residual, y);
  }
  if (!fused) activate(*kernels_, activation, y.f32(), y.rows() * out_);
}

void LinearLayer::multiply_f32(const Activations& x, bool gelu, const Activations* residual, Activations& y) const {
  GemmCall call;
  call.a = x.f32();
  call.a_stride = in_;
  call.panels = matrix_.panels();
  call.m = x.rows();
  call.n = out_;
  call.k = in_;
  call.bias = bias_.empty() ? nullptr : bias_.data();
  call.gelu = gelu;
  call.residual = residual == nullptr ? nullptr : residual->f32();
  call.residual_stride = out_;
  call.c = y.f32();
  call.c_stride = out_;
  kernels_->gemm(call);
}

void LinearLayer::multiply_low(const Activations& x, bool gelu, const Activations* residual, Activations& y) const {
  const EncoderKernels& table = *kernels_->encoder;
  x.need(precision_, table, factors());
  LowProduct call = low_.product();
  x.as_operand(precision_, call);
  call.gelu = gelu;
  call.residual = residual == nullptr ? nullptr : residual->f32();
  call.residual_stride = out_;
  if (y.has(Precision::kBf16)) {
    call.c_bf16 = y.bf16();
    call.c_stride = y.bf16_stride();
  } else {
    call.c = y.f32();
    call.c_stride = out_;
  }
  precision_ == Precision::kInt8 ? table.int8_product(call) : table.bf16_product(call);
}

Norm::Norm(const Kernels& kernels, NormWeights weights, float epsilon)
    : kernels_(&kernels), weights_(std::move(weights)), epsilon_(epsilon) {}

void Norm::apply(const Activations& x, Activations& y, const LinearLayer* next) const {
  SMIDGEN_CHECK(kernels_ != nullptr && x.width() == weights_.gain.size());
  y.resize(x.rows(), x.width());
  const NormCall norm = {x.f32(), x.rows(), x.width(), weights_.gain.data(), weights_.bias.data(), epsilon_, y.f32()};
  const Precision form = next == nullptr ? Precision::kF32 : next->precision();
  if (form == Precision::kF32)
    return kernels_->layer_norm(norm.x, norm.rows, norm.n, norm.gain, norm.bias, epsilon_, norm.out);
  if (form == Precision::kBf16) return kernels_->encoder->norm_round(norm, y.add_bf16());
  QuantizeCall call = y.add_int8();
  call.factors = next->factors();
  kernels_->encoder->norm_quantize(norm, call);
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
  const std::size_t hidden = call.hidden, stride = 3 * hidden;
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
