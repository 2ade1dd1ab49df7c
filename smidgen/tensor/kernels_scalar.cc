// The plain reference: one loop per formula, correct on any processor. The other tables are checked against this one.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/encoder_kernel_table.h"
#include "smidgen/tensor/kernel_table.h"

namespace smidgen {

namespace {

constexpr std::size_t kPanel = 16;

float gelu_one(float x) {
  return 0.5F * x * (1.0F + std::erf(x * 0.70710678118654752F));
}

void gemm_row(const GemmCall& call, std::size_t row) {
  const std::size_t a_step = call.a_transposed ? call.a_stride : 1;
  const float* a = call.a + (call.a_transposed ? row : row * call.a_stride);
  for (std::size_t first = 0; first < call.n; first += kPanel) {
    const float* panel = call.panels + first * call.k;
    float sum[kPanel] = {};
    for (std::size_t i = 0; i < call.k; ++i) {
      const float x = a[i * a_step];
      for (std::size_t j = 0; j < kPanel; ++j) sum[j] += x * panel[i * kPanel + j];
    }
    for (std::size_t j = 0; j < kPanel && first + j < call.n; ++j) {
      float value = sum[j] + (call.bias ? call.bias[first + j] : 0.0F);
      if (call.gelu) value = gelu_one(value);
      if (call.residual) value += call.residual[row * call.residual_stride + first + j];
      call.c[row * call.c_stride + first + j] = value;
    }
  }
}

void gemm(const GemmCall& call) {
  for (std::size_t row = 0; row < call.m; ++row) gemm_row(call, row);
}

void softmax(float* x, std::size_t n) {
  if (n == 0) return;
  float top = x[0];
  for (std::size_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - top);
  for (std::size_t i = 0; i < n; ++i) x[i] /= sum;
}

float dot(const float* a, const float* b, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void axpy(float alpha, const float* x, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += alpha * x[i];
}

void attention(const AttentionCall& call) {
  const std::size_t hidden = call.hidden, stride = 3 * hidden;
  float* scores = call.workspace;  // (t)
  for (std::size_t head = 0; head < call.heads; ++head) {
    const float* query = call.qkv + head * call.head_dim;
    const float *key = query + hidden, *value = key + hidden;
    for (std::size_t i = 0; i < call.t; ++i) {
      for (std::size_t j = 0; j < call.t; ++j)
        scores[j] = dot(query + i * stride, key + j * stride, call.head_dim) * call.scale;
      softmax(scores, call.t);
      float* out = call.out + i * hidden + head * call.head_dim;
      for (std::size_t d = 0; d < call.head_dim; ++d) out[d] = 0;
      for (std::size_t j = 0; j < call.t; ++j) axpy(scores[j], value + j * stride, out, call.head_dim);
    }
  }
}

void gelu(float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = gelu_one(x[i]);
}

void layer_norm(const float* x, std::size_t rows, std::size_t n, const float* gain, const float* bias, float epsilon,
                float* out) {
  for (std::size_t row = 0; row < rows; ++row, x += n, out += n) {
    float sum = 0, squares = 0;
    for (std::size_t i = 0; i < n; ++i) sum += x[i];
    const float mean = sum / static_cast<float>(n);
    for (std::size_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float inverse = 1.0F / std::sqrt(squares / static_cast<float>(n) + epsilon);
    for (std::size_t i = 0; i < n; ++i) out[i] = (x[i] - mean) * inverse * gain[i] + bias[i];
  }
}

void mean_rows(const float* x, std::size_t rows, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = 0;
  for (std::size_t row = 0; row < rows; ++row) axpy(1.0F, x + row * n, out, n);
  for (std::size_t i = 0; i < n; ++i) out[i] /= static_cast<float>(rows);
}

}  // namespace

const Kernels kScalarKernels = {"scalar",
                                "scalar",
                                kPanel,
                                1,
                                gemm,
                                attention,
                                gelu,
                                softmax,
                                layer_norm,
                                mean_rows,
                                dot,
                                axpy,
                                &kScalarEncoderKernels};

}  // namespace smidgen
