// The table of kernels: raw pointers only, one table per instruction set, filled by kernels_scalar.cc, kernels_avx2.cc
// and kernels_avx512.cc. Those files see nothing but this header, <immintrin.h>, <cstdint> and <cstddef>: an inline
// function of the standard library compiled with AVX-512 flags may be the copy the linker keeps for the whole program,
// and then an older processor dies in std::vector (tests/weak_symbols_test.py guards this).
//
// Rules every kernel keeps:
//  - pointers need no alignment beyond that of float; lengths may be odd or zero;
//  - a row's result depends on that row only, never on how many rows stand beside it, to the bit (batch invariance):
//  each
//    output element is one chain of fused multiply-adds in the order of k, whatever the tile;
//  - its scalar twin (kernels_scalar.cc) gives the same up to rounding; kernels_test.cc compares them.
//
// Packed weights. A matrix B (k, n) is cut into panels of `panel_columns` columns; a panel holds its k rows one after
// another, (panel, k, panel_columns), the last one padded with zeros. A tile of rows of A walks down a panel once with
// all accumulators in registers, so every weight is read from memory once per `rows_max` rows, in a straight line.
#pragma once

#include <cstddef>
#include <cstdint>

namespace smidgen {

// What happens to a finished tile: c = f(a b + bias) + residual.
struct GemmCall {
  const float* a = nullptr;  // (m, k), row stride a_stride; when a_transposed: (k, m), row stride a_stride
  std::size_t a_stride = 0;
  const float* panels = nullptr;  // (k, n) packed
  std::size_t m = 0, n = 0, k = 0;
  const float* bias = nullptr;      // (n), or null
  const float* residual = nullptr;  // (m, n) with row stride residual_stride, or null; may be c itself
  std::size_t residual_stride = 0;
  float* c = nullptr;  // (m, n), row stride c_stride
  std::size_t c_stride = 0;
  bool a_transposed = false;
  bool gelu = false;  // f is GELU in its exact form x Phi(x) instead of the identity
};

// Self-attention of one sequence. qkv: (t, 3 * hidden), each row query | key | value; out: (t, hidden). The first
// `heads` heads are computed: some of the layer's or all, then hidden is heads * head_dim. workspace:
// attention_workspace(t, head_dim) floats.
struct AttentionCall {
  const float* qkv = nullptr;
  std::size_t t = 0, heads = 0, head_dim = 0, hidden = 0;
  float scale = 1;  // of the scores, 1 / sqrt(head_dim) in BERT
  float* out = nullptr;
  float* workspace = nullptr;
};

struct EncoderKernels;

struct Kernels {
  const char* name;           // what SMIDGEN_ISA says: "scalar", "avx2", .. "amx"
  const char* base;           // "scalar", "avx2" or "avx512": whose f32 kernels these are
  std::size_t panel_columns;  // of packed weights
  std::size_t rows_max;       // of a register tile

  void (*gemm)(const GemmCall& call);
  void (*attention)(const AttentionCall& call);

  void (*gelu)(float* x, std::size_t n);     // x Phi(x), absolute error <= 3e-7 max(1, |x|)
  void (*softmax)(float* x, std::size_t n);  // in place; n = 0 does nothing
  // out = (x - mean) / sqrt(variance + epsilon) * gain + bias for each of `rows` rows of n; out may be x.
  void (*layer_norm)(const float* x, std::size_t rows, std::size_t n, const float* gain, const float* bias,
                     float epsilon, float* out);
  void (*mean_rows)(const float* x, std::size_t rows, std::size_t n, float* out);  // out (n): mean over rows >= 1
  float (*dot)(const float* a, const float* b, std::size_t n);
  void (*axpy)(float alpha, const float* x, float* y, std::size_t n);  // y += alpha x

  const EncoderKernels* encoder;  // int8 and bf16: encoder_kernel_table.h
};

// Floats of scratch one attention call needs: keys and values of one head in panels, and one tile of scores.
constexpr std::size_t kPanelColumnsMax = 32;
constexpr std::size_t kTileRowsMax = 14;
constexpr std::size_t attention_workspace(std::size_t t, std::size_t head_dim) {
  const std::size_t t_padded = (t + kPanelColumnsMax - 1) / kPanelColumnsMax * kPanelColumnsMax;
  const std::size_t d_padded = (head_dim + kPanelColumnsMax - 1) / kPanelColumnsMax * kPanelColumnsMax;
  return t_padded * head_dim + t * d_padded + kTileRowsMax * (t_padded + d_padded);
}

// The tables of f32; others share theirs and differ in `encoder` (kernels.cc). Calling through one the processor lacks
// is a crash: ask kernels.h.
extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;

}  // namespace smidgen
