// Encoder kernels for AVX-512 F, BW, DQ, VL: the common body with these vectors.
#include "smidgen/tensor/encoder_avx512_body.h"
#include "smidgen/tensor/encoder_kernels_body.h"

namespace smidgen {

const EncoderKernels kAvx512EncoderKernels = {
    "avx512",      product<Int8Halves>, product<Bf16Floats>, attention<VectorTiles<Bf16Floats>>, quantize, round_rows,
    norm_quantize, norm_round,          kTokensPerPass};

}  // namespace smidgen
