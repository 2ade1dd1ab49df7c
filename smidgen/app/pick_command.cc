// `pick`: reads the data, finds the models, hands both to learn/pick, and shows what came out.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "smidgen/app/commands.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/keep_input.h"
#include "smidgen/app/ladder_choice.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/machine.h"
#include "smidgen/app/model_card.h"
#include "smidgen/app/pick_json.h"
#include "smidgen/app/pick_page.h"
#include "smidgen/app/pick_table.h"
#include "smidgen/app/process.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/learn/pick.h"
#include "smidgen/learn/prices.h"

namespace smidgen {

namespace {

constexpr std::uint64_t kPricesBytesMax = 1 << 20;
constexpr std::uint64_t kStatsBytesMax = 1 << 16;

std::vector<NamedTarget> named_targets(const PickOptions& options) {
  std::vector<NamedTarget> targets;
  for (const LabelShare& recall : options.recall) targets.push_back({true, recall.label, recall.value});
  for (const LabelShare& precision : options.precision) targets.push_back({false, precision.label, precision.value});
  return targets;
}

Result<PickRequest> request_from(const PickOptions& options, const App& app, std::vector<std::string>& notes) {
  PickRequest request;
  request.out = options.out;
  request.force = options.force;
  request.accuracy = options.accuracy;
  request.confidence = options.confidence;
  request.risk_all = options.risk == "all";
  request.targets = named_targets(options);
  request.coverage_min = options.coverage_min.value_or(0);
  request.latency_ms_max = options.latency_ms_max;
  request.memory_mb_max = options.memory_mb_max;
  request.allow_uncertified = options.allow_uncertified;
  SMIDGEN_ASSIGN(request.ladder, ladder_options(options.rungs, options.encoder, options.tokens_max, app, notes));
  request.ladder.precision = options.arithmetic;
  request.ladder.exits = options.exits;
  request.ladder.repair_typos = options.typos == "repair";
  request.split.shares = options.split;
  request.split.seed = app.global.seed;
  if (options.new_certification_split)
    request.split.salt = fmt::format("{}-{:08x}", kDefaultSplitSalt, std::random_device{}());
  request.group_column = options.read.group_column;
  request.time_column = options.read.time_column;
  request.usd_per_core_hour = options.usd_per_core_hour;
  if (options.large_usd_per_1k_rows) request.large_usd_per_row = *options.large_usd_per_1k_rows / 1000;
  request.large_model = options.large_model;
  if (!options.prices.empty()) {
    auto text = read_file(options.prices, kPricesBytesMax);
    if (!text.ok()) return missing_file(std::move(text).error(), options.prices);
    if (text->empty()) return Error::bad_data("is empty: no prices").in(options.prices);
    request.prices_text = *std::move(text);
    auto price = find_price(options.large_model, request.prices_text);
    if (!price.ok()) return std::move(price).error().in(options.prices);
  }
  request.no_texts = options.no_texts;
  request.state_folder = state_directory();
  request.ladder.seconds_max = 60 * options.minutes_max.value_or(0);
  return request;
}

// A separate `run` over the file, asked for its own peak: the parent's memory would hide in what the system accounts to
// a child.
Result<double> run_memory_mb(const std::string& bundle, const std::string& jsonl) {
  // A relative name may begin with "-", and would be read as an option.
  const std::string here = jsonl.starts_with('-') ? "./" : "";
  const std::string rows = here + jsonl, stats = rows + ".stats", log = rows + ".log";
  SMIDGEN_ASSIGN(const ProcessOutcome outcome,
                 run_process({kOwnProgram, "run", here + bundle, rows, "--out", rows + ".answers", "--stats", stats,
                              "--force", "--quiet", "--no-settings"},
                             log));
  if (outcome.exit_code != 0) return Error::internal("a trial `run` of the bundle failed: " + outcome.output);
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(stats, kStatsBytesMax));
  return json_number(document.root(), "memory_peak_mb", 0, 1e9);
}

bool is_report(const std::string& path) {
  std::ifstream file(path);
  std::string head(2048, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  return head.find("<meta name=\"generator\" content=\"smidgen\">") != std::string::npos;
}

// The page beside the bundle replaces that of an earlier pick and no other file. Where the bundle is there, too, that
// is the better thing to say.
Status keep_page(const std::string& page, const PickOptions& options) {
  SMIDGEN_TRY(check_names_a_file("--report", page));
  SMIDGEN_TRY(keep_apart(page, options.out));
  if (!options.report.empty()) return keep_existing(page, options.force);
  std::error_code code;
  if (options.force || std::filesystem::exists(options.out, code) || !std::filesystem::is_regular_file(page, code) ||
      is_report(page))
    return Ok{};
  return Error(ErrorKind::kCannotCreate, "already exists").in(page).hint("name another with --report, or pass --force");
}

int print(const PickReport& report, const App& app) {
  const int code = report.certified ? 0 : static_cast<int>(ErrorKind::kNotAchieved);
  if (app.global.json) return finish_with(app, pick_json(report) + "\n", code);
  if (app.global.quiet && !report.certified)
    app.warn("not certified: " + for_terminal(report.refusal ? report.refusal->reason : kNothingPassed, 1000));
  return finish_with_summary(
      app, render_pick_table(report, app.terminal.output_colour, app.terminal.columns, app.global.plain), code);
}

int show(PickReport& report, const PickOptions& options, App& app) {
  if (!report.bundle.empty()) {
    report.page = options.report.empty() ? pick_page_path(report.bundle) : options.report;
    // The bundle stands: a page that cannot be written costs the exit code, not the answer.
    if (auto status = write_file_atomic(report.page, render_pick_page(report)); !status.ok()) {
      print(report, app);
      return app.fail(status.error());
    }
  }
  return print(report, app);
}

}  // namespace

int run_pick(const PickOptions& options, App& app) {
  std::vector<std::string> notes;
  auto request = request_from(options, app, notes);
  if (!request.ok()) return app.fail(request.error());
  const std::string page = options.report.empty() ? pick_page_path(options.out) : options.report;
  std::error_code code;
  for (const std::string& input : {options.data, options.test, options.prices})
    if (std::filesystem::is_directory(input, code))
      return app.fail(missing_file(Error::no_input("is a folder, a file is wanted").in(input), input));
  for (const std::string& input : {options.data, options.test, options.prices})
    for (const Status& status : {keep_input(page, {&input, 1}), keep_contents(options.out, input)})
      if (!status.ok()) return app.fail(status.error());
  if (const Status status = keep_page(page, options); !status.ok()) return app.fail(status.error());
  auto data = load_data(options.data, options.read, app);
  if (!data.ok()) return app.fail(data.error());
  std::optional<Dataset> test;
  if (!options.test.empty()) {
    ReadOptions read = options.read;
    if (!options.test_labels_from.empty()) {
      read.labels_from = options.test_labels_from;
      read.soft_column.clear();  // only labels certify
    }
    auto loaded = load_data(options.test, read, app);
    if (!loaded.ok()) return app.fail(loaded.error());
    test = std::move(*loaded);
    request->test = &*test;
  }
  ThreadPool pool(app.threads());
  Result<PickReport> report = Error::internal("not run");
  {
    const Watcher watcher = make_watcher(app);
    report = pick(*data, *request, {run_memory_mb, render_model_card, machine_in_words(app.threads())}, pool, watcher);
  }
  if (!report.ok()) return app.fail(report.error());
  report->notes.insert(report->notes.begin(), notes.begin(), notes.end());
  return show(*report, options, app);
}

}  // namespace smidgen
