// Encoder kernels for AVX2, FMA: the common body with these vectors.
#include "smidgen/tensor/encoder_avx2_body.h"
#include "smidgen/tensor/encoder_kernels_body.h"

namespace smidgen {

const EncoderKernels kAvx2EncoderKernels = {
    "avx2",        product<Int8Halves>, product<Bf16Floats>, attention<VectorTiles<Bf16Floats>>, quantize, round_rows,
    norm_quantize, norm_round,          kTokensPerPass};

}  // namespace smidgen
