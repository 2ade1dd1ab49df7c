// `bench`: how fast an encoder answers on this machine, by length, batch and threads, beside what the machine can do.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "smidgen/app/commands.h"
#include "smidgen/app/encoder_speed.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/machine.h"
#include "smidgen/app/models.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/model/bundle.h"

namespace smidgen {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// What is measured: the folder of an encoder, and the precisions it is to run in.
struct Target {
  std::string folder;
  std::vector<Precision> precisions;
};

// A bundle's encoder in the precision it answers in, an encoder folder or a model that was pulled in every one; or in
// the one that was asked for.
Result<Target> target_of(const BenchOptions& options) {
  const std::string& model = options.model;
  Target target{{}, {Precision::kF32, Precision::kBf16, Precision::kInt8}};
  std::error_code code;
  if (!fs::exists(model + "/bundle.json", code)) {
    SMIDGEN_ASSIGN(target.folder, find_encoder(model));
  } else {
    SMIDGEN_ASSIGN(const Bundle bundle, Bundle::load(model));  // checks the hash of every file
    for (const BundleRung& rung : bundle.info.rungs)
      if (rung.kind == RungKind::kEncoder) target.folder = model + "/" + rung.path;
    if (target.folder.empty())
      return Error::usage("this bundle runs no encoder, and bench times encoders")
          .in(model)
          .hint("smidgen run --stats FILE times a whole bundle over your rows");
    target.precisions = {bundle.info.precision};
  }
  if (const auto asked = precision_by_name(options.precision)) target.precisions = {*asked};
  return target;
}

// The lengths to measure: those asked for, all of which must fit, or the usual ones that do.
Result<std::vector<std::size_t>> lengths_of(const BenchOptions& options, const Encoder& encoder) {
  const std::size_t most = encoder.config().body.positions;
  if (options.tokens.empty()) {
    std::vector<std::size_t> lengths;
    for (const std::size_t tokens : {16, 32, 128, 512})
      if (tokens <= most) lengths.push_back(tokens);
    return lengths.empty() ? std::vector<std::size_t>{most} : lengths;
  }
  for (const std::size_t tokens : options.tokens)
    if (tokens > most)
      return Error::usage(fmt::format("--tokens {}: this model takes at most {}", tokens, most)).hint("ask for fewer");
  return options.tokens;
}

std::string share(double value) {
  return fmt::format("{:.0f} %", 100 * value);
}

// What the machine reached by itself, for each number of threads.
struct Limits {
  std::size_t threads = 0;
  double gigabytes_second = 0;
  std::vector<std::pair<Precision, double>> gigaflops;
};

struct Findings {
  BodyConfig body;
  std::string instruction_set;
  std::vector<SpeedCell> cells;
  std::vector<Limits> limits;
};

std::string name_of(Precision precision) {
  return std::string(precision_name(precision));
}

Json to_json(const std::string& model, const Findings& findings) {
  Json results = Json::array(), machine = Json::array();
  for (const SpeedCell& cell : findings.cells)
    results.push_back({{"tokens", cell.tokens},
                       {"batch", cell.batch},
                       {"threads", cell.threads},
                       {"together", cell.together},
                       {"precision", name_of(cell.precision)},
                       {"ms_p50", cell.ms_p50},
                       {"ms_p99", cell.ms_p99},
                       {"rows_per_second", cell.rows_per_second},
                       {"calls", cell.calls},
                       {"share_of_arithmetic", cell.share_of_arithmetic},
                       {"share_of_bandwidth", cell.share_of_bandwidth}});
  for (const Limits& limits : findings.limits) {
    Json gigaflops;
    for (const auto& [precision, rate] : limits.gigaflops) gigaflops[name_of(precision)] = rate;
    machine.push_back(
        {{"threads", limits.threads}, {"gigaflops", gigaflops}, {"gigabytes_per_second", limits.gigabytes_second}});
  }
  return {{"model", valid_utf8(model)},
          {"architecture", std::string(to_string(findings.body.architecture))},
          {"layers", findings.body.layers},
          {"hidden", findings.body.hidden},
          {"machine", processor_name()},
          {"instruction_set", findings.instruction_set},
          {"cores", usable_cores()},
          {"limits", machine},
          {"results", results}};
}

std::string to_text(const std::string& model, const Findings& findings, bool plain) {
  std::string out = fmt::format("{}   {}, {} layers of {}; {}, {}\n", for_terminal(model, 200),
                                std::string(to_string(findings.body.architecture)), findings.body.layers,
                                findings.body.hidden, processor_name(), findings.instruction_set);
  Table table({{"precision"},
               {"threads", true},
               {"batch", true},
               {"tokens", true},
               {"p50", true},
               {"p99", true},
               {"rows/s", true},
               {"arithmetic", true},
               {"bandwidth", true}});
  for (const SpeedCell& cell : findings.cells)
    table.add({name_of(cell.precision), with_thousands(cell.threads), with_thousands(cell.batch),
               with_thousands(cell.tokens), microseconds(1e3 * cell.ms_p50), microseconds(1e3 * cell.ms_p99),
               with_thousands(static_cast<std::uint64_t>(cell.rows_per_second)), share(cell.share_of_arithmetic),
               share(cell.share_of_bandwidth)});
  out += table.render(plain, 2);
  if (plain) return out;
  for (const Limits& limits : findings.limits) {
    out += fmt::format("  this machine, {}: {:.1f} GB/s from memory; products in cache:",
                       counted(limits.threads, "thread", "threads"), limits.gigabytes_second);
    for (const auto& [precision, rate] : limits.gigaflops)
      out += fmt::format(" {} {} G/s", name_of(precision), with_thousands(static_cast<std::uint64_t>(rate)));
    out += "\n";
  }
  return out + "  arithmetic: share of the products' rate; bandwidth: weights once a call, as a share of memory's\n";
}

// One thread, and all; or what was asked for.
std::vector<std::size_t> thread_counts(const App& app) {
  if (app.global.threads > 0) return {app.global.threads};
  return usable_cores() > 1 ? std::vector<std::size_t>{1, usable_cores()} : std::vector<std::size_t>{1};
}

Result<Findings> measure(const BenchOptions& options, const Target& target, App& app) {
  Findings findings;
  const Watcher watcher = make_watcher(app);
  const std::vector<std::size_t> batches = options.batch.empty() ? std::vector<std::size_t>{1} : options.batch;
  for (const std::size_t threads : thread_counts(app))
    findings.limits.push_back({threads, measure_bandwidth(kernels(), threads), {}});
  std::size_t done = 0;
  for (const Precision precision : target.precisions) {
    SMIDGEN_ASSIGN(Encoder encoder, Encoder::load_body(target.folder, {.precision = precision}));
    SMIDGEN_ASSIGN(const std::vector<std::size_t> lengths, lengths_of(options, encoder));
    // As long as the body can take, whatever the folder cuts texts at.
    const std::size_t longest = *std::max_element(lengths.begin(), lengths.end());
    if (longest > encoder.tokens_max()) {
      SMIDGEN_ASSIGN(encoder, Encoder::load_body(target.folder, {.tokens_max = longest, .precision = precision}));
    }
    findings.body = encoder.config().body;
    findings.instruction_set = encoder.kernels().name;
    const std::size_t all = target.precisions.size() * findings.limits.size() * batches.size() * lengths.size();
    for (Limits& limits : findings.limits) {
      limits.gigaflops.emplace_back(precision, measure_arithmetic(encoder.kernels(), precision, limits.threads));
      const MachineLimits machine{limits.gigaflops.back().second, limits.gigabytes_second};
      for (const std::size_t batch : batches) {
        for (const std::size_t tokens : lengths) {
          watcher.report("bench", static_cast<double>(done++) / static_cast<double>(all));
          SMIDGEN_ASSIGN(const SpeedCell cell,
                         measure_speed(encoder, {tokens, batch, limits.threads, options.together, options.seconds},
                                       machine, watcher));
          findings.cells.push_back(cell);
        }
      }
    }
  }
  return findings;
}

}  // namespace

int run_bench(const BenchOptions& options, App& app) {
  const auto target = target_of(options);
  if (!target.ok()) return app.fail(target.error());
  const auto findings = measure(options, *target, app);
  if (!findings.ok()) return app.fail(findings.error());
  if (app.global.json)
    return finish_with(app,
                       to_json(options.model, *findings).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  return finish_with(app, to_text(options.model, *findings, app.global.plain));
}

}  // namespace smidgen
