// One training step (forward, loss, backward, clipping, AdamW) on random tokens, timed on demand: for every line on
// standard input, steps for `seconds` and one JSON line with wall and processor milliseconds a step and the peak
// resident megabytes. bench/fine_tune_step.py runs it and PyTorch in turns.
//
//   bench_fine_tune_step ENCODER_FOLDER [rows=32] [tokens=32] [threads=1] [labels=77] [seconds=1] [bf16=0|1]
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "bench/need.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/fine_tune.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace)

double processor_seconds(rusage& usage) {
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_fine_tune_step ENCODER_FOLDER [name=value ...]\n");
    return 64;
  }
  std::map<std::string, double> set = {{"rows", 32}, {"tokens", 32}, {"threads", 1}, {"labels", 77}, {"seconds", 1}};
  read_settings(set, {argv + 2, argv + argc}, {"bf16"});
  const auto size = [&](const char* name) { return static_cast<std::size_t>(set[name]); };
  Precision precision = TrainableEncoder::fast_precision(kernels());
  if (set.contains("bf16")) precision = set["bf16"] > 0 ? Precision::kBf16 : Precision::kF32;
  ThreadPool pool(size("threads"));
  Result<TrainableEncoder> loaded = TrainableEncoder::load(argv[1], precision, kernels(), pool);
  if (!loaded.ok()) {
    fmt::print(stderr, "{}\n", loaded.error().message());
    return loaded.error().exit_code();
  }
  TrainableEncoder& encoder = *loaded;
  Random random(1);
  TokenRows rows;
  for (std::size_t i = 0; i < size("rows"); ++i) {
    rows.ids.emplace_back();
    for (std::size_t t = 0; t < size("tokens"); ++t)
      rows.ids.back().push_back(static_cast<std::int32_t>(random.below(encoder.config().body.vocabulary)));
    rows.labels.push_back(static_cast<std::uint32_t>(random.below(size("labels"))));
  }
  SoftmaxHead head{size("labels"), encoder.dimensions(), std::vector<float>(size("labels") * encoder.dimensions()),
                   std::vector<float>(size("labels"))};
  FineTuneOptions options;
  options.epochs = 1;
  options.batch_rows = rows.ids.size();
  std::string line;
  while (std::getline(std::cin, line)) {
    rusage usage{};
    const auto wall = steady_now();
    const double processor = processor_seconds(usage);
    std::size_t steps = 0;
    for (; steps == 0 || seconds_since(wall) < set["seconds"]; ++steps)
      static_cast<void>(fine_tune(encoder, head, rows, options, {}));
    const double cpu = processor_seconds(usage) - processor, count = static_cast<double>(steps);
    fmt::print(
        "{{\"wall_ms\": {:.3f}, \"processor_ms\": {:.3f}, \"steps\": {}, \"peak_mb\": {}, \"isa\": \"{}\", "
        "\"precision\": \"{}\"}}\n",
        1e3 * seconds_since(wall) / count, 1e3 * cpu / count, steps, usage.ru_maxrss / 1024, kernels().name,
        precision_name(precision));
    std::fflush(stdout);
  }
  return 0;
}
