// The plain reference of the encoder kernels: one loop per formula, correct on any processor. The other tables are
// checked against this one.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "smidgen/tensor/encoder_kernel_table.h"

namespace smidgen {

namespace {

float from_bf16(std::uint16_t x) {
  const std::uint32_t bits = std::uint32_t{x} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// To the nearest, ties to even; NaN stays NaN.
std::uint16_t to_bf16(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof(bits));
  if (x != x) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

float gelu(float x) {
  return 0.5F * x * (1.0F + std::erf(x * 0.70710678118654752F));
}

// Line l of the panel that holds column j, at the column's 4 bytes.
const std::uint8_t* weight(const LowProduct& call, std::size_t line, std::size_t j) {
  const auto* panels = static_cast<const std::uint8_t*>(call.panels);
  return panels + ((j / kLowPanelColumns) * call.lines + line) * kLineBytes + j % kLowPanelColumns * 4;
}

const std::uint8_t* row_of(const LowProduct& call, std::size_t i) {
  return static_cast<const std::uint8_t*>(call.a) + i * call.a_stride;
}

std::int32_t int8_sum(const LowProduct& call, std::size_t i, std::size_t j) {
  const std::uint8_t* a = row_of(call, i);
  std::int32_t sum = 0;
  for (std::size_t line = 0; line < call.lines; ++line)
    for (std::size_t part = 0; part < 4; ++part)
      sum += static_cast<std::int8_t>(a[line * 4 + part]) * (int{weight(call, line, j)[part]} - 128);
  return sum;
}

float bf16_sum(const LowProduct& call, std::size_t i, std::size_t j) {
  const std::uint8_t* a = row_of(call, i);
  float sum = 0;
  for (std::size_t line = 0; line < call.lines; ++line)
    for (std::size_t part = 0; part < 2; ++part) {
      std::uint16_t x = 0, w = 0;
      std::memcpy(&x, a + line * 4 + part * 2, 2);
      std::memcpy(&w, weight(call, line, j) + part * 2, 2);
      sum += from_bf16(x) * from_bf16(w);
    }
  return sum;
}

void finish(const LowProduct& call, std::size_t i, std::size_t j, float value) {
  value += call.bias[j];
  if (call.gelu) value = gelu(value);
  if (call.residual != nullptr) value += call.residual[i * call.residual_stride + j];
  if (call.c != nullptr) call.c[i * call.c_stride + j] = value;
  if (call.c_bf16 != nullptr) call.c_bf16[i * call.c_stride + j] = to_bf16(value);
}

void int8_product(const LowProduct& call) {
  for (std::size_t i = 0; i < call.m; ++i)
    for (std::size_t j = 0; j < call.n; ++j) {
      const std::int32_t sum = int8_sum(call, i, j);
      if (call.sums != nullptr)
        call.sums[i * call.c_stride + j] = sum;
      else
        finish(call, i, j, static_cast<float>(sum) * (call.a_scales[i] * call.b_scales[j]));
    }
}

void bf16_product(const LowProduct& call) {
  for (std::size_t i = 0; i < call.m; ++i)
    for (std::size_t j = 0; j < call.n; ++j) finish(call, i, j, bf16_sum(call, i, j));
}

void quantize(const QuantizeCall& call) {
  for (std::size_t row = 0; row < call.rows; ++row) {
    const auto at = [&](std::size_t i) {
      const std::size_t index = row * call.x_stride + i;
      return (call.x != nullptr ? call.x[index] : from_bf16(call.x_bf16[index])) *
             (call.factors != nullptr ? call.factors[i] : 1.0F);
    };
    std::int8_t* out = call.out + row * call.out_stride;
    float largest = 0;
    for (std::size_t i = 0; i < call.n; ++i) largest = std::fmax(largest, std::fabs(at(i)));
    const float inverse = largest > 0 ? 127.0F / largest : 0.0F;
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < int8_row_bytes(call.n); ++i) {
      const float scaled = i < call.n ? std::nearbyint(at(i) * inverse) : 0.0F;
      // What is not a number, or larger than any, has no right answer; a bounded one keeps the cast defined.
      out[i] = static_cast<std::int8_t>(scaled >= -127.0F && scaled <= 127.0F ? scaled : -127.0F);
      sum += out[i];
    }
    call.scales[row] = largest / 127.0F;
    call.corrections[row] = 128 * sum;
  }
}

void round_rows(const RoundCall& call) {
  for (std::size_t row = 0; row < call.rows; ++row) {
    std::uint16_t* out = call.out + row * call.out_stride / 2;
    for (std::size_t i = 0; i < bf16_row_bytes(call.n) / 2; ++i)
      out[i] = i < call.n ? to_bf16(call.x[row * call.x_stride + i]) : std::uint16_t{0};
  }
}

void layer_norm(const NormCall& call) {
  const float* x = call.x;
  float* out = call.out;
  for (std::size_t row = 0; row < call.rows; ++row, x += call.n, out += call.n) {
    float sum = 0, squares = 0;
    for (std::size_t i = 0; i < call.n; ++i) sum += x[i];
    const float mean = sum / static_cast<float>(call.n);
    for (std::size_t i = 0; i < call.n; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float inverse = 1.0F / std::sqrt(squares / static_cast<float>(call.n) + call.epsilon);
    for (std::size_t i = 0; i < call.n; ++i)
      out[i] = (x[i] - mean) * inverse * call.gain[i] + (call.bias != nullptr ? call.bias[i] : 0.0F);
  }
}

void norm_quantize(const NormCall& norm, const QuantizeCall& call) {
  layer_norm(norm);
  QuantizeCall rows = call;
  rows.x = norm.out;
  rows.x_stride = norm.n;
  quantize(rows);
}

void norm_round(const NormCall& norm, const RoundCall& call) {
  layer_norm(norm);
  RoundCall rows = call;
  rows.x = norm.out;
  rows.x_stride = norm.n;
  round_rows(rows);
}

// One query of one head: scores, softmax, weighted values.
void attend(const LowAttention& call, std::size_t i, std::size_t head, float* scores) {
  const std::size_t hidden = call.hidden;
  const std::uint16_t* query = call.qkv + i * call.qkv_stride + head * call.head_dim;
  const std::uint16_t* keys = call.qkv + hidden + head * call.head_dim;
  const std::size_t begin = call.window == 0 || i < call.window ? 0 : i - call.window;
  const std::size_t end = call.window == 0 || i + call.window >= call.t ? call.t : i + call.window + 1;
  float top = -3.4e38F, sum = 0;
  for (std::size_t j = begin; j < end; ++j) {
    scores[j] = 0;
    for (std::size_t d = 0; d < call.head_dim; ++d)
      scores[j] += from_bf16(query[d]) * from_bf16(keys[j * call.qkv_stride + d]);
    top = std::fmax(top, scores[j]);
  }
  // Above a whole power of two, and what is summed is rounded: encoder_attention_body.h says why.
  const float factor = call.scale * 1.44269504F, whole = std::ceil(top * factor);
  for (std::size_t j = begin; j < end; ++j) {
    scores[j] = from_bf16(to_bf16(std::exp2(scores[j] * factor - whole)));
    sum += scores[j];
  }
  float* out = call.out + i * hidden + head * call.head_dim;
  for (std::size_t d = 0; d < call.head_dim; ++d) {
    float value = 0;
    for (std::size_t j = begin; j < end; ++j) value += scores[j] * from_bf16(keys[j * call.qkv_stride + hidden + d]);
    out[d] = value / sum;
  }
}

void attention(const LowAttention& call) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(call.workspace) % kLineBytes;
  auto* bytes = static_cast<std::uint8_t*>(call.workspace) + (kLineBytes - past) % kLineBytes;
  auto* scores = reinterpret_cast<float*>(bytes);
  for (std::size_t head = 0; head < call.heads; ++head)
    for (std::size_t i = 0; i < call.t; ++i) attend(call, i, head, scores);
}

}  // namespace

const EncoderKernels kScalarEncoderKernels = {"scalar",   int8_product,  bf16_product, attention,     quantize,
                                              round_rows, norm_quantize, norm_round,   kTokensPerPass};

}  // namespace smidgen
