// Latency of the encoder by length and batch, one thread, and the share of this core's arithmetic peak it reaches.
//
//   bench_encoder FOLDER                  a table
//   bench_encoder FOLDER --interactive    reads lines "ROWS TOKENS SECONDS", answers each with the median milliseconds
//   of
//                                         one call: bench/encoder_peers.py times rounds of several engines this way
//   bench_encoder FOLDER --vocabulary     seconds to embed [CLS] t [SEP] for every vocabulary entry (static
//   distillation)
//
// SMIDGEN_ISA forces an instruction set.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "smidgen/base/clock.h"
#include "smidgen/base/random.h"
#include "smidgen/model/encoder.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace): one small program

// Processor time of this thread: what other programs take in between is not counted.
double processor_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Batch {
  std::vector<std::vector<std::int32_t>> ids;
  std::vector<std::span<const std::int32_t>> spans;
  Batch(const Encoder& encoder, std::size_t rows, std::size_t tokens) {
    Random random(rows * 1000 + tokens);
    ids.resize(rows);
    for (auto& row : ids)
      for (std::size_t i = 0; i < tokens; ++i)
        row.push_back(static_cast<std::int32_t>(random.below(encoder.vocabulary_size())));
    spans.assign(ids.begin(), ids.end());
  }
};

// Median milliseconds of one call over a batch.
double measure(const Encoder& encoder, std::size_t rows, std::size_t tokens, double seconds) {
  const Batch batch(encoder, rows, tokens);
  Encoder::Scratch scratch;
  std::vector<float> out(rows * encoder.dimensions());
  for (int i = 0; i < 2; ++i) encoder.embed(batch.spans, scratch, out.data());
  std::vector<double> times;
  const auto start = steady_now();
  while (times.size() < 3 || seconds_since(start) < seconds) {
    const double before = processor_seconds();
    encoder.embed(batch.spans, scratch, out.data());
    times.push_back((processor_seconds() - before) * 1e3);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// Floating-point operations of one sequence: the linear layers, and the two products of attention.
double operations(const BodyConfig& c, std::size_t tokens) {
  const double t = static_cast<double>(tokens), h = static_cast<double>(c.hidden);
  const double linear = 4 * h * h + 2 * h * static_cast<double>(c.intermediate);
  return static_cast<double>(c.layers) * (2 * t * linear + 4 * t * t * h);
}

// What this core reaches on a product that stays in its caches: the peak to compare with.
double peak_gigaflops(const Kernels& table) {
  const std::size_t m = table.rows_max * 8, n = 256, k = 384;
  const std::vector<float> a(m * k, 0.5F), b(k * n, 0.5F);
  std::vector<float> c(m * n);
  const PackedMatrix packed = PackedMatrix::pack(table, b.data(), k, n, n, 1);
  GemmCall call{a.data(), k, packed.panels(), m, n, k, nullptr, nullptr, 0, c.data(), n};
  double best = 1e9;
  for (int i = 0; i < 200; ++i) {
    const double start = processor_seconds();
    table.gemm(call);
    best = std::min(best, processor_seconds() - start);
  }
  return 2e-9 * static_cast<double>(m * n * k) / best;
}

void print_table(const Encoder& encoder) {
  const double peak = peak_gigaflops(encoder.kernels());
  std::printf("%s, f32, one thread; product in cache %.0f GF/s\n", encoder.kernels().name, peak);
  std::printf("%5s %7s %10s %8s %6s\n", "rows", "tokens", "ms a row", "GF/s", "share");
  for (const auto& [rows, tokens] : std::vector<std::pair<std::size_t, std::size_t>>{{1, 3},
                                                                                     {1, 8},
                                                                                     {1, 16},
                                                                                     {1, 32},
                                                                                     {1, 64},
                                                                                     {1, 128},
                                                                                     {1, 256},
                                                                                     {1, 512},
                                                                                     {32, 3},
                                                                                     {32, 16},
                                                                                     {32, 32},
                                                                                     {16, 128}}) {
    if (tokens > encoder.config().body.positions) continue;
    const double ms = measure(encoder, rows, tokens, 0.5) / static_cast<double>(rows);
    const double rate = operations(encoder.config().body, tokens) / ms * 1e-6;
    std::printf("%5zu %7zu %10.3f %8.1f %5.0f%%\n", rows, tokens, ms, rate, 100 * rate / peak);
    std::fflush(stdout);
  }
}

void answer_questions(const Encoder& encoder) {
  std::size_t rows = 0, tokens = 0;
  double seconds = 0;
  while (std::cin >> rows >> tokens >> seconds) {
    if (rows < 1 || rows > 4096 || tokens < 1 || tokens > encoder.config().body.positions) return;
    std::printf("%.6f\n", measure(encoder, rows, tokens, seconds));
    std::fflush(stdout);
  }
}

void embed_vocabulary(const Encoder& encoder) {
  std::vector<std::vector<std::int32_t>> ids;
  for (std::size_t i = 0; i < encoder.vocabulary_size(); ++i) ids.push_back({101, static_cast<std::int32_t>(i), 102});
  const std::vector<std::span<const std::int32_t>> spans(ids.begin(), ids.end());
  std::vector<float> out(ids.size() * encoder.dimensions());
  ThreadPool pool(usable_cores());
  const auto start = steady_now();
  if (!encoder.embed_all(spans, pool, {}, "vocabulary", out.data()).ok()) return;
  std::printf("%zu entries in %.2f s on %zu threads\n", ids.size(), seconds_since(start), pool.threads());
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: bench_encoder FOLDER [--interactive | --vocabulary]\n");
    return 64;
  }
  const auto table = smidgen::kernels_from_environment();
  if (!table.ok()) {
    std::fprintf(stderr, "%s\n", table.error().message().c_str());
    return table.error().exit_code();
  }
  const auto encoder = smidgen::Encoder::load_body(arguments[1], {0, *table});
  if (!encoder.ok()) {
    std::fprintf(stderr, "%s\n", encoder.error().message().c_str());
    return encoder.error().exit_code();
  }
  if (count > 2 && std::strcmp(arguments[2], "--interactive") == 0) {
    answer_questions(*encoder);
  } else if (count > 2 && std::strcmp(arguments[2], "--vocabulary") == 0) {
    embed_vocabulary(*encoder);
  } else {
    print_table(*encoder);
  }
  return 0;
}
