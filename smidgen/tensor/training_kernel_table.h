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
// (i, j) of head h has the dropout index (h t + i) t + j.
struct AttentionStep {
  const float* qkv = nullptr;  // (t, 3 heads head_dim), each row query | key | value
  std::size_t t = 0, heads = 0, head_dim = 0;
  float scale = 1;
  Dropout dropout;
  float* out = nullptr;          // forward: (t, heads head_dim)
  const float* d_out = nullptr;  // backward: the same shape
  float* d_qkv = nullptr;        // backward: the shape of qkv, overwritten
  float* workspace = nullptr;    // training_workspace(t, head_dim) floats
};

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
  void (*add_rows)(const float* x, std::size_t rows, std::size_t n, float* sum);  // sum (n) += the rows of x
  void (*attention)(const AttentionStep& step);
  void (*attention_backward)(const AttentionStep& step);
  void (*dropout)(const Dropout& dropout, std::size_t first_index, float* x, std::size_t n);  // in place
  double (*sum_of_squares)(const float* x, std::size_t n);
  // first, second: the moments' running means, updated with w.
  void (*adam)(const AdamStep& step, const float* gradient, std::size_t n, float* w, float* first, float* second);
  // x to bf16 (nearest even) in the forms products want, rows x_stride floats apart. Panels of a matrix B (k, n) as in
  // encoder_kernel_table.h: B = x (k, n), and B = the transpose of x (n, k).
  void (*pack_rows)(const float* x, std::size_t x_stride, std::size_t k, std::size_t n, std::uint16_t* panels);
  void (*pack_transposed)(const float* x, std::size_t x_stride, std::size_t k, std::size_t n, std::uint16_t* panels);
  // out (n, rows padded with zeros to a multiple of 32), x (rows, n).
  void (*transpose)(const float* x, std::size_t x_stride, std::size_t rows, std::size_t n, std::uint16_t* out);
};

// Floats of scratch: six copies of a head's rows, padded, and two matrices of scores.
constexpr std::size_t training_workspace(std::size_t t, std::size_t head_dim) {
  const std::size_t t_padded = (t + 15) / 16 * 16, d_padded = (head_dim + 15) / 16 * 16;
  return 4 * t * d_padded + 2 * head_dim * t_padded + 2 * t * t_padded + t * d_padded;
}

extern const TrainingKernels kScalarTrainingKernels;
extern const TrainingKernels kAvx2TrainingKernels;
extern const TrainingKernels kAvx512TrainingKernels;

}  // namespace smidgen
