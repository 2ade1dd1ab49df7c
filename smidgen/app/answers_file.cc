#include "smidgen/app/answers_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/sha256.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr double kCostsMost = 0.02;  // share of the time that notes may take
constexpr char kNoteName[] = ".json";
constexpr std::uint64_t kNoteBytesMax = 1U << 20;
constexpr std::int64_t kCountMax = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kRungsMax = 64;

struct Note {
  std::string run;
  std::uint64_t bytes = 0;
  PipelineCounts counts;
};

std::string note_text(const Note& note) {
  const PipelineCounts& c = note.counts;
  std::string out = fmt::format(
      R"({{"run":"{}","bytes":{},"rows":{},"bad":{},"escalated":{},"cut":{},"empty":{},"entities":{},"rows_at_rung":[{}],)"
      R"("first_bad":)",
      note.run, note.bytes, c.rows, c.bad, c.escalated, c.cut, c.empty, c.entities, fmt::join(c.rows_at_rung, ","));
  append_json_string(out, c.first_bad);
  return out + "}\n";
}

Result<Note> read_note(const std::string& path) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(path, kNoteBytesMax));
  const simdjson::dom::element root = document.root();
  Note note;
  PipelineCounts& c = note.counts;
  SMIDGEN_ASSIGN(note.run, json_string(root, "run"));
  SMIDGEN_ASSIGN(c.first_bad, json_string(root, "first_bad"));
  const std::pair<const char*, std::uint64_t*> numbers[] = {
      {"bytes", &note.bytes}, {"rows", &c.rows},   {"bad", &c.bad},          {"escalated", &c.escalated},
      {"cut", &c.cut},        {"empty", &c.empty}, {"entities", &c.entities}};
  for (const auto& [key, value] : numbers) {
    SMIDGEN_ASSIGN(const std::int64_t number, json_integer(root, key, 0, kCountMax));
    *value = static_cast<std::uint64_t>(number);
  }
  simdjson::dom::array rungs;
  if (root["rows_at_rung"].get(rungs) != simdjson::SUCCESS || rungs.size() > kRungsMax)
    return Error::bad_data("`rows_at_rung` must be a list");
  for (const simdjson::dom::element rung : rungs) {
    std::uint64_t rows = 0;
    if (rung.get(rows) != simdjson::SUCCESS) return Error::bad_data("`rows_at_rung` must be of counts");
    c.rows_at_rung.push_back(rows);
  }
  return note;
}

}  // namespace

AnswersFile::AnswersFile(AtomicFile file, Options options)
    : file_(std::move(file)), run_(std::move(options.run)), pause_min_(options.pause), pause_(options.pause) {
  if (!file_.temporary().empty()) note_ = file_.temporary() + kNoteName;
}

AnswersFile::~AnswersFile() {
  if (!note_.empty() && rows_noted_ == 0) discard();
}

std::vector<std::string> AnswersFile::names(const std::string& path) {
  if (is_stream(path)) return {};
  const std::string temporary = AtomicFile::temporary_of(path);
  return {temporary, temporary + kNoteName};
}

Result<std::unique_ptr<AnswersFile>> AnswersFile::open(const std::string& path, Options options) {
  SMIDGEN_ASSIGN(AtomicFile file, AtomicFile::create(path, AtomicFile::Writers::kOne));
  file.keep(true);  // until it is known whose answers these are
  if (options.run) options.run = sha256_hex(*options.run);
  const bool force = options.force;
  std::unique_ptr<AnswersFile> answers(new AnswersFile(std::move(file), std::move(options)));
  SMIDGEN_TRY(answers->take_over(force));
  return answers;
}

// Goes on after what this run left, as far as its note says that it is good, or begins.
Status AnswersFile::take_over(bool force) {
  if (note_.empty()) return Ok{};
  const std::string path = std::exchange(note_, "");  // until these are known to be ours, nothing is removed
  const auto note = read_note(path);
  const bool trusted = note.ok() && note->bytes <= file_.left() && note->counts.rows <= note->bytes;
  if (trusted && run_ && note->run == *run_) {
    before_ = note->counts;
    bytes_ = note->bytes;
    rows_noted_ = before_.rows;
  } else if (!force && (trusted ? note->counts.rows > 0 : file_.left() > 0 || (fs::exists(path) && !note.ok()))) {
    file_.keep(file_.left() > 0);
    const Error error(ErrorKind::kCannotCreate,
                      trusted ? fmt::format("holds {} answers of another run, which was stopped", note->counts.rows)
                              : "lies where answers are kept, and " + path + " does not say of which run");
    return Error(error).in(file_.temporary()).hint("take them away, or pass --force to begin again there");
  }
  note_ = path;
  SMIDGEN_TRY(take_note(before_));  // before the bytes that an older note speaks of are overwritten
  return file_.truncate_to(bytes_);
}

Status AnswersFile::write(std::string_view lines) {
  SMIDGEN_TRY(file_.write(lines));
  bytes_ += lines.size();
  return Ok{};
}

Status AnswersFile::take_note(const PipelineCounts& counts) {
  const SteadyTime began = steady_now();
  Status noted = file_.sync();
  if (noted.ok()) noted = write_file_atomic(note_, note_text({run_.value_or(""), bytes_, counts}));
  noted_ = steady_now();
  pause_ = std::max(pause_min_, seconds_since(began) / kCostsMost);
  if (!noted.ok()) return noted;
  rows_noted_ = run_ ? counts.rows : 0;
  file_.keep(rows_noted_ > 0);
  return Ok{};
}

void AnswersFile::written(const PipelineCounts& counts) {
  if (note_.empty() || !run_ || counts.rows == rows_noted_ || seconds_since(noted_) < pause_) return;
  static_cast<void>(take_note(counts));  // a note that fails leaves the last one; a failed fsync fails the next write
}

std::uint64_t AnswersFile::keep(const PipelineCounts& counts) {
  if (note_.empty() || !run_ || file_.temporary().empty()) return 0;
  // Without its last, torn lines a full disk may have room for the note.
  if (counts.rows != rows_noted_ && file_.truncate_to(bytes_).ok()) static_cast<void>(take_note(counts));
  return rows_noted_;
}

Status AnswersFile::commit() {
  Status status = file_.commit();
  if (file_.temporary().empty()) discard();
  return status;
}

void AnswersFile::discard() {
  file_.keep(false);
  rows_noted_ = 0;
  if (!note_.empty()) ::unlink(note_.c_str());
  note_.clear();
}

}  // namespace smidgen
