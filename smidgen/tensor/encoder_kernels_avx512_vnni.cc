// Encoder kernels for AVX-512 with VNNI: the common body with these vectors.
#include "smidgen/tensor/encoder_avx512_body.h"
#include "smidgen/tensor/encoder_kernels_body.h"

namespace smidgen {

const EncoderKernels kAvx512VnniEncoderKernels = {
    "avx512_vnni", product<Int8Vnni>, product<Bf16Floats>, attention<VectorTiles<Bf16Floats>>, quantize, round_rows,
    norm_quantize, norm_round,        kTokensPerPass};

}  // namespace smidgen
