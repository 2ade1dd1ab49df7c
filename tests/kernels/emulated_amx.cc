// The AMX kernels, compiled a second time over tiles in software. As in every kernel file nothing but the table leaves
// this one, because it is compiled for AVX-512.
#define kAmxEncoderKernels kEmulatedAmxEncoderKernels
#include "tests/kernels/emulated_tiles.h"
// After the tiles, which it then uses:
#include "smidgen/tensor/encoder_kernels_amx.cc"
