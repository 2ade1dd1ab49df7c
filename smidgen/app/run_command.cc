// `run`: answers a file or a stream, one JSON line a row.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/keep_input.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/machine.h"
#include "smidgen/app/models.h"
#include "smidgen/app/run_pipeline.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/open_error.h"
#include "smidgen/base/shell_word.h"
#include "smidgen/model/zero_shot.h"

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

RecordSource make_source(const RunOptions& options, const App& app) {
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
  return [rows](Record& record) { return rows->next(record); };
}

// --out FILE: written beside it and renamed when complete, so that FILE is whole or absent. A pipe or device is written
// directly.
class OutFile {
 public:
  static Result<std::unique_ptr<OutFile>> create(const std::string& path) {
    std::error_code code;
    const bool direct = fs::exists(path, code) && !fs::is_regular_file(path, code);
    const std::string temporary = direct ? path : path + ".tmp." + std::to_string(::getpid());
    const int flags = O_WRONLY | O_CLOEXEC | (direct ? 0 : O_CREAT | O_TRUNC);
    const int fd = ::open(temporary.c_str(), flags, 0644);
    if (fd < 0) {
      const ErrorKind kind = errno == EACCES ? ErrorKind::kPermission : ErrorKind::kCannotCreate;
      return Error(kind, std::string("cannot create: ") + std::strerror(errno)).in(path);
    }
    return std::unique_ptr<OutFile>(new OutFile(path, temporary, fd));
  }
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;
  ~OutFile() {
    ::close(fd_);
    if (temporary_ != path_ && !kept_) ::unlink(temporary_.c_str());
  }

  Status write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failed();
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return Ok{};
  }
  Status finish() {
    if (temporary_ == path_) return Ok{};
    if (::fsync(fd_) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) return failed();
    kept_ = true;
    return Ok{};
  }

 private:
  OutFile(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}
  Error failed() const {
    return Error::io(std::string("cannot write: ") + std::strerror(errno))
        .in(path_)
        .hint("nothing was left behind; check free space");
  }
  std::string path_, temporary_;
  int fd_;
  bool kept_ = false;
};

// --labels A,B,.. or @FILE, one a line.
Result<std::vector<std::string>> read_labels(const std::string& given) {
  std::string text = given;
  const bool file = given.starts_with('@');
  if (file) {
    const std::string path = given.substr(1);
    auto read = read_file(path, kLabelsBytesMax);
    if (!read.ok()) return missing_file(std::move(read).error(), path);
    text = *std::move(read);
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

Result<Classifier> open_classifier(const RunOptions& options) {
  if (options.labels.empty()) {
    auto opened = Classifier::open(options.bundle, options.precision);
    std::error_code code;
    const bool bundle = fs::exists(options.bundle + "/bundle.json", code) || options.bundle.empty();
    if (opened.ok() || bundle) return opened;
    if (!find_encoder(options.bundle).ok()) return bundle_error(std::move(opened).error(), options.bundle);
    if (const fs::path parent = fs::path(options.bundle).parent_path(); fs::exists(parent / "bundle.json", code))
      return Error(opened.error().kind(), "is a part of a bundle").in(options.bundle).hint("give " + parent.string());
    return Error(opened.error().kind(), "is an encoder, not a bundle")
        .in(options.bundle)
        .hint("train on it with `smidgen pick`, or answer by similarity to names with --labels A,B,..");
  }
  ZeroShotOptions zero_shot;
  SMIDGEN_ASSIGN(zero_shot.labels, read_labels(options.labels));
  zero_shot.precision = options.precision.value_or(Precision::kF32);
  if (!options.label_template.empty()) zero_shot.label_template = options.label_template;
  SMIDGEN_ASSIGN(const std::string folder, find_encoder(options.bundle));
  SMIDGEN_ASSIGN(Bundle bundle, zero_shot_bundle(folder, zero_shot));
  return Classifier::of(std::move(bundle));
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

void report_summary(const App& app, const BundleInfo& info, const PipelineSummary& s, double seconds) {
  const auto share = [](std::uint64_t part, std::uint64_t all) {
    return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
  };
  const std::uint64_t answered = s.rows - s.bad;
  std::string line = fmt::format(
      "smidgen: {} in {} ({} rows/s), {} to the large model", counted(s.rows, "row", "rows"), seconds_text(seconds),
      with_thousands(static_cast<std::uint64_t>(static_cast<double>(s.rows) / std::max(seconds, 1e-3))),
      escalated_percent(1 - share(s.escalated, answered)));
  if (info.rungs.size() > 1)
    for (std::size_t i = 0; i < info.rungs.size(); ++i)
      line += fmt::format(", {} {}", info.rungs[i].name, answered_percent(share(s.rows_at_rung[i], answered)));
  if (s.cut > 0) line += ", " + counted(s.cut, "row", "rows") + " too long and read in part";
  if (s.empty > 0) line += ", " + counted(s.empty, "row", "rows") + " without a text";
  if (s.bad > 0) line += ", " + counted(s.bad, "bad row", "bad rows");
  app.say(line);
}

// --stats FILE: what the run did, for programs.
Status write_stats(const std::string& path, const BundleInfo& info, const PipelineSummary& s, double seconds) {
  std::string out = fmt::format(
      "{{\"rows\":{},\"bad\":{},\"escalated\":{},\"cut\":{},\"empty\":{},\"seconds\":{:.6f},\"rows_per_second\":{:.1f},"
      "\"memory_peak_mb\":{:.1f},\"rungs\":[",
      s.rows, s.bad, s.escalated, s.cut, s.empty, seconds, static_cast<double>(s.rows) / std::max(seconds, 1e-6),
      memory_peak_mb());
  for (std::size_t i = 0; i < info.rungs.size(); ++i) {
    out += i == 0 ? "{\"rung\":" : ",{\"rung\":";
    append_json_string(out, info.rungs[i].name);
    out += fmt::format(",\"rows\":{}}}", i < s.rows_at_rung.size() ? s.rows_at_rung[i] : 0);
  }
  return write_file_atomic(path, out + "]}\n");
}

int finish(App& app, const RunOptions& options, const PipelineSummary& summary, OutFile* out) {
  if (summary.error && is_closed_pipe(*summary.error)) return 0;
  if (summary.error) return app.fail(*summary.error);
  if (out != nullptr)
    if (const Status status = out->finish(); !status.ok()) return app.fail(status.error());
  if (summary.bad == 0) return 0;
  if (app.global.quiet || !options.texts.empty()) return 65;
  app.warn(fmt::format("{} of {} rows could not be read; their lines carry `error`", with_thousands(summary.bad),
                       with_thousands(summary.rows)));
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
  if (is_same_file(options.out, options.stats))
    return app.fail(Error::usage("--out and --stats name the same file").hint("give each its own"));
  const auto classifier = open_classifier(options);
  if (!classifier.ok()) return app.fail(classifier.error());
  warn_if_uncertified(app, classifier->bundle(), options.bundle);
  std::unique_ptr<OutFile> out;
  if (!options.out.empty() && options.out != "-") {
    auto created = OutFile::create(options.out);
    if (!created.ok()) return app.fail(created.error());
    out = std::move(*created);
  }

  const bool screen = out == nullptr && app.terminal.output_is_tty;  // answers and a bar would overwrite each other
  Watcher watcher = make_watcher(app);
  const SteadyTime began = steady_now();
  PipelineOptions pipeline;
  pipeline.threads = options.texts.empty() ? app.threads() : 1;
  pipeline.top = options.top;
  pipeline.with_text = options.with_text;
  pipeline.strict = options.strict;
  pipeline.cancelled = interrupted;
  if (!screen && options.texts.empty())
    pipeline.written = [&](std::uint64_t rows) {
      const double seconds = seconds_since(began);
      watcher.report(
          "run", -1,
          fmt::format("{} rows, {} rows/s", with_thousands(rows),
                      with_thousands(static_cast<std::uint64_t>(static_cast<double>(rows) / std::max(seconds, 1e-3)))));
    };
  const PipelineSummary summary =
      run_pipeline(make_source(options, app), *classifier, pipeline,
                   [&](std::string_view lines) { return out ? out->write(lines) : write_stdout(lines); });
  watcher = Watcher{};
  pipeline.written = nullptr;
  const double seconds = seconds_since(began);
  const bool nothing_to_say = summary.error && (summary.rows == 0 || summary.error->kind() == ErrorKind::kIo);
  if (options.texts.empty() && !nothing_to_say) report_summary(app, classifier->bundle().info, summary, seconds);
  if (!options.stats.empty())
    if (const Status status = write_stats(options.stats, classifier->bundle().info, summary, seconds); !status.ok())
      return app.fail(status.error());
  const int code = finish(app, options, summary, out.get());
  if (!summary.reader_blocked) return code;
  out.reset();
  std::fflush(stderr);
  ::_exit(code);  // the reader thread still sits in a read: leave without waiting for it
}

}  // namespace smidgen
