// How fast an encoder is on this machine, and how near to what the machine can do: one cell is a length, a batch, a
// number of threads. The machine's own limits are measured with the kernels the encoder runs on, in the same process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "smidgen/base/result.h"
#include "smidgen/model/encoder.h"

namespace smidgen {

// What a number of threads reach together, busy at the same time.
struct MachineLimits {
  double gigaflops = 0;         // of products of the precision that stay in the caches (a multiply-add is two)
  double gigabytes_second = 0;  // read in a straight line from memory, not from a cache
};

struct SpeedCell {
  std::size_t tokens = 0, batch = 1, threads = 1;
  Precision precision = Precision::kF32;
  bool together = false;          // all threads on one call; else each has calls of its own
  double ms_p50 = 0, ms_p99 = 0;  // of a call with `batch` sequences
  double rows_per_second = 0;     // of all threads together
  std::uint64_t calls = 0;
  double share_of_arithmetic = 0;  // of MachineLimits::gigaflops
  double share_of_bandwidth = 0;  // weights read once a call, of MachineLimits::gigabytes_second; above 1: from a cache
};

double measure_arithmetic(const Kernels& kernels, Precision precision, std::size_t threads);  // gigaflops
double measure_bandwidth(const Kernels& kernels, std::size_t threads);                        // gigabytes_second

// What is measured: calls of embed() with `batch` sequences of `tokens` (1..encoder.tokens_max()) random ids, for at
// least `seconds`.
struct SpeedCall {
  std::size_t tokens = 0, batch = 1, threads = 1;
  bool together = false;
  double seconds = 0.5;
};
// Wall-clock times. Fails with Error::cancelled() only.
Result<SpeedCell> measure_speed(const Encoder& encoder, const SpeedCall& call, const MachineLimits& limits,
                                const Watcher& watcher);

// Floating-point operations of one sequence: the linear layers and the two products of attention.
double operations_of(const BodyConfig& body, std::size_t tokens);
// Bytes of the linear layers' weights, which one call reads.
double weight_bytes_of(const BodyConfig& body, Precision precision);

}  // namespace smidgen
