// Kernels of training: the backward passes of the encoder's operations and the optimizer's step. Raw pointers only; one
// table per instruction set, as in kernel_table.h and under the same rules for includes
// (training_kernels_{scalar,avx2,avx512}.cc). Matrix products come from kernel_table.h.
//
// d_x stands for the derivative of the loss with respect to x, and has the shape of x.
#pragma once

#include <cstddef>
#include <cstdint>

#include "smidgen/tensor/encoder_kernel_table.h"

namespace smidgen {

// Inverted dropout (Srivastava et al., "Dropout", 2014): element i is kept when dropout_hash(key, i) >= threshold, and
// then multiplied by `scale` = 1 / (probability of being kept). The mask is a function of key and index, so that the
// backward pass makes it again instead of storing it, and the number of threads cannot change it.
struct Dropout {
  std::uint32_t key = 0;
  std::uint32_t threshold = 0;  // probability of being dropped times 2^32; 0: everything is kept
  float scale = 1;
};
// The finalizer of MurmurHash3 (Appleby, 2008) over a Weyl sequence.
constexpr std::uint32_t dropout_hash(std::uint32_t key, std::uint32_t index) {
  std::uint32_t h = index * 0x9e3779b1U + key;
  h = (h ^ (h >> 16)) * 0x85ebca6bU;
  h = (h ^ (h >> 13)) * 0xc2b2ae35U;
  return h ^ (h >> 16);
}

// Self-attention of one sequence, as AttentionCall (kernel_table.h), with dropout of the probabilities. The element
// (i, j) of head h has the dropout index (h t + i) t + j. Rows are `qkv_stride` and `out_stride` elements apart. T is
// float, or std::uint16_t for bf16: then what is read and written is rounded, and everything between is f32.
template <class T>
struct AttentionStepOf {
  const T* qkv = nullptr;  // (t, 3 heads head_dim), each row query | key | value
  std::size_t qkv_stride = 0, out_stride = 0;
  std::size_t t = 0, heads = 0, head_dim = 0;
  float scale = 1;
  Dropout dropout;
  T* out = nullptr;            // forward: (t, heads head_dim)
  const T* d_out = nullptr;    // backward: the same shape
  T* d_qkv = nullptr;          // backward: the shape of qkv, overwritten
  float* workspace = nullptr;  // training_workspace(t, head_dim) floats
};
using AttentionStep = AttentionStepOf<float>;
using LowAttentionStep = AttentionStepOf<std::uint16_t>;

// One step of AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2).
struct AdamStep {
  float gradient_scale = 1;  // of gradient clipping
  float rate = 0;            // learning rate of this step
  float decay = 0;           // weight decay, times rate
  float beta1 = 0.9F, beta2 = 0.999F, epsilon = 1e-8F;
  float correction1 = 1, correction2 = 1;  // 1 / (1 - beta^step)
};

struct TrainingKernels {
  const char* name;
  // d_x = d_y (Phi(x) + x phi(x)); d_x may be d_y. Absolute error 5e-7 |d_y|.
  void (*gelu_backward)(const float* x, const float* d_y, std::size_t n, float* d_x);
  // Of Kernels::layer_norm over rows (rows, n) of its input x. d_gain, d_bias (n): added to. d_x may be d_y.
  void (*layer_norm_backward)(const float* x, const float* d_y, std::size_t rows, std::size_t n, const float* gain,
                              float epsilon, float* d_x, float* d_gain, float* d_bias);
  // sum (n) += the rows of x (rows, n), x_stride apart
  void (*add_rows)(const float* x, std::size_t x_stride, std::size_t rows, std::size_t n, float* sum);
  void (*attention)(const AttentionStep& step);
  void (*attention_backward)(const AttentionStep& step);
  // out = x times the mask; out may be x
  void (*dropout)(const Dropout& dropout, std::size_t first_index, const float* x, std::size_t n, float* out);
  // x = x times the mask + residual
  void (*dropout_add)(const Dropout& dropout, std::size_t first_index, const float* residual, float* x, std::size_t n);
  double (*sum_of_squares)(const float* x, std::size_t n);
  // first, second: the moments' running means, updated with w.
  void (*adam)(const AdamStep& step, const float* gradient, std::size_t n, float* w, float* first, float* second);
  // out (n, rows), rows out_stride apart, = x (rows, n) transposed.
  void (*transpose)(const float* x, std::size_t x_stride, std::size_t rows, std::size_t n, float* out,
                    std::size_t out_stride);
  // x to bf16 (nearest even) as the panels of a matrix B (k, n), encoder_kernel_table.h, `panel_stride` elements apart:
  // B = x (k, n), and B = the transpose of x (n, k). Rows of x are x_stride floats apart.
  void (*pack_rows)(const float* x, std::size_t x_stride, std::size_t k, std::size_t n, std::uint16_t* panels,
                    std::size_t panel_stride);
  void (*pack_transposed)(const float* x, std::size_t x_stride, std::size_t k, std::size_t n, std::uint16_t* panels,
                          std::size_t panel_stride);

  // The same over bf16, computed in f32 and rounded.
  void (*low_attention)(const LowAttentionStep& step);
  void (*low_attention_backward)(const LowAttentionStep& step);
  // y = x Phi(x), to 4e-5 max(1, |x|), and d_x = d_y times its derivative, to 3e-4 |d_y|: both less than a rounding to
  // bf16. d_x may be d_y.
  void (*low_gelu)(const std::uint16_t* x, std::size_t n, std::uint16_t* y);
  void (*low_gelu_backward)(const std::uint16_t* x, const std::uint16_t* d_y, std::size_t n, std::uint16_t* d_x);
  // out = x (rows, n) times the mask, in bf16, rows out_stride apart.
  void (*low_dropout)(const Dropout& dropout, std::size_t first_index, const float* x, std::size_t rows, std::size_t n,
                      std::uint16_t* out, std::size_t out_stride);
  void (*low_add_rows)(const std::uint16_t* x, std::size_t x_stride, std::size_t rows, std::size_t n, float* sum);
  // out (n, rows padded with zeros to a multiple of 32), rows out_stride apart, = x (rows, n) transposed.
  void (*low_transpose)(const std::uint16_t* x, std::size_t x_stride, std::size_t rows, std::size_t n,
                        std::uint16_t* out, std::size_t out_stride);
  // Panels of B = x (k, n), as pack_rows.
  void (*low_pack_rows)(const std::uint16_t* x, std::size_t x_stride, std::size_t k, std::size_t n,
                        std::uint16_t* panels, std::size_t panel_stride);
};

// Elements of a panel of bf16 that has k rows.
constexpr std::size_t low_panel_halves(std::size_t k) {
  return bf16_row_bytes(k) / 2 * kLowPanelColumns;
}

// Floats of scratch: six copies of a head's rows, padded, and two matrices of scores.
constexpr std::size_t training_workspace(std::size_t t, std::size_t head_dim) {
  const std::size_t t_padded = (t + 15) / 16 * 16, d_padded = (head_dim + 15) / 16 * 16;
  return 4 * t * d_padded + 2 * head_dim * t_padded + 2 * t * t_padded + t * d_padded;
}

extern const TrainingKernels kScalarTrainingKernels;
extern const TrainingKernels kAvx2TrainingKernels;
extern const TrainingKernels kAvx512TrainingKernels;

}  // namespace smidgen
