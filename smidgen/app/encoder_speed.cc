#include "smidgen/app/encoder_speed.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <vector>

#include "smidgen/app/machine.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/crew.h"
#include "smidgen/base/random.h"
#include "smidgen/tensor/encoder_kernel_table.h"
#include "smidgen/tensor/low_matrix.h"
#include "smidgen/tensor/packed_matrix.h"

namespace smidgen {

namespace {

constexpr std::size_t kCallsMin = 20, kCallsMax = 20000, kWarmUpCalls = 2;
constexpr double kLimitSeconds = 0.25;
constexpr std::uint64_t kStreamBytesMin = 256ULL << 20, kStreamBytesMax = 1024ULL << 20;

// Runs work(thread) on `threads` threads at the same time.
template <class Work>
void on_threads(std::size_t threads, const Work& work) {
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back([&work, i] { work(i); });
  work(0);
  for (std::thread& other : others) other.join();
}

struct Ids {
  std::vector<std::vector<std::int32_t>> rows;
  std::vector<std::span<const std::int32_t>> spans;
  Ids(const Encoder& encoder, std::size_t batch, std::size_t tokens, std::size_t seed) {
    Random random(1000 * seed + tokens);
    rows.resize(batch);
    for (auto& row : rows)
      for (std::size_t i = 0; i < tokens; ++i)
        row.push_back(static_cast<std::int32_t>(random.below(encoder.vocabulary_size())));
    spans.assign(rows.begin(), rows.end());
  }
};

double quantile(std::vector<double>& values, double share) {
  const auto rank = static_cast<std::size_t>(std::lround(share * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
  return values[rank];
}

// The product of one precision, with operands that stay in the first two caches.
class CachedProduct {
 public:
  CachedProduct(const Kernels& table, Precision precision)
      : table_(table),
        precision_(precision),
        m_(8 * table.rows_max),
        n_(128),
        k_(precision == Precision::kF32 ? 256 : 1024),
        a_(m_ * k_, 0.5F),
        c_(m_ * n_) {
    const std::vector<float> b(k_ * n_, 0.5F);
    if (precision == Precision::kF32) {
      packed_ = PackedMatrix::pack(table, b.data(), k_, n_, n_, 1);
      call_.a = a_.data();
      call_.a_stride = k_;
      call_.panels = packed_.panels();
      call_.m = m_;
      call_.n = n_;
      call_.k = k_;
      call_.c = c_.data();
      call_.c_stride = n_;
      return;
    }
    low_ = LowMatrix::pack(precision, b.data(), k_, n_, n_, 1, nullptr);
    scales_.assign(m_, 1);
    corrections_.assign(m_, 0);
    low_call_ = low_.product();
    low_call_.a = a_.data();  // zero bytes or not: the time is the same
    low_call_.a_stride = LowMatrix::row_bytes(precision, k_);
    low_call_.a_scales = scales_.data();
    low_call_.a_corrections = corrections_.data();
    low_call_.m = m_;
    low_call_.c = c_.data();
    low_call_.c_stride = n_;
  }

  void run() const {
    if (precision_ == Precision::kF32) return table_.gemm(call_);
    (precision_ == Precision::kInt8 ? table_.encoder->int8_product : table_.encoder->bf16_product)(low_call_);
  }
  double operations() const { return 2 * static_cast<double>(m_ * n_ * k_); }

 private:
  const Kernels& table_;
  Precision precision_;
  std::size_t m_, n_, k_;
  std::vector<float> a_, c_, scales_;
  std::vector<std::int32_t> corrections_;
  PackedMatrix packed_;
  LowMatrix low_;
  GemmCall call_;
  LowProduct low_call_;
};

// In 1e9 operations a second.
double arithmetic_of_a_thread(const Kernels& table, Precision precision) {
  const CachedProduct product(table, precision);
  double best = 1;
  for (const auto start = steady_now(); seconds_since(start) < kLimitSeconds;) {
    const auto before = steady_now();
    for (int i = 0; i < 8; ++i) product.run();
    best = std::min(best, seconds_since(before) / 8);
  }
  return 1e-9 * product.operations() / best;
}

double sum_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

}  // namespace

double measure_arithmetic(const Kernels& kernels, Precision precision, std::size_t threads) {
  std::vector<double> rates(threads);
  on_threads(threads, [&](std::size_t thread) { rates[thread] = arithmetic_of_a_thread(kernels, precision); });
  return sum_of(rates);
}

// A part of one large block per thread, read over and over: 1e9 bytes a second.
double measure_bandwidth(const Kernels& kernels, std::size_t threads) {
  const std::uint64_t wanted =
      std::clamp<std::uint64_t>(2 * last_level_cache_bytes(), kStreamBytesMin, kStreamBytesMax);
  const std::size_t floats = static_cast<std::size_t>(wanted) / sizeof(float) / threads / 2 * 2;
  std::vector<double> rates(threads);
  on_threads(threads, [&](std::size_t thread) {
    const AlignedFloats block = allocate_floats(floats);
    std::fill_n(block.get(), floats, 0.0F);  // pages are given out where they are first written
    std::atomic<float> kept = 0;             // what is read must be used
    double best = 0;
    const auto start = steady_now();
    do {
      const auto before = steady_now();
      kept = kept + kernels.dot(block.get(), block.get() + floats / 2, floats / 2);
      best = std::max(best, 1e-9 * static_cast<double>(floats * sizeof(float)) / seconds_since(before));
    } while (seconds_since(start) < kLimitSeconds);
    rates[thread] = best;
  });
  return sum_of(rates);
}

double operations_of(const BodyConfig& body, std::size_t tokens) {
  const auto t = static_cast<double>(tokens), h = static_cast<double>(body.hidden);
  const double linear = 4 * h * h + (body.gated() ? 3 : 2) * h * static_cast<double>(body.intermediate);
  double all = static_cast<double>(body.layers) * 2 * t * linear;
  for (std::size_t layer = 0; layer < body.layers; ++layer) {
    double seen = t;  // by each token
    if (!body.spans.empty() && body.spans[layer].window > 0)
      seen = std::min(t, 2 * static_cast<double>(body.spans[layer].window) + 1);
    all += 4 * t * seen * h;
  }
  return all;
}

double weight_bytes_of(const BodyConfig& body, Precision precision) {
  const double each = precision == Precision::kF32 ? 4 : precision == Precision::kBf16 ? 2 : 1;
  return operations_of(body, 1) / 2 * each;
}

Result<SpeedCell> measure_speed(const Encoder& encoder, const SpeedCall& call, const MachineLimits& limits,
                                const Watcher& watcher) {
  const auto& [tokens, batch, cores, together, seconds] = call;
  const std::size_t threads = together ? 1 : cores;
  Crew crew(together ? cores : 1);
  std::vector<std::vector<double>> calls(threads);
  std::atomic<bool> stopped = false;
  std::atomic<std::size_t> warm = 0;
  std::vector<double> rows_per_second(threads);
  on_threads(threads, [&, &tokens = tokens, &batch = batch, &seconds = seconds](std::size_t thread) {
    const Ids ids(encoder, batch, tokens, thread);
    Encoder::Scratch scratch;
    scratch.use(&crew);
    std::vector<float> out(batch * encoder.dimensions());
    for (std::size_t i = 0; i < kWarmUpCalls; ++i) encoder.embed(ids.spans, scratch, out.data());
    // The last to be warm starts the clock for all, so that every call meets the same company.
    for (++warm; warm.load() < threads;) std::this_thread::yield();
    std::vector<double>& ms = calls[thread];
    const auto start = steady_now();
    double spent = 0;
    while ((spent < seconds || ms.size() < kCallsMin) && ms.size() < kCallsMax && !stopped.load()) {
      const auto before = steady_now();
      encoder.embed(ids.spans, scratch, out.data());
      ms.push_back(1e3 * seconds_since(before));
      spent = seconds_since(start);
      if (thread == 0 && watcher.stop_requested()) stopped = true;
    }
    rows_per_second[thread] = static_cast<double>(ms.size() * batch) / std::max(spent, 1e-9);
  });
  if (stopped.load()) return Error::cancelled();
  SpeedCell cell;
  cell.tokens = tokens;
  cell.batch = batch;
  cell.threads = cores;
  cell.together = together;
  cell.precision = encoder.precision();
  std::vector<double> all;
  for (std::size_t thread = 0; thread < threads; ++thread) {
    all.insert(all.end(), calls[thread].begin(), calls[thread].end());
    cell.rows_per_second += rows_per_second[thread];
  }
  cell.calls = all.size();
  cell.ms_p50 = quantile(all, 0.5);
  cell.ms_p99 = quantile(all, 0.99);
  const BodyConfig& body = encoder.config().body;
  const double calls_per_second = cell.rows_per_second / static_cast<double>(batch);
  cell.share_of_arithmetic = 1e-9 * operations_of(body, tokens) * cell.rows_per_second / limits.gigaflops;
  cell.share_of_bandwidth = 1e-9 * weight_bytes_of(body, cell.precision) * calls_per_second / limits.gigabytes_second;
  return cell;
}

}  // namespace smidgen
