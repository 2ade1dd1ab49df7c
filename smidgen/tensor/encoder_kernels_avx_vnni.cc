// Encoder kernels for AVX-VNNI (with AVX2, FMA): the common body with these vectors.
#include "smidgen/tensor/encoder_avx2_body.h"
#include "smidgen/tensor/encoder_kernels_body.h"

namespace smidgen {

const EncoderKernels kAvxVnniEncoderKernels = {
    "avx_vnni",    product<Int8Vnni>, product<Bf16Floats>, attention<VectorTiles<Bf16Floats>>, quantize, round_rows,
    norm_quantize, norm_round,        kTokensPerPass};

}  // namespace smidgen
