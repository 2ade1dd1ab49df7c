// The plain reference of the kernels of training: one loop per formula, in double.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/training_kernel_table.h"

namespace smidgen {

namespace {

using std::size_t;

void gelu_backward(const float* x, const float* d_y, size_t n, float* d_x) {
  for (size_t i = 0; i < n; ++i) {
    const double value = x[i], cdf = 0.5 * std::erfc(-value / std::sqrt(2.0));
    const double density = std::exp(-value * value / 2) / std::sqrt(2 * 3.14159265358979323846);
    d_x[i] = static_cast<float>(d_y[i] * (cdf + value * density));
  }
}

// With h = (x - mean) / deviation and g = d_y gain:  d_x = (g - mean(g) - h mean(g h)) / deviation.
void layer_norm_backward(const float* x, const float* d_y, size_t rows, size_t n, const float* gain, float epsilon,
                         float* d_x, float* d_gain, float* d_bias) {
  for (size_t row = 0; row < rows; ++row, x += n, d_y += n, d_x += n) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; ++i) mean += x[i];
    mean /= static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
    const double inverse = 1 / std::sqrt(variance / static_cast<double>(n) + epsilon);
    double mean_g = 0, mean_gh = 0;
    for (size_t i = 0; i < n; ++i) {
      const double h = (x[i] - mean) * inverse, g = d_y[i] * static_cast<double>(gain[i]);
      mean_g += g;
      mean_gh += g * h;
      d_gain[i] += static_cast<float>(d_y[i] * h);
      d_bias[i] += d_y[i];
    }
    mean_g /= static_cast<double>(n);
    mean_gh /= static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) {
      const double h = (x[i] - mean) * inverse, g = d_y[i] * static_cast<double>(gain[i]);
      d_x[i] = static_cast<float>((g - mean_g - h * mean_gh) * inverse);
    }
  }
}

void add_rows(const float* x, size_t rows, size_t n, float* sum) {
  for (size_t row = 0; row < rows; ++row)
    for (size_t i = 0; i < n; ++i) sum[i] += x[row * n + i];
}

float kept(const Dropout& dropout, size_t index) {
  return dropout_hash(dropout.key, static_cast<std::uint32_t>(index)) >= dropout.threshold ? dropout.scale : 0.0F;
}

struct Head {
  const float *query, *key, *value;  // rows `stride` apart
  size_t stride, first_index;        // of its dropout
};
Head head_of(const AttentionStep& s, size_t head) {
  const size_t hidden = s.heads * s.head_dim;
  const float* query = s.qkv + head * s.head_dim;
  return {query, query + hidden, query + 2 * hidden, 3 * hidden, head * s.t * s.t};
}

// p (t) = softmax(scale q_i K^T), before dropout.
void probabilities(const AttentionStep& s, const Head& head, size_t i, float* p) {
  double highest = -1e300, sum = 0;
  for (size_t j = 0; j < s.t; ++j) {
    double score = 0;
    for (size_t c = 0; c < s.head_dim; ++c)
      score += static_cast<double>(head.query[i * head.stride + c]) * head.key[j * head.stride + c];
    p[j] = static_cast<float>(score * s.scale);
    highest = p[j] > highest ? p[j] : highest;
  }
  for (size_t j = 0; j < s.t; ++j) sum += std::exp(p[j] - highest);
  for (size_t j = 0; j < s.t; ++j) p[j] = static_cast<float>(std::exp(p[j] - highest) / sum);
}

void attention(const AttentionStep& s) {
  float* p = s.workspace;
  for (size_t h = 0; h < s.heads; ++h) {
    const Head head = head_of(s, h);
    for (size_t i = 0; i < s.t; ++i) {
      probabilities(s, head, i, p);
      for (size_t c = 0; c < s.head_dim; ++c) {
        double sum = 0;
        for (size_t j = 0; j < s.t; ++j)
          sum += static_cast<double>(p[j]) * kept(s.dropout, head.first_index + i * s.t + j) *
                 head.value[j * head.stride + c];
        s.out[(i * s.heads + h) * s.head_dim + c] = static_cast<float>(sum);
      }
    }
  }
}

// With P the probabilities and M the dropout mask: dV = (P M)^T dO, dP = (dO V^T) M,
// dS = P (dP - rowsum(dP P)) scale, dQ = dS K, dK = dS^T Q.
void attention_backward(const AttentionStep& s) {
  const size_t hidden = s.heads * s.head_dim;
  float *p = s.workspace, *d_p = p + s.t;
  for (size_t i = 0; i < s.t * 3 * hidden; ++i) s.d_qkv[i] = 0;
  for (size_t h = 0; h < s.heads; ++h) {
    const Head head = head_of(s, h);
    for (size_t i = 0; i < s.t; ++i) {
      probabilities(s, head, i, p);
      const float* d_out = s.d_out + i * hidden + h * s.head_dim;
      double total = 0;
      for (size_t j = 0; j < s.t; ++j) {
        const float mask = kept(s.dropout, head.first_index + i * s.t + j);
        float* d_value = s.d_qkv + j * 3 * hidden + 2 * hidden + h * s.head_dim;
        double sum = 0;
        for (size_t c = 0; c < s.head_dim; ++c) {
          sum += static_cast<double>(d_out[c]) * head.value[j * head.stride + c];
          d_value[c] += p[j] * mask * d_out[c];
        }
        d_p[j] = static_cast<float>(sum) * mask;
        total += static_cast<double>(d_p[j]) * p[j];
      }
      float* d_query = s.d_qkv + i * 3 * hidden + h * s.head_dim;
      for (size_t j = 0; j < s.t; ++j) {
        const float d_score = static_cast<float>(p[j] * (d_p[j] - total) * s.scale);
        float* d_key = s.d_qkv + j * 3 * hidden + hidden + h * s.head_dim;
        for (size_t c = 0; c < s.head_dim; ++c) {
          d_query[c] += d_score * head.key[j * head.stride + c];
          d_key[c] += d_score * head.query[i * head.stride + c];
        }
      }
    }
  }
}

void dropout(const Dropout& dropout, size_t first_index, float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] *= kept(dropout, first_index + i);
}

double sum_of_squares(const float* x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

void adam(const AdamStep& s, const float* gradient, size_t n, float* w, float* first, float* second) {
  for (size_t i = 0; i < n; ++i) {
    const float g = gradient[i] * s.gradient_scale;
    first[i] = s.beta1 * first[i] + (1 - s.beta1) * g;
    second[i] = s.beta2 * second[i] + (1 - s.beta2) * g * g;
    const float step = first[i] * s.correction1 / (std::sqrt(second[i] * s.correction2) + s.epsilon);
    w[i] -= s.rate * (step + s.decay * w[i]);
  }
}

std::uint16_t bf16_of(float x) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

// Where element (i, j) of B (k, n) stands in its panels.
size_t panel_place(size_t k, size_t i, size_t j) {
  const size_t lines = bf16_row_bytes(k) / 4;
  return (j / kLowPanelColumns * lines + i / 2) * 32 + j % kLowPanelColumns * 2 + i % 2;
}

void pack_rows(const float* x, size_t x_stride, size_t k, size_t n, std::uint16_t* panels) {
  for (size_t i = 0; i < padded_to(n, kLowPairColumns) * bf16_row_bytes(k) / 2; ++i) panels[i] = 0;
  for (size_t i = 0; i < k; ++i)
    for (size_t j = 0; j < n; ++j) panels[panel_place(k, i, j)] = bf16_of(x[i * x_stride + j]);
}

void pack_transposed(const float* x, size_t x_stride, size_t k, size_t n, std::uint16_t* panels) {
  for (size_t i = 0; i < padded_to(n, kLowPairColumns) * bf16_row_bytes(k) / 2; ++i) panels[i] = 0;
  for (size_t i = 0; i < k; ++i)
    for (size_t j = 0; j < n; ++j) panels[panel_place(k, i, j)] = bf16_of(x[j * x_stride + i]);
}

void transpose(const float* x, size_t x_stride, size_t rows, size_t n, std::uint16_t* out) {
  const size_t width = bf16_row_bytes(rows) / 2;
  for (size_t j = 0; j < n; ++j)
    for (size_t i = 0; i < width; ++i) out[j * width + i] = i < rows ? bf16_of(x[i * x_stride + j]) : 0;
}

}  // namespace

const TrainingKernels kScalarTrainingKernels = {
    "scalar",       gelu_backward, layer_norm_backward, add_rows,        attention, attention_backward, dropout,
    sum_of_squares, adam,          pack_rows,           pack_transposed, transpose};

}  // namespace smidgen
