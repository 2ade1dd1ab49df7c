// e^x with the same bits on every processor. The C library's exp picks code by processor and may differ in the last bit
// between two machines; a decision that was certified on one must not flip on another, so decisions use this one.
//
// x = k ln 2 + r, |r| <= ln 2 / 2 (Cody and Waite 1980), e^r by its Taylor polynomial of degree 13; relative error
// below 5e-16. Only IEEE additions and multiplications, written so that loops over it vectorise (each lane computes the
// same).
#pragma once

#include <bit>
#include <cstdint>

namespace smidgen {

// Below -700 the result is 0 (softmax terms that small never count); above 700 it is e^700. NaN stays NaN.
inline double exp_portable(double x) {
  const bool vanishes = x < -700;
  double clamped = x > 700 ? 700 : x;
  clamped = vanishes ? 0 : clamped;
  // Adding 1.5 * 2^52 rounds to the nearest integer and leaves it in the low bits.
  const double shifted = clamped * 1.4426950408889634 + 6755399441055744.0;
  const double k = shifted - 6755399441055744.0;
  const double r = (clamped - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  // Estrin's scheme: pairs first, so that few operations wait for each other.
  const double r2 = r * r, r4 = r2 * r2;
  const double c0 = (1.0 + r) + (0.5 + r * (1.0 / 6)) * r2;
  const double c4 = (1.0 / 24 + r * (1.0 / 120)) + (1.0 / 720 + r * (1.0 / 5040)) * r2;
  const double c8 = (1.0 / 40320 + r * (1.0 / 362880)) + (1.0 / 3628800 + r * (1.0 / 39916800)) * r2;
  const double c12 = 1.0 / 479001600 + r * (1.0 / 6227020800.0);
  const double p = (c0 + c4 * r4) + (c8 + c12 * r4) * (r4 * r4);
  const std::uint64_t power = (std::bit_cast<std::uint64_t>(shifted) + 1023) << 52;
  const double result = p * std::bit_cast<double>(power);
  return vanishes ? 0 : result;
}

}  // namespace smidgen
