// Vectors of 4, 8 or 16 floats over the compiler's vector types, for kernels that are written once and compiled for
// each instruction set (linear_kernels_body.h, training_kernels_body.h). Everything is in an unnamed namespace: no
// symbol of the instruction-set files may be shared with others.
#pragma once

#include <cstddef>
#include <cstdint>

namespace smidgen {

namespace {

template <int kWidth>
struct Vec;
template <>
struct Vec<4> {
  typedef float F __attribute__((vector_size(16)));
  typedef std::int32_t I __attribute__((vector_size(16)));
};
template <>
struct Vec<8> {
  typedef float F __attribute__((vector_size(32)));
  typedef std::int32_t I __attribute__((vector_size(32)));
};
template <>
struct Vec<16> {
  typedef float F __attribute__((vector_size(64)));
  typedef std::int32_t I __attribute__((vector_size(64)));
};
template <int kWidth>
using F = typename Vec<kWidth>::F;
template <int kWidth>
using I = typename Vec<kWidth>::I;

template <int kWidth>
inline F<kWidth> load(const float* from) {
  F<kWidth> value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}
template <int kWidth>
inline void store(float* to, F<kWidth> value) {
  __builtin_memcpy(to, &value, sizeof(value));
}
template <int kWidth>
inline F<kWidth> splat(float value) {
  return F<kWidth>{} + value;
}
template <int kWidth>
inline float sum_of(F<kWidth> value) {
  float sum = 0;
  for (int i = 0; i < kWidth; ++i) sum += value[i];
  return sum;
}
template <int kWidth>
inline float max_of(F<kWidth> value) {
  float max = value[0];
  for (int i = 1; i < kWidth; ++i) max = value[i] > max ? value[i] : max;
  return max;
}

// exp, relative error 2e-7 (Cephes expf): 2^n times a polynomial on [-log(2)/2, log(2)/2]. Below -87: 0.
template <int kWidth>
inline F<kWidth> exp_of(F<kWidth> x) {
  const auto zero = x < -87.0F;
  x = x < -87.0F ? splat<kWidth>(-87.0F) : x;
  x = x > 88.0F ? splat<kWidth>(88.0F) : x;
  const F<kWidth> n = (x * 1.44269504F + 12582912.0F) - 12582912.0F;  // rounded to the nearest integer
  x = x - n * 0.693359375F + n * 2.12194440e-4F;
  F<kWidth> y = splat<kWidth>(1.9875691500e-4F);
  y = y * x + 1.3981999507e-3F;
  y = y * x + 8.3334519073e-3F;
  y = y * x + 4.1665795894e-2F;
  y = y * x + 1.6666665459e-1F;
  y = y * x + 5.0000001201e-1F;
  y = y * (x * x) + x + 1.0F;
  const I<kWidth> power = (__builtin_convertvector(n, I<kWidth>) + 127) << 23;
  F<kWidth> scale;
  __builtin_memcpy(&scale, &power, sizeof(scale));
  return zero ? F<kWidth>{} : y * scale;
}

// log of normal positive floats, relative error 2e-7 (Cephes logf); smaller numbers count as the smallest normal one.
template <int kWidth>
inline F<kWidth> log_of(F<kWidth> x) {
  x = x < 1.17549435e-38F ? splat<kWidth>(1.17549435e-38F) : x;
  I<kWidth> bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  // Mantissa in [sqrt(1/2), sqrt(2)).
  I<kWidth> exponent = ((bits - 0x3f3504f3) >> 23);
  bits = bits - (exponent << 23);
  __builtin_memcpy(&x, &bits, sizeof(bits));
  const F<kWidth> e = __builtin_convertvector(exponent, F<kWidth>);
  x = x - 1.0F;
  const F<kWidth> z = x * x;
  F<kWidth> y = splat<kWidth>(7.0376836292e-2F);
  y = y * x - 1.1514610310e-1F;
  y = y * x + 1.1676998740e-1F;
  y = y * x - 1.2420140846e-1F;
  y = y * x + 1.4249322787e-1F;
  y = y * x - 1.6668057665e-1F;
  y = y * x + 2.0000714765e-1F;
  y = y * x - 2.4999993993e-1F;
  y = y * x + 3.3333331174e-1F;
  y = y * x * z + e * -2.12194440e-4F - z * 0.5F;
  return x + y + e * 0.693359375F;
}

}  // namespace

}  // namespace smidgen
