// `run`: answers a file or a stream, one JSON line a row.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "smidgen/app/answers_file.h"
#include "smidgen/app/command_line.h"
#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/keep_input.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/machine.h"
#include "smidgen/app/model_heads.h"
#include "smidgen/app/models.h"
#include "smidgen/app/run_pipeline.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/open_error.h"
#include "smidgen/base/shell_word.h"
#include "smidgen/base/utf8.h"
#include "smidgen/model/tagger.h"
#include "smidgen/model/zero_shot.h"
#include "smidgen/tensor/kernels.h"

namespace smidgen {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLabelsBytesMax = 4U << 20;

bool is_regular(const std::string& path) {
  std::error_code code;
  return path != "-" && fs::is_regular_file(path, code);
}

// The rows of several files, one after the other. Lives on the reader thread.
class FileRows {
 public:
  FileRows(std::vector<std::string> files, ReadOptions read, const App& app)
      : files_(std::move(files)), read_(std::move(read)), app_(app) {}

  Result<bool> next(Record& record) {
    for (;;) {
      if (!reader_) {
        if (at_ == files_.size()) return false;
        SMIDGEN_ASSIGN(reader_, RecordReader::open(files_[at_], read_));
        say_delimiter(files_[at_], reader_->delimiter_found(), app_);
      }
      SMIDGEN_ASSIGN(const bool got, reader_->next(record));
      if (got && record.line == 1) warn_of_table(files_[at_], read_, record, app_);
      if (got) return true;
      reader_.reset();
      ++at_;
    }
  }

 private:
  std::vector<std::string> files_;
  ReadOptions read_;
  const App& app_;
  std::size_t at_ = 0;
  std::unique_ptr<RecordReader> reader_;
};

// A missing file or column in the last of many files should not cost the run: look before starting.
Status check_files(const std::vector<std::string>& files, const ReadOptions& read) {
  for (const std::string& file : files) {
    std::error_code code;
    if (file == "-") continue;
    if (!fs::exists(file, code)) {
      Error error = open_error(file, ENOENT);
      if (file.find(' ') == std::string::npos) return missing_file(std::move(error), file);
      return std::move(error).hint("a text to answer goes behind --text");
    }
    if (fs::is_directory(file, code)) {
      Error error = Error::no_input("is a folder, a file is wanted").in(file);
      if (!fs::exists(file + "/bundle.json", code)) return error;
      return std::move(error).hint("the bundle comes first: smidgen run BUNDLE FILES");
    }
    if (is_regular(file)) {
      auto reader = RecordReader::open(file, read);
      if (!reader.ok()) return std::move(reader).error();
    }
  }
  return Ok{};
}

// Leaves out the first `skipped` rows.
RecordSource make_source(const RunOptions& options, std::uint64_t skipped, const App& app) {
  if (!options.texts.empty()) {
    auto at = std::make_shared<std::size_t>(0);
    return [texts = options.texts, at](Record& record) -> Result<bool> {
      if (*at == texts.size()) return false;
      record.text = texts[(*at)++];
      record.line = *at;
      return true;
    };
  }
  std::vector<std::string> files = options.files;
  if (files.empty()) files = {"-"};
  auto rows = std::make_shared<FileRows>(std::move(files), options.read, app);
  return [rows, skipped](Record& record) mutable -> Result<bool> {
    for (; skipped > 0; --skipped) {
      SMIDGEN_ASSIGN(const bool got, rows->next(record));
      if (!got) return Error::bad_data("the input has fewer rows than were answered before the stop");
      record.error.reset();
    }
    return rows->next(record);
  };
}

// --labels A,B,.. or @FILE, one a line.
Result<std::vector<std::string>> read_labels(const std::string& given) {
  std::string text = given;
  const bool file = given.starts_with('@');
  if (file) {
    const std::string path = given.substr(1);
    auto read = read_file(path, kLabelsBytesMax);
    if (!read.ok()) return missing_file(std::move(read).error(), path);
    text = without_byte_order_mark(*read);
    if (const auto bad = first_invalid_utf8(text))
      return Error::bad_data("is not UTF-8 text")
          .in(path)
          .at_byte(*bad)
          .hint("labels stand in it one a line, in UTF-8");
  }
  std::vector<std::string> labels;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(file ? '\n' : ',', at), text.size());
    std::string label = text.substr(at, end - at);
    at = end + 1;
    label.erase(0, label.find_first_not_of(" \t\r"));
    label.erase(label.find_last_not_of(" \t\r") + 1);
    if (!label.empty()) labels.push_back(std::move(label));
  }
  return labels;
}

// Of an encoder that was given where a bundle is wanted.
Error not_a_bundle(const std::string& name, ErrorKind kind) {
  std::error_code code;
  if (const fs::path parent = fs::path(name).parent_path(); fs::exists(parent / "bundle.json", code))
    return Error(kind, "is a part of a bundle").in(name).hint("give " + parent.string());
  const auto folder = find_encoder(name);
  const std::vector<std::string> heads = folder.ok() ? architectures_of(*folder) : std::vector<std::string>{};
  std::string what = "is an encoder, not a bundle";
  if (!heads.empty()) what += ", and has no head that tags words: its config.json names " + heads_in_words(heads);
  Error error = Error(kind, what).in(name);
  if (!heads.empty() && heads.front().ends_with("ForQuestionAnswering"))
    return std::move(error).hint("ask it: `smidgen ask " + shell_word(for_terminal(name, 200)) +
                                 " --passage FILE QUESTION`");
  return std::move(error).hint(
      "train on it with `smidgen pick`, or answer by similarity to names with --labels A,B,..");
}

Result<Classifier> open_classifier(const RunOptions& options) {
  if (options.labels.empty()) {
    auto opened = Classifier::open(options.bundle, options.precision);
    std::error_code code;
    const bool bundle = fs::exists(options.bundle + "/bundle.json", code) || options.bundle.empty();
    if (opened.ok() || bundle) return opened;
    if (!find_encoder(options.bundle).ok()) return bundle_error(std::move(opened).error(), options.bundle);
    return not_a_bundle(options.bundle, opened.error().kind());
  }
  ZeroShotOptions zero_shot;
  SMIDGEN_ASSIGN(zero_shot.labels, read_labels(options.labels));
  zero_shot.precision = options.precision.value_or(Precision::kF32);
  if (!options.label_template.empty()) zero_shot.label_template = options.label_template;
  SMIDGEN_ASSIGN(const std::string folder, find_encoder(options.bundle));
  SMIDGEN_ASSIGN(Bundle bundle, zero_shot_bundle(folder, zero_shot));
  return Classifier::of(std::move(bundle));
}

// What answers: a bundle (or an encoder with --labels), or a model that tags words.
struct RunModel {
  std::optional<Classifier> classifier;
  std::optional<Tagger> tagger;

  MakeAnswerer answerer(const PipelineOptions& pipeline) const {
    return tagger ? answer_with(*tagger, pipeline) : answer_with(*classifier, pipeline);
  }
};

// The folder of a model that tags words, if that is what `name` is.
std::optional<std::string> tagger_folder(const std::string& name) {
  std::error_code code;
  if (name.empty() || fs::exists(name + "/bundle.json", code)) return std::nullopt;
  const auto folder = find_encoder(name);
  if (!folder.ok()) return std::nullopt;
  const std::vector<std::string> heads = architectures_of(*folder);
  if (heads.empty() || !heads.front().ends_with("ForTokenClassification")) return std::nullopt;
  return *folder;
}

// Settings may say these for other commands, so that they are no mistake.
void warn_of_unused(const App& app, const RunOptions& options) {
  if (app.global.quiet) return;
  if (options.top > 0) app.warn("a model that tags words has no labels of whole texts: --top changes nothing");
  if (options.precision.value_or(Precision::kF32) != Precision::kF32)
    app.warn("a model that tags words computes in f32: --precision changes nothing");
}

Result<RunModel> open_model(const RunOptions& options, const App& app) {
  RunModel model;
  const auto folder = options.labels.empty() ? tagger_folder(options.bundle) : std::nullopt;
  if (folder) {
    warn_of_unused(app, options);
    SMIDGEN_ASSIGN(model.tagger, Tagger::load(*folder));
  } else {
    SMIDGEN_ASSIGN(model.classifier, open_classifier(options));
  }
  return model;
}

// What pick wrote without a certificate says so each time it answers. A bundle of `train` never claimed anything.
void warn_if_uncertified(const App& app, const Bundle& bundle, const std::string& path) {
  if (!app.global.quiet && bundle.other_precision)
    app.warn("the bundle was measured in " + std::string(precision_name(bundle.info.precision)) +
             ": nothing is claimed for answers in another precision, and each says \"certified\":false");
  if (app.global.quiet || !bundle.certificate || bundle.certificate->certified) return;
  app.warn("this bundle is not certified: nothing is claimed for its answers (see `smidgen show " +
           shell_word(for_terminal(path, 200)) + "`)");
}

// Name, size and times of every regular file in the folder `path`, or of the file `path`.
Status add_files(std::string& text, const std::string& path) {
  std::error_code code;
  std::vector<std::string> files;
  if (fs::is_directory(path, code)) {
    for (fs::recursive_directory_iterator it(path, code), end; !code && it != end; it.increment(code))
      if (it->is_regular_file(code)) files.push_back(it->path().string());
    if (code) return Error::io(code.message()).in(path);
    std::sort(files.begin(), files.end());
  } else {
    files = {path};
  }
  for (const std::string& file : files) {
    struct stat found {};
    if (::stat(file.c_str(), &found) != 0) return open_error(file, errno);
    append_json_string(text, file);
    append_json_string(text, fs::absolute(file, code).string());
    text += fmt::format(" {} {}.{} {}.{}\n", found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec,
                        found.st_ctim.tv_sec, found.st_ctim.tv_nsec);
  }
  return Ok{};
}

// What the answers of a run depend on; none when its rows cannot be read twice.
std::optional<AnswersFile::Run> run_identity(const RunOptions& options, const RunModel& model) {
  if (options.files.empty() || !std::all_of(options.files.begin(), options.files.end(), is_regular))
    return std::nullopt;
  const ReadOptions& read = options.read;
  std::string command, state = version_text() + kernels().name;
  command += fmt::format("\n{} {} {} {} {} {}\n", static_cast<int>(read.format), static_cast<int>(read.delimiter),
                         options.precision ? precision_name(*options.precision) : "own", options.top, options.with_text,
                         options.strict);
  for (const std::string& field :
       {options.bundle, options.labels, options.label_template, read.text_column, read.id_column})
    append_json_string(command, field);
  for (const std::string& file : options.files) append_json_string(command, file);
  if (model.classifier && options.labels.empty()) {
    state += model.classifier->bundle().sha256;
  } else {
    const auto folder = find_encoder(options.bundle);
    if (!folder.ok() || !add_files(state, *folder).ok()) return std::nullopt;
  }
  if (model.classifier)
    for (const std::string& label : model.classifier->bundle().info.labels) append_json_string(state, label);
  for (const std::string& file : options.files)
    if (!add_files(state, file).ok()) return std::nullopt;
  return AnswersFile::Run{std::move(command), std::move(state)};
}

std::uint64_t rows_at(const PipelineSummary& s, std::size_t rung) {
  return rung < s.rows_at_rung.size() ? s.rows_at_rung[rung] : 0;
}

// ", 12 % to the large model, linear 80 %, encoder 20 %"
std::string shares_text(const BundleInfo& info, const PipelineSummary& s) {
  const auto share = [answered = s.rows - s.bad](std::uint64_t part) {
    return answered == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(answered);
  };
  std::string text = fmt::format(", {} to the large model", escalated_percent(1 - share(s.escalated)));
  if (info.rungs.size() > 1)
    for (std::size_t i = 0; i < info.rungs.size(); ++i)
      text += fmt::format(", {} {}", info.rungs[i].name, answered_percent(share(rows_at(s, i))));
  return text;
}

// Rows a second of this process, which `before` rows are not of.
double rows_per_second(const PipelineCounts& s, std::uint64_t before, double seconds) {
  return static_cast<double>(s.rows - before) / std::max(seconds, 1e-6);
}

void report_summary(const App& app, const RunModel& model, const PipelineSummary& s, std::uint64_t before,
                    double seconds) {
  std::string line =
      fmt::format("smidgen: {} in {} ({} rows/s)", counted(s.rows - before, "row", "rows"), seconds_text(seconds),
                  with_thousands(static_cast<std::uint64_t>(rows_per_second(s, before, seconds))));
  if (before > 0)
    line += fmt::format(", {} before the stop, {} in all", with_thousands(before), with_thousands(s.rows));
  line +=
      model.tagger ? ", " + counted(s.entities, "entity", "entities") : shares_text(model.classifier->bundle().info, s);
  if (s.cut > 0) line += ", " + counted(s.cut, "row", "rows") + " too long and read in part";
  if (s.empty > 0) line += ", " + counted(s.empty, "row", "rows") + " without a text";
  if (s.bad > 0) line += ", " + counted(s.bad, "bad row", "bad rows");
  app.say(line);
}

// --stats FILE: what the run did, for programs.
Status write_stats(const std::string& path, const RunModel& model, const PipelineSummary& s, std::uint64_t before,
                   double seconds) {
  const std::string what =
      model.tagger ? fmt::format("\"entities\":{}", s.entities) : fmt::format("\"escalated\":{}", s.escalated);
  std::string out =
      fmt::format(R"({{"complete":{},"rows":{},"rows_before":{},"bad":{},{},"cut":{},"empty":{},"seconds":{:.6f},)"
                  R"("rows_per_second":{:.1f},"memory_peak_mb":{:.1f})",
                  !s.error, s.rows, before, s.bad, what, s.cut, s.empty, seconds, rows_per_second(s, before, seconds),
                  memory_peak_mb());
  if (model.tagger) return write_file_atomic(path, out + "}\n");
  const std::vector<BundleRung>& rungs = model.classifier->bundle().info.rungs;
  out += ",\"rungs\":[";
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    out += i == 0 ? "{\"rung\":" : ",{\"rung\":";
    append_json_string(out, rungs[i].name);
    out += fmt::format(",\"rows\":{}}}", rows_at(s, i));
  }
  return write_file_atomic(path, out + "]}\n");
}

constexpr std::size_t kErrorCharactersMax = 500;

// After an error. What is wrong with a row under --strict will be so again; else the same command may do better.
int finish_early(const App& app, const RunOptions& options, const PipelineSummary& summary, AnswersFile* out) {
  const int code = app.fail(*summary.error);
  if (out != nullptr && options.strict && summary.error->kind() == ErrorKind::kBadData) out->discard();
  if (out != nullptr) out->keep(summary);
  const std::uint64_t kept = out == nullptr ? 0 : out->rows_kept();
  if (kept > 0)
    app.say("smidgen: " + counted(kept, "answer is", "answers are") + " in " + for_terminal(out->kept_in(), 200) +
            "; the same command goes on from there");
  return code;
}

int finish(App& app, const RunOptions& options, PipelineSummary& summary, AnswersFile* out) {
  if (summary.error && is_closed_pipe(*summary.error)) return 0;
  if (out != nullptr && !summary.error)
    if (const Status status = out->commit(); !status.ok()) summary.error = status.error();
  if (summary.error) return finish_early(app, options, summary, out);
  if (summary.bad == 0) return 0;
  if (!options.texts.empty()) return 65;
  app.warn(fmt::format("{} of {} rows could not be read; their lines carry `error`, the first: {}",
                       with_thousands(summary.bad), with_thousands(summary.rows),
                       for_terminal(summary.first_bad, kErrorCharactersMax)));
  return 65;
}

}  // namespace

int run_run(const RunOptions& options, App& app) {
  const bool from_stdin = options.texts.empty() && options.files.empty();
  if (from_stdin && app.terminal.input_is_tty) {
    if (app.global.no_input) return app.fail(Error::usage("no FILES given, and --no-input forbids the terminal"));
    app.say("smidgen: reading the terminal, one text a line; Ctrl-D ends");
  }
  if (const Status status = check_files(options.files, options.read); !status.ok()) return app.fail(status.error());
  std::vector<std::string> inputs = options.files;
  inputs.push_back(options.bundle);
  if (options.labels.starts_with('@')) inputs.push_back(options.labels.substr(1));
  for (const std::string& written : {options.out, options.stats}) {
    if (const Status status = keep_input(written, inputs); !status.ok()) return app.fail(status.error());
    if (const Status status = keep_existing(written, options.force); !status.ok()) return app.fail(status.error());
  }
  if (const Status status = check_names_a_file("--stats", options.stats); !status.ok()) return app.fail(status.error());
  const bool to_file = !options.out.empty() && options.out != "-";
  if (to_file)
    for (const std::string& beside : AnswersFile::names(options.out)) {
      if (const Status status = keep_input(beside, inputs); !status.ok()) return app.fail(status.error());
      if (is_same_file(beside, options.stats))
        return app.fail(Error::usage("--out writes there until it is done").in(options.stats));
    }
  if (is_same_file(options.out, options.stats))
    return app.fail(Error::usage("--out and --stats name the same file").hint("give each its own"));
  const auto model = open_model(options, app);
  if (!model.ok()) return app.fail(model.error());
  if (model->classifier) warn_if_uncertified(app, model->classifier->bundle(), options.bundle);
  std::unique_ptr<AnswersFile> out;
  PipelineOptions pipeline;
  if (to_file) {
    auto opened = AnswersFile::open(options.out, {.run = run_identity(options, *model), .force = options.force});
    if (!opened.ok()) return app.fail(opened.error());
    out = *std::move(opened);
    pipeline.before = out->before();
    if (out->started_over())
      app.warn(for_terminal(options.out, 200) +
               ": begins again: the rows, the model or this program changed since that run was stopped");
  }
  const std::uint64_t before = pipeline.before.rows;
  if (before > 0) app.say("smidgen: goes on after " + counted(before, "row", "rows") + " that were answered before");

  const bool screen = !out && app.terminal.output_is_tty;  // answers and a bar would overwrite each other
  Watcher watcher = make_watcher(app);
  const SteadyTime began = steady_now();
  pipeline.threads = options.texts.empty() ? app.threads() : 1;
  pipeline.cores = app.threads();
  pipeline.top = options.top;
  pipeline.with_text = options.with_text;
  pipeline.strict = options.strict;
  pipeline.cancelled = interrupted;
  if (!screen && options.texts.empty())
    pipeline.written = [&](const PipelineCounts& counts) {
      if (out) out->written(counts);
      const double rate = rows_per_second(counts, before, seconds_since(began));
      watcher.report("run", -1,
                     fmt::format("{} rows, {} rows/s", with_thousands(counts.rows),
                                 with_thousands(static_cast<std::uint64_t>(rate))));
    };
  PipelineSummary summary =
      run_pipeline(make_source(options, before, app), model->answerer(pipeline), pipeline,
                   [&](std::string_view lines) { return out ? out->write(lines) : write_stdout(lines); });
  watcher = Watcher{};
  pipeline.written = nullptr;
  const double seconds = seconds_since(began);
  const bool nothing_to_say = summary.error && (summary.rows == 0 || summary.error->kind() == ErrorKind::kIo);
  if (options.texts.empty() && !nothing_to_say) report_summary(app, *model, summary, before, seconds);
  int code =
      finish(app, options, summary, out.get());      // the answers first: figures that cannot be written cost nothing
  const bool goes_on = out && out->rows_kept() > 0;  // the figures are of the end
  if (!options.stats.empty() && !goes_on)
    if (const Status status = write_stats(options.stats, *model, summary, before, seconds); !status.ok())
      code = app.fail(status.error());
  if (!summary.reader_blocked) return code;
  out.reset();
  std::fflush(stderr);
  ::_exit(code);  // the reader thread still sits in a read: leave without waiting for it
}

}  // namespace smidgen
