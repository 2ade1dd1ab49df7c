// Kernels of encoders in low precision (int8 and bf16): one table per instruction set, raw pointers only, under the
// rules of kernel_table.h for includes, alignment, odd lengths and rows that never depend on their neighbours.
//
// One layout serves every instruction set and both precisions. A matrix B (k, n) is cut into panels of 16 columns. A
// panel is a run of 64-byte lines; a line holds 16 columns x 4 bytes, and those 4 bytes meet 4 bytes of a row of A:
//
//   int8: 4 consecutive k as q + 128, unsigned, where q is in -127..127 (so padding, q = 0, is the byte 128);
//   bf16: 2 consecutive k.
//
// This is what vpdpbusd and vdpbf16ps eat, and 16 lines are one B tile of AMX. The lines of a panel are padded to a
// multiple of 16 and the panels to an even number. A row of A is signed bytes (or bf16), padded likewise with zeros.
//
// Why unsigned weights and signed rows: vpdpbusd multiplies unsigned by signed. What the 128 adds to a sum is
// 128 * (sum of the row of A): one number per row, known when the row is quantized. The integer sums are exact on every
// path and therefore equal on all of them.
//
// Quantization: a weight column has one scale (largest magnitude / 127), a row of A has one, found when it is made
// (dynamic, per token), so that a text's answer cannot depend on the texts beside it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace smidgen {

inline constexpr std::size_t kLineBytes = 64;
inline constexpr std::size_t kLinesOfTile = 16;
inline constexpr std::size_t kLowPanelColumns = 16;
inline constexpr std::size_t kLowPairColumns = 32;  // n is padded to this

constexpr std::size_t padded_to(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}
// Bytes of a row of A, and lines of a panel, for k columns: four bytes a line.
constexpr std::size_t int8_row_bytes(std::size_t k) {
  return padded_to(k, 64);
}
constexpr std::size_t bf16_row_bytes(std::size_t k) {
  return padded_to(k * 2, 64);
}

// c = f(a b + bias) + residual, with a (m, k) in int8 or bf16. Exactly one of c, c_bf16 and sums is set.
struct LowProduct {
  const void* a = nullptr;  // m rows, a_stride bytes apart; lines * 4 bytes of each are read
  std::size_t a_stride = 0;
  const float* a_scales = nullptr;              // int8: (m)
  const std::int32_t* a_corrections = nullptr;  // int8: (m), what the 128 of the weights adds: 128 * sum of the row
  const void* panels = nullptr;
  std::size_t lines = 0;            // of a panel, a multiple of kLinesOfTile
  const float* b_scales = nullptr;  // int8: (n padded to kLowPairColumns)
  const float* bias = nullptr;      // (n padded), never null
  std::size_t m = 0, n = 0;
  bool gelu = false;                // x Phi(x) to 4e-5 max(1, |x|): less than a rounding to bf16
  const float* residual = nullptr;  // (m, n), row stride residual_stride, or null; may be c
  std::size_t residual_stride = 0;
  float* c = nullptr;               // (m, n), row stride c_stride
  std::uint16_t* c_bf16 = nullptr;  // the same in bf16
  std::int32_t* sums = nullptr;     // int8: the exact sums of a q, nothing added; for tests
  std::size_t c_stride = 0;         // elements
};

// Rows of floats (or bf16) to int8: scale = largest magnitude / 127, q = round to even(x / scale), zeros behind n up to
// int8_row_bytes(n). A row of zeros has scale 0.
struct QuantizeCall {
  const float* x = nullptr;  // (rows, n), row stride x_stride; or
  const std::uint16_t* x_bf16 = nullptr;
  const float* factors = nullptr;  // (n) powers of two: what is quantized is x times these; null: x
  std::size_t rows = 0, n = 0, x_stride = 0;
  std::int8_t* out = nullptr;
  std::size_t out_stride = 0;  // bytes
  float* scales = nullptr;
  std::int32_t* corrections = nullptr;  // 128 * sum of the row
};

// Rows of floats to bf16, nearest even, zeros behind n up to bf16_row_bytes(n).
struct RoundCall {
  const float* x = nullptr;
  std::size_t rows = 0, n = 0, x_stride = 0;
  std::uint16_t* out = nullptr;
  std::size_t out_stride = 0;  // bytes
};

// Layer norm of (rows, n) floats without gaps; `out` may be x.
struct NormCall {
  const float* x = nullptr;
  std::size_t rows = 0, n = 0;
  const float* gain = nullptr;
  const float* bias = nullptr;
  float epsilon = 0;
  float* out = nullptr;
};

// Self-attention of one sequence, as AttentionCall, over bf16 queries, keys and values; the probabilities are rounded
// to bf16 before they meet the values and are summed, and sums are f32.
struct LowAttention {
  const std::uint16_t* qkv = nullptr;  // (t, 3 * hidden), each row query | key | value
  std::size_t qkv_stride = 0;          // elements
  std::size_t t = 0, heads = 0, head_dim = 0, hidden = 0;
  float scale = 1;
  std::size_t window = 0;  // keys at most this far away are seen; 0: all
  float* out = nullptr;    // (t, hidden)
  void* workspace = nullptr;
};
constexpr std::size_t kLowAttentionRows = 32;
constexpr std::size_t low_attention_workspace(std::size_t t, std::size_t head_dim) {
  const std::size_t keys = padded_to(t, 32), depth = padded_to(head_dim, 32);
  return 2 * keys * depth * 2 + kLowAttentionRows * (keys * 6 + depth * 6 + 32 * 4 + 2 * kLineBytes) + 8 * kLineBytes;
}  // bytes

// Tokens of a batch that share one pass over the weights. Fewer leave the activations (4.5 KB a token in MiniLM's int8
// perceptron) in the second-level cache; more stream the weights less often, which pays where products cost next to
// nothing.
inline constexpr std::size_t kTokensPerPass = 64, kTokensPerPassOfTiles = 256;

struct EncoderKernels {
  const char* name;
  void (*int8_product)(const LowProduct& call);
  void (*bf16_product)(const LowProduct& call);
  void (*attention)(const LowAttention& call);
  void (*quantize)(const QuantizeCall& call);
  void (*round)(const RoundCall& call);
  void (*norm_quantize)(const NormCall& norm, const QuantizeCall& call);  // call.x is ignored: norm.out is quantized
  void (*norm_round)(const NormCall& norm, const RoundCall& call);
  std::size_t tokens_per_pass;
};

extern const EncoderKernels kScalarEncoderKernels;
extern const EncoderKernels kAvx2EncoderKernels;
extern const EncoderKernels kAvxVnniEncoderKernels;
extern const EncoderKernels kAvx512EncoderKernels;
extern const EncoderKernels kAvx512VnniEncoderKernels;
extern const EncoderKernels kAvx512Bf16EncoderKernels;
extern const EncoderKernels kAmxEncoderKernels;

}  // namespace smidgen
