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

std::uint16_t bf16_of(float x) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}
float value_of(float x) {
  return x;
}
float value_of(std::uint16_t x) {
  const std::uint32_t bits = static_cast<std::uint32_t>(x) << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}
template <class T>
T rounded(double x);
template <>
float rounded<float>(double x) {
  return static_cast<float>(x);
}
template <>
std::uint16_t rounded<std::uint16_t>(double x) {
  return bf16_of(static_cast<float>(x));
}

template <class T>
void add_rows(const T* x, size_t x_stride, size_t rows, size_t n, float* sum) {
  for (size_t row = 0; row < rows; ++row)
    for (size_t i = 0; i < n; ++i) sum[i] += value_of(x[row * x_stride + i]);
}

float kept(const Dropout& dropout, size_t index) {
  return dropout_hash(dropout.key, static_cast<std::uint32_t>(index)) >= dropout.threshold ? dropout.scale : 0.0F;
}

template <class T>
struct Head {
  const T *query, *key, *value;  // rows `stride` apart
  size_t stride, first_index;    // of its dropout
};
template <class T>
Head<T> head_of(const AttentionStepOf<T>& s, size_t head) {
  const size_t hidden = s.heads * s.head_dim;
  const T* query = s.qkv + head * s.head_dim;
  return {query, query + hidden, query + 2 * hidden, s.qkv_stride, head * s.t * s.t};
}

// p (t): softmax over the keys for query i.
template <class T>
void probabilities(const AttentionStepOf<T>& s, const Head<T>& head, size_t i, float* p) {
  float highest = -3e38F;
  double sum = 0;
  for (size_t j = 0; j < s.t; ++j) {
    double score = 0;
    for (size_t c = 0; c < s.head_dim; ++c)
      score += static_cast<double>(value_of(head.query[i * head.stride + c])) *
               static_cast<double>(value_of(head.key[j * head.stride + c]));
    p[j] = static_cast<float>(score * static_cast<double>(s.scale));
    highest = p[j] > highest ? p[j] : highest;
  }
  for (size_t j = 0; j < s.t; ++j) sum += std::exp(static_cast<double>(p[j] - highest));
  for (size_t j = 0; j < s.t; ++j) p[j] = static_cast<float>(std::exp(static_cast<double>(p[j] - highest)) / sum);
}

template <class T>
void attention(const AttentionStepOf<T>& s) {
  float* p = s.workspace;
  for (size_t h = 0; h < s.heads; ++h) {
    const Head<T> head = head_of(s, h);
    for (size_t i = 0; i < s.t; ++i) {
      probabilities(s, head, i, p);
      for (size_t c = 0; c < s.head_dim; ++c) {
        double sum = 0;
        for (size_t j = 0; j < s.t; ++j)
          sum += static_cast<double>(p[j]) * static_cast<double>(kept(s.dropout, head.first_index + i * s.t + j)) *
                 static_cast<double>(value_of(head.value[j * head.stride + c]));
        s.out[i * s.out_stride + h * s.head_dim + c] = rounded<T>(sum);
      }
    }
  }
}

// One head; d_query, d_key, d_value (t, head_dim) start at zero. The formulas stand below.
template <class T>
void head_backward(const AttentionStepOf<T>& s, const Head<T>& head, const T* d_out_of_head, float* p, float* d_query,
                   float* d_key, float* d_value) {
  float* d_p = p + s.t;
  const size_t d = s.head_dim;
  for (size_t i = 0; i < s.t; ++i) {
    probabilities(s, head, i, p);
    const T* d_out = d_out_of_head + i * s.out_stride;
    double total = 0;
    for (size_t j = 0; j < s.t; ++j) {
      const float mask = kept(s.dropout, head.first_index + i * s.t + j);
      double sum = 0;
      for (size_t c = 0; c < d; ++c) {
        sum += static_cast<double>(value_of(d_out[c])) * static_cast<double>(value_of(head.value[j * head.stride + c]));
        d_value[j * d + c] += p[j] * mask * value_of(d_out[c]);
      }
      d_p[j] = static_cast<float>(sum) * mask;
      total += static_cast<double>(d_p[j]) * static_cast<double>(p[j]);
    }
    for (size_t j = 0; j < s.t; ++j) {
      const float d_score = p[j] * (d_p[j] - static_cast<float>(total)) * s.scale;
      for (size_t c = 0; c < d; ++c) {
        d_query[i * d + c] += d_score * value_of(head.key[j * head.stride + c]);
        d_key[j * d + c] += d_score * value_of(head.query[i * head.stride + c]);
      }
    }
  }
}

// With P the probabilities and M the dropout mask: dV = (P M)^T dO, dP = (dO V^T) M,
// dS = P (dP - rowsum(dP P)) scale, dQ = dS K, dK = dS^T Q.
template <class T>
void attention_backward(const AttentionStepOf<T>& s) {
  const size_t hidden = s.heads * s.head_dim, block = s.t * s.head_dim;
  float* parts = s.workspace + 2 * s.t;
  for (size_t h = 0; h < s.heads; ++h) {
    for (size_t i = 0; i < 3 * block; ++i) parts[i] = 0;
    head_backward(s, head_of(s, h), s.d_out + h * s.head_dim, s.workspace, parts, parts + block, parts + 2 * block);
    for (size_t part = 0; part < 3; ++part)
      for (size_t i = 0; i < s.t; ++i)
        for (size_t c = 0; c < s.head_dim; ++c)
          s.d_qkv[i * s.qkv_stride + part * hidden + h * s.head_dim + c] =
              rounded<T>(static_cast<double>(parts[part * block + i * s.head_dim + c]));
  }
}

void dropout(const Dropout& dropout, size_t first_index, const float* x, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = x[i] * kept(dropout, first_index + i);
}

void dropout_add(const Dropout& dropout, size_t first_index, const float* residual, float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] = x[i] * kept(dropout, first_index + i) + residual[i];
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

void transpose(const float* x, size_t x_stride, size_t rows, size_t n, float* out, size_t out_stride) {
  for (size_t j = 0; j < n; ++j)
    for (size_t i = 0; i < rows; ++i) out[j * out_stride + i] = x[i * x_stride + j];
}

// Panels of B (k, n) with element (i, j) of B at x[i * i_step + j * j_step].
template <class T>
void pack(const T* x, size_t i_step, size_t j_step, size_t k, size_t n, std::uint16_t* panels, size_t panel_stride) {
  const size_t rows = bf16_row_bytes(k) / 2;
  for (size_t j = 0; j < padded_to(n, kLowPairColumns); ++j)
    for (size_t i = 0; i < rows; ++i) {
      const size_t place = j / kLowPanelColumns * panel_stride + i / 2 * 32 + j % kLowPanelColumns * 2 + i % 2;
      panels[place] = i < k && j < n ? bf16_of(value_of(x[i * i_step + j * j_step])) : std::uint16_t{0};
    }
}

void pack_rows(const float* x, size_t x_stride, size_t k, size_t n, std::uint16_t* panels, size_t panel_stride) {
  pack(x, x_stride, 1, k, n, panels, panel_stride);
}

void pack_transposed(const float* x, size_t x_stride, size_t k, size_t n, std::uint16_t* panels, size_t panel_stride) {
  pack(x, 1, x_stride, k, n, panels, panel_stride);
}

// --- bf16 ---

void low_gelu(const std::uint16_t* x, size_t n, std::uint16_t* y) {
  for (size_t i = 0; i < n; ++i) {
    const double value = static_cast<double>(value_of(x[i]));
    y[i] = rounded<std::uint16_t>(value * 0.5 * std::erfc(-value / std::sqrt(2.0)));
  }
}

void low_gelu_backward(const std::uint16_t* x, const std::uint16_t* d_y, size_t n, std::uint16_t* d_x) {
  for (size_t i = 0; i < n; ++i) {
    const float value = value_of(x[i]), d = value_of(d_y[i]);
    float slope = 0;
    gelu_backward(&value, &d, 1, &slope);
    d_x[i] = bf16_of(slope);
  }
}

void low_dropout(const Dropout& dropout, size_t first_index, const float* x, size_t rows, size_t n, std::uint16_t* out,
                 size_t out_stride) {
  for (size_t row = 0; row < rows; ++row)
    for (size_t i = 0; i < n; ++i)
      out[row * out_stride + i] = bf16_of(x[row * n + i] * kept(dropout, first_index + row * n + i));
}

void low_transpose(const std::uint16_t* x, size_t x_stride, size_t rows, size_t n, std::uint16_t* out,
                   size_t out_stride) {
  const size_t width = bf16_row_bytes(rows) / 2;
  for (size_t j = 0; j < n; ++j)
    for (size_t i = 0; i < width; ++i) out[j * out_stride + i] = i < rows ? x[i * x_stride + j] : std::uint16_t{0};
}

void low_pack_rows(const std::uint16_t* x, size_t x_stride, size_t k, size_t n, std::uint16_t* panels,
                   size_t panel_stride) {
  pack(x, x_stride, 1, k, n, panels, panel_stride);
}

}  // namespace

const TrainingKernels kScalarTrainingKernels = {"scalar",
                                                gelu_backward,
                                                layer_norm_backward,
                                                add_rows<float>,
                                                attention<float>,
                                                attention_backward<float>,
                                                dropout,
                                                dropout_add,
                                                sum_of_squares,
                                                adam,
                                                transpose,
                                                pack_rows,
                                                pack_transposed,
                                                attention<std::uint16_t>,
                                                attention_backward<std::uint16_t>,
                                                low_gelu,
                                                low_gelu_backward,
                                                low_dropout,
                                                add_rows<std::uint16_t>,
                                                low_transpose,
                                                low_pack_rows};

}  // namespace smidgen
