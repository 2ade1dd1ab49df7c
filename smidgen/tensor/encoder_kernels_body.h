// The vector form of the encoder kernels, written once and included by the instruction-set files after the vectors they
// use (encoder_avx512_body.h, encoder_avx2_body.h). Everything is in an unnamed namespace: no symbol of these
// files may be shared with others.
#include <cstddef>

namespace smidgen {

namespace {

inline std::size_t min(std::size_t a, std::size_t b) {
  return a < b ? a : b;
}

}  // namespace

}  // namespace smidgen

// In this order: each uses what stands before it.
// clang-format off
#include "smidgen/tensor/encoder_product_body.h"
#include "smidgen/tensor/encoder_rows_body.h"
#include "smidgen/tensor/encoder_attention_body.h"
// clang-format on
