// Encoder kernels for AVX-512 with VNNI and BF16: the common body with these vectors. AMD's processors run vdpbf16ps at
// the rate of vpdpbusd; Intel's without tiles run it slower than floats (kernels.cc chooses).
#include "smidgen/tensor/encoder_avx512_body.h"
#include "smidgen/tensor/encoder_kernels_body.h"

namespace smidgen {

const EncoderKernels kAvx512Bf16EncoderKernels = {
    "avx512_bf16", product<Int8Vnni>, product<Bf16Pairs>, attention<VectorTiles<Bf16Pairs>>, quantize, round_rows,
    norm_quantize, norm_round,        kTokensPerPass};

}  // namespace smidgen
