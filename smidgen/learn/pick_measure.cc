#include "smidgen/learn/pick_measure.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "smidgen/base/clock.h"

namespace smidgen {

namespace {

constexpr std::size_t kBatchRows = 64;
constexpr std::size_t kWarmUpRows = 32;

double seconds_of(const std::function<void()>& work) {
  const auto start = steady_now();
  work();
  return seconds_since(start);
}

// Of this thread alone: what others do on the same cores is no cost of ours, and would change which policy is cheaper.
double cpu_seconds_of(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  work();
  return now() - start;
}

double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::lround(share * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
  return values[rank];
}

// answer(first, count) answers texts [first, first + count).
RowTiming time_rows(std::size_t rows, double seconds_max, const std::function<void(std::size_t, std::size_t)>& answer) {
  RowTiming timing;
  if (rows == 0) return timing;
  for (std::size_t row = 0; row < std::min(rows, kWarmUpRows); ++row) answer(row, 1);
  std::vector<double> single;
  double spent = 0;
  for (std::size_t row = 0; row < rows && spent < seconds_max / 2; ++row) {
    single.push_back(seconds_of([&] { answer(row, 1); }));
    spent += single.back();
  }
  timing.us_p50 = 1e6 * quantile(single, 0.5);
  timing.us_p99 = 1e6 * quantile(single, 0.99);
  double batched = 0;
  std::size_t done = 0;
  spent = 0;
  for (std::size_t first = 0; first < rows && spent < seconds_max / 2; first += kBatchRows) {
    const std::size_t count = std::min(kBatchRows, rows - first);
    spent += seconds_of([&] { batched += cpu_seconds_of([&] { answer(first, count); }); });
    done += count;
  }
  timing.us_batched = 1e6 * batched / static_cast<double>(done);
  return timing;
}

}  // namespace

RowTiming time_rung(const Rung& rung, std::span<const std::string_view> texts, double seconds_max) {
  const auto scratch = rung.make_scratch();
  std::vector<float> scores(kBatchRows * rung.labels());
  std::vector<std::uint32_t> rows(kBatchRows);
  std::iota(rows.begin(), rows.end(), 0U);
  return time_rows(texts.size(), seconds_max, [&](std::size_t first, std::size_t count) {
    TextBatch batch(texts.subspan(first, count));
    rung.score(batch, std::span(rows).first(count), *scratch, std::span(scores).first(count * rung.labels()));
  });
}

RowTiming time_classifier(const Classifier& classifier, std::span<const std::string_view> texts, double seconds_max) {
  auto session = classifier.session();
  return time_rows(texts.size(), seconds_max,
                   [&](std::size_t first, std::size_t count) { session.classify(texts.subspan(first, count)); });
}

double usual_us(RungKind kind, std::uint64_t bytes, double tokens) {
  constexpr double kLinearUs = 10, kStaticUs = 50;
  constexpr double kOperationsPerUs = 1e5;  // of matrix products in f32 on one core
  if (kind == RungKind::kLinear) return kLinearUs;
  if (kind == RungKind::kStatic) return kStaticUs;
  const double weights = static_cast<double>(bytes) / sizeof(float);
  return std::max(kStaticUs, 2 * weights * tokens / kOperationsPerUs);
}

}  // namespace smidgen
