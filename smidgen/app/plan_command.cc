// `plan`: which rows to label next, as CSV, and what to expect of so many more labels.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/keep_input.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/models.h"
#include "smidgen/base/file.h"
#include "smidgen/learn/plan_labels.h"
#include "smidgen/text/column_names.h"

namespace smidgen {

namespace {

using Json = nlohmann::ordered_json;

// Whether the columns are found and the first row is one.
bool can_read(const std::string& path, const ReadOptions& read) {
  const auto reader = RecordReader::open(path, read);
  Record record;
  return reader.ok() && (*reader)->next(record).ok() && !record.error;
}

// One of two files may be what an earlier round wrote, and --format and --delimiter meant for the other: a file they
// do not fit is read as it shows itself. A stream cannot be looked at twice.
bool let_show_itself(const std::string& path, ReadOptions& read, const App& app) {
  if (read.format == DataFormat::kAuto && read.delimiter == 0) return false;
  std::error_code code;
  if (path == "-" || !std::filesystem::is_regular_file(path, code) || can_read(path, read)) return false;
  ReadOptions own = read;
  own.format = DataFormat::kAuto;
  own.delimiter = 0;
  if (!can_read(path, own)) return false;
  read = own;
  app.say("smidgen: " + for_terminal(path, 200) +
          ": read as its name and first line say, for --format and --delimiter fit the other file only");
  return true;
}

// Labels in a file that is read as unlabelled are not used: silence would be taken for the contrary. A column may be
// called so and mean something else, so it is no error.
void warn_of_labels(const std::string& path, ReadOptions read, const ReadOptions& asked, const App& app) {
  read.extra_column = asked.label_column.empty() ? "label" : asked.label_column;
  std::error_code code;
  if (read.extra_column == read.text_column || !std::filesystem::is_regular_file(path, code)) return;
  const auto reader = RecordReader::open(path, read);
  if (!reader.ok()) return;
  std::uint64_t rows = 0, labelled = 0;
  for (Record record;; ++rows) {
    const auto found = (*reader)->next(record);
    if (!found.ok() || !*found || record.error) break;
    labelled += trim_ascii(record.extra).empty() ? 0 : 1;
  }
  if (labelled > 0)
    app.warn(fmt::format(
        "{}: {} of {} rows have a label already (`{}`), and none of them is used: a file alone is read "
        "as unlabelled; for labelled rows: smidgen plan LABELLED UNLABELLED",
        for_terminal(path, 200), with_thousands(labelled), with_thousands(rows), for_terminal(read.extra_column)));
}

std::string id_name(const ReadOptions& read) {
  return read.id_column.empty() ? "id" : read.id_column;
}

// Of the CSV. Those for labels, probabilities and sources are left open, so that the next round finds what it is told
// to read.
std::vector<std::string> open_columns(const ReadOptions& read) {
  std::vector<std::string> names = {read.label_column.empty() ? "label" : read.label_column};
  if (!read.soft_column.empty()) names.push_back(read.soft_column);
  if (!read.source_column.empty()) names.push_back(read.source_column);
  return names;
}
std::vector<std::string> column_names(const ReadOptions& read, bool has_ids) {
  std::vector<std::string> names = {read.text_column};
  if (has_ids) names.push_back(id_name(read));
  for (std::string& name : open_columns(read)) names.push_back(std::move(name));
  names.emplace_back("reason");
  names.emplace_back(kSampledColumn);
  return names;
}

// A header with a name twice could not be read back.
Status check_columns(const ReadOptions& read) {
  std::vector<std::string> names = column_names(read, id_name(read) != read.text_column);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return Ok{};
  return Error::usage("the CSV to write would have two columns " + quoted_for_message(*twice))
      .hint("give the text, the label or whatever has that name another");
}

struct Unlabelled {
  std::vector<std::string> texts, ids;  // ids: as JSON, empty where a row has none
  std::vector<std::uint64_t> lines;
  bool has_ids = false;
  std::uint64_t left_out = 0;  // rows with a NUL
};

// A string without its quotes, anything else as it stands.
std::string id_text(const std::string& json) {
  if (json.empty()) return {};
  const Json id = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  return id.is_string() ? id.get<std::string>() : json;
}

// CSV with one could not be read back. JSON has it as an escape only.
bool has_nul(const Record& record) {
  if (record.text.find('\0') != std::string::npos) return true;
  return record.id_json.find("\\u0000") != std::string::npos &&
         id_text(std::string(record.id_json)).find('\0') != std::string::npos;
}

Result<Unlabelled> read_unlabelled(const std::string& path, ReadOptions read, const App& app) {
  read.cancelled = interrupted;
  auto opened = RecordReader::open(path, read);
  if (!opened.ok()) return missing_file(std::move(opened).error(), path);
  const auto& reader = *opened;
  say_delimiter(path, reader->delimiter_found(), app);
  Unlabelled rows;
  for (Record record;;) {
    SMIDGEN_ASSIGN(const bool found, reader->next(record));
    if (!found) break;
    if (record.error) return std::move(*record.error);
    if (record.line == 1) warn_of_table(path, read, record, app);
    if (has_nul(record)) {
      ++rows.left_out;
      continue;
    }
    rows.texts.emplace_back(record.text);
    rows.ids.emplace_back(record.id_json);
    rows.lines.push_back(record.line);
    rows.has_ids = rows.has_ids || !record.id_json.empty();
  }
  if (id_name(read) == read.text_column) rows.has_ids = false;  // one column cannot be written twice
  if (rows.texts.empty())
    return Error::bad_data(rows.left_out > 0 ? "has no rows without a NUL, which CSV cannot hold" : "has no rows")
        .in(path);
  return rows;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos && trim_ascii(text) == text) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string to_csv(const LabelPlan& plan, const Unlabelled& from, const PlanOptions& options) {
  std::string csv;
  for (const std::string& name : column_names(options.read, from.has_ids))
    csv += (csv.empty() ? "" : ",") + csv_field(name);
  csv += "\n";
  const std::string left_open(open_columns(options.read).size(), ',');
  for (const PlannedRow& row : plan.rows) {
    csv += csv_field(from.texts[row.row]) + ",";
    if (from.has_ids) csv += csv_field(id_text(from.ids[row.row])) + ",";
    csv += left_open + csv_field(row.reason) + (row.chosen ? ",chosen\n" : ",random\n");
  }
  return csv;
}

// The file is for filling in by hand, and a spreadsheet computes what looks like a formula, whatever quotes it stands
// in.
void warn_of_formulas(const LabelPlan& plan, const Unlabelled& from, const App& app) {
  const auto is_formula = [](const std::string& cell) {
    return !cell.empty() && std::string_view("=+-@").find(cell[0]) != std::string_view::npos;
  };
  std::uint64_t cells = 0;
  for (const PlannedRow& row : plan.rows) {
    cells += is_formula(from.texts[row.row]) ? 1 : 0;
    cells += from.has_ids && is_formula(id_text(from.ids[row.row])) ? 1 : 0;
  }
  if (cells > 0)
    app.warn(counted(cells, "cell begins", "cells begin") +
             " with =, +, - or @, which a spreadsheet takes for a formula: import the columns as text");
}

Json to_json(const CurveEstimate& estimate) {
  return {{"value", estimate.value}, {"low", estimate.interval.low}, {"high", estimate.interval.high}};
}

Json to_json(const std::optional<CurveForecast>& forecast) {
  if (!forecast) return nullptr;
  return {
      {"labels", forecast->rows}, {"accuracy", to_json(forecast->accuracy)}, {"coverage", to_json(forecast->coverage)}};
}

std::string to_json(const LabelPlan& plan, const Unlabelled& from, const PlanOptions& options) {
  Json rows = Json::array();
  for (const PlannedRow& row : plan.rows) {
    Json one = {{"line", from.lines[row.row]}, {"text", from.texts[row.row]}};
    if (!from.ids[row.row].empty()) one["id"] = Json::parse(from.ids[row.row], nullptr, false);
    one["reason"] = row.reason;
    one["sampled"] = row.chosen ? "chosen" : "random";
    rows.push_back(std::move(one));
  }
  const Json document = {
      {"rows", std::move(rows)},
      {"method", plan.method},
      {"unlabelled", plan.open},
      {"labelled", plan.labelled},
      {"accuracy_target", options.accuracy},
      {"estimate",
       {{"interval", "bootstrap, not calibrated"}, {"now", to_json(plan.now)}, {"then", to_json(plan.then)}}},
      {"notes", plan.notes},
      {"certified", false}};
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string estimate_line(const CurveForecast& forecast, double target) {
  const auto shown = [](const CurveEstimate& e) {
    return fmt::format("{} ({} .. {})", rounded_down(e.value, 2), rounded_down(e.interval.low, 2),
                       rounded_up(e.interval.high, 2));
  };
  return fmt::format("  {:>8} labels: accuracy {}, share answered at accuracy {:g}: {}\n",
                     with_thousands(static_cast<std::uint64_t>(forecast.rows)), shown(forecast.accuracy), target,
                     shown(forecast.coverage));
}

std::string summary(const LabelPlan& plan, const PlanOptions& options) {
  std::size_t random = 0;
  for (const PlannedRow& row : plan.rows) random += row.chosen ? 0 : 1;
  std::string text = fmt::format("{} of {} unlabelled texts to label next: {} {}, {} at random\n",
                                 with_thousands(plan.rows.size()), with_thousands(plan.open),
                                 with_thousands(plan.rows.size() - random), plan.method, with_thousands(random));
  if (plan.now && plan.then) {
    text +=
        "estimate for the frozen encoder, from the learning curve (bootstrap intervals, not calibrated; nothing is "
        "certified):\n";
    text += estimate_line(*plan.now, options.accuracy) + estimate_line(*plan.then, options.accuracy);
  }
  text += "rows sampled as \"chosen\" are only trained on: `pick` certifies on the random ones\n";
  for (const std::string& note : plan.notes) text += "note: " + note + "\n";
  return text;
}

Result<LabelPlan> make(const PlanOptions& options, App& app, Unlabelled& unlabelled) {
  SMIDGEN_ASSIGN(const std::string folder, find_encoder(options.encoder));
  std::optional<Dataset> labelled;
  ReadOptions read = options.read;
  read.label_column.clear();
  read.soft_column.clear();
  read.source_column.clear();
  read.labels_from.clear();
  if (options.files.size() == 2) {
    ReadOptions of_labelled = options.read;
    of_labelled.id_column.clear();  // it is copied from the unlabelled rows
    if (!let_show_itself(options.files.front(), of_labelled, app)) let_show_itself(options.files.back(), read, app);
    SMIDGEN_ASSIGN(labelled, load_data(options.files.front(), of_labelled, app));
  }
  SMIDGEN_ASSIGN(unlabelled, read_unlabelled(options.files.back(), read, app));
  if (!labelled) warn_of_labels(options.files.back(), read, options.read, app);
  SMIDGEN_ASSIGN(const Encoder encoder, Encoder::load(folder, {.tokens_max = options.tokens_max}));
  PlanRequest request;
  request.rows = options.rows;
  request.random_share = options.random_share;
  request.accuracy = options.accuracy;
  request.seed = app.global.seed;
  ThreadPool pool(app.threads());
  const Watcher watcher = make_watcher(app);
  auto plan = plan_labels(labelled ? &*labelled : nullptr, unlabelled.texts, encoder, request, pool, watcher);
  if (!plan.ok()) return std::move(plan).error().in(options.files.back());
  if (unlabelled.left_out > 0)
    plan->notes.push_back(counted(unlabelled.left_out, "row", "rows") + " left out: CSV cannot hold a NUL.");
  return plan;
}

}  // namespace

int run_plan(const PlanOptions& options, App& app) {
  const bool to_file = !options.out.empty() && options.out != "-";
  if (const Status status = keep_input(options.out, options.files); !status.ok()) return app.fail(status.error());
  if (to_file)
    if (const Status status = keep_existing(options.out, options.force); !status.ok()) return app.fail(status.error());
  if (const Status status = check_columns(options.read); !status.ok()) return app.fail(status.error());
  Unlabelled unlabelled;
  const auto plan = make(options, app, unlabelled);
  if (!plan.ok()) return app.fail(plan.error());
  const std::string csv = to_csv(*plan, unlabelled, options);
  if (to_file)
    if (const Status status = write_file_atomic(options.out, csv); !status.ok()) return app.fail(status.error());
  if (to_file || !app.global.json) warn_of_formulas(*plan, unlabelled, app);
  if (app.global.json) return finish_with(app, to_json(*plan, unlabelled, options));
  if (to_file) return finish_with_summary(app, summary(*plan, options));
  std::string said = summary(*plan, options);
  said.pop_back();
  app.say(said);
  return finish_with(app, csv);
}

}  // namespace smidgen
