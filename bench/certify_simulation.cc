// Do certificates hold? Redraws tune and certify rows from pools whose true risk is known and counts certificates that
// were wrong (docs/certificates.md). Without arguments: synthetic pools, at 0.95. Real ones come as score caches
// (bench/score_cache.h): scores of every rung on rows that no rung was fitted on.
//
//   bench_certify_simulation [--draws=1000] [--accuracy=0.95] [--tune=1000] [--certify=1500] [--threads=N] [--no-bias]
//                            [--control] [CACHE...]
//
// Exit 1 when a pool shows more violations than the 99 % limit, an easy pool is refused too often, or the negative
// control on the boundary pool does not fail.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bench/score_cache.h"
#include "smidgen/base/clock.h"
#include "smidgen/learn/simulate.h"

namespace {

using namespace smidgen;

struct Run {
  SimulationOptions options;
  std::size_t threads = usable_cores();
  std::vector<std::string> caches;
  bool control = false;
};

bool parse(int count, char** arguments, Run& run) {
  run.options.certification.accuracy = 0.95;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    const auto value = [&](std::string_view name, double& out) {
      if (!argument.starts_with(name)) return false;
      out = std::atof(arguments[i] + name.size());
      return true;
    };
    double x = 0;
    if (value("--draws=", x)) {
      run.options.draws = static_cast<std::uint64_t>(x);
    } else if (value("--accuracy=", x)) {
      run.options.certification.accuracy = x;
    } else if (value("--tune=", x)) {
      run.options.units_tune = static_cast<std::size_t>(x);
    } else if (value("--certify=", x)) {
      run.options.units_certify = static_cast<std::size_t>(x);
    } else if (value("--threads=", x)) {
      run.threads = static_cast<std::size_t>(x);
    } else if (argument == "--no-bias") {
      run.options.certification.candidates.calibration.bias = false;
    } else if (argument == "--control") {
      run.control = true;
    } else if (argument.starts_with("--")) {
      fmt::print(stderr, "unknown option {}\n", argument);
      return false;
    } else {
      run.caches.emplace_back(argument);
    }
  }
  return run.options.draws > 0 && run.options.units_tune > 0 && run.options.units_certify > 0 && run.threads > 0;
}

// Costs in the proportions of the real rungs: 10 us, 50 us and 3 ms a row at 0.04 USD per core-hour; a large model at
// 0.3 USD per thousand rows.
LadderCost usual_cost(std::size_t rungs) {
  LadderCost cost;
  for (std::size_t r = 0; r < rungs; ++r) {
    cost.seconds_per_row.push_back(r == 0 ? 10e-6 : r + 1 == rungs && rungs > 1 ? 3e-3 : 50e-6);
    cost.usd_per_row.push_back(cost.seconds_per_row[r] * 0.04 / 3600);
  }
  cost.large_usd_per_row = 0.3e-3;
  return cost;
}

bool show(const std::string& name, const ScorePool& pool, const Run& run, bool control, bool control_must_fail,
          ThreadPool& threads) {
  SimulationOptions options = run.options;
  options.certification.cost = usual_cost(pool.rungs);
  options.control = control;
  const auto start = steady_now();
  const SimulationResult result = simulate(pool, options, &threads);
  const double seconds = seconds_since(start);
  const std::uint64_t limit = violations_limit(result.draws, 1 - options.certification.confidence);
  const bool holds = result.violations <= limit;
  const bool answers = !result.easy || result.refused * 10 <= result.draws;
  const bool caught = !control_must_fail || result.control_violations > limit;
  fmt::print(
      "{:<28} {:>6} rows {:>3} labels | violations {:>3} of {} (limit {}) | refused {:>4}{} | coverage {:.3f} | "
      "tested {:.1f} | control {} | {:.0f} s {}\n",
      name, pool.size(), pool.label_count, result.violations, result.draws, limit, result.refused,
      result.easy ? " (easy: <= 10 %)" : "", result.coverage, result.tested,
      control ? std::to_string(result.control_violations) : "-", seconds, holds && answers && caught ? "ok" : "FAILED");
  std::fflush(stdout);
  return holds && answers && caught;
}

}  // namespace

int main(int count, char** arguments) {
  Run run;
  if (!parse(count, arguments, run)) return 64;
  ThreadPool threads(run.threads);
  bool good = true;
  if (run.caches.empty()) {
    run.options.certification.accuracy = 0.95;  // the risk that boundary_pool is made for
    good &= show("boundary, 2 rungs", boundary_pool(2, 16), run, true, true, threads);
    good &= show("boundary, 3 rungs", boundary_pool(3, 6), run, true, true, threads);
    good &= show("easy", easy_pool(3, 20000), run, run.control, false, threads);
  }
  for (const std::string& path : run.caches) {
    const auto pool = read_score_cache(path);
    if (!pool.ok()) {
      fmt::print(stderr, "{}\n", pool.error().message());
      return pool.error().exit_code();
    }
    good &= show(path.substr(path.find_last_of('/') + 1), *pool, run, run.control, false, threads);
  }
  return good ? 0 : 1;
}
