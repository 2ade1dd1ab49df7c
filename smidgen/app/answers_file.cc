#include "smidgen/app/answers_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "smidgen/app/figures.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/sha256.h"

namespace smidgen {

namespace {

constexpr double kCostsMost = 0.02;  // share of the time that notes may take
constexpr char kNoteName[] = ".json";
constexpr std::uint64_t kNoteBytesMax = 1U << 20;
constexpr std::int64_t kCountMax = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kRungsMax = 64;

struct Note {
  AnswersFile::Run run;
  std::uint64_t bytes = 0;
  PipelineCounts counts;
};

std::string note_text(const Note& note) {
  const PipelineCounts& c = note.counts;
  std::string out = fmt::format(
      R"({{"command":"{}","state":"{}","bytes":{},"rows":{},"bad":{},"escalated":{},"cut":{},"empty":{},"entities":{},"rows_at_rung":[{}],)"
      R"("first_bad":)",
      note.run.command, note.run.state, note.bytes, c.rows, c.bad, c.escalated, c.cut, c.empty, c.entities,
      fmt::join(c.rows_at_rung, ","));
  append_json_string(out, c.first_bad);
  return out + "}\n";
}

Result<Note> read_note(const std::string& path) {
  SMIDGEN_ASSIGN(const JsonDocument document, JsonDocument::load(path, kNoteBytesMax));
  const simdjson::dom::element root = document.root();
  Note note;
  PipelineCounts& c = note.counts;
  SMIDGEN_ASSIGN(note.run.command, json_string(root, "command"));
  SMIDGEN_ASSIGN(note.run.state, json_string(root, "state"));
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

AnswersFile::AnswersFile(std::string path, AtomicFile file, Options options)
    : path_(std::move(path)),
      file_(std::move(file)),
      run_(std::move(options.run)),
      force_(options.force),
      pause_min_(options.pause),
      pause_(options.pause) {}

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
  if (options.run) options.run = Run{sha256_hex(options.run->command), sha256_hex(options.run->state)};
  std::unique_ptr<AnswersFile> answers(new AnswersFile(path, std::move(file), std::move(options)));
  SMIDGEN_TRY(answers->take_over());
  return answers;
}

// Goes on after what this run left, as far as its note says that it is good, or begins. Until it is known to be ours
// nothing is removed.
Status AnswersFile::take_over() {
  const std::vector<std::string> own = names(path_);
  if (own.empty() || file_.temporary() != own[0]) {  // a stream, or a file system without locks
    file_.keep(false);
    return Ok{};
  }
  const std::string& note_path = own[1];
  struct stat found {};
  const bool noted = ::lstat(note_path.c_str(), &found) == 0;
  const auto refuse = [&](const std::string& name, std::string why, const char* hint) {
    file_.keep(file_.left() > 0);
    return Error(ErrorKind::kCannotCreate, std::move(why)).in(name).hint(hint);
  };
  if (noted && !S_ISREG(found.st_mode))
    return refuse(note_path, "is no file, and how far a run came is noted there", "take it away");
  const auto note = read_note(note_path);
  const bool trusted = note.ok() && note->bytes <= file_.left() && note->counts.rows <= note->bytes;
  const bool empty = file_.left() == 0, known = noted ? trusted || (note.ok() && empty) : empty;
  const bool same = trusted && run_ && note->run.command == run_->command;
  if (same && note->run.state == run_->state) {
    before_ = note->counts;
    bytes_ = note->bytes;
    rows_noted_ = before_.rows;
  } else if (same) {
    started_over_ = note->counts.rows > 0;
  } else if (!force_ && trusted && note->counts.rows > 0) {
    return refuse(own[0],
                  "holds " + counted(note->counts.rows, "answer", "answers") + " of another run that was stopped",
                  "take it away, or pass --force to begin again there");
  } else if (!force_ && !known) {
    return refuse(noted ? note_path : own[0], "lies where a run keeps its answers, and is of none that is known",
                  "take it away, or pass --force to begin again there");
  }
  note_ = note_path;
  remove_leftovers(note_);
  // First the note: an older one would speak of the bytes that are overwritten.
  if (Status begun = take_note(before_); !begun.ok()) {
    if (file_.left() > 0) note_.clear();
    file_.keep(file_.left() > 0);
    return begun;
  }
  return file_.truncate_to(bytes_);
}

Status AnswersFile::write(std::string_view lines) {
  SMIDGEN_TRY(file_.write(lines));
  bytes_ += lines.size();
  return Ok{};
}

Status AnswersFile::take_note(const PipelineCounts& counts) {
  if (!file_.is_there()) return Error::io("was removed while it was written").in(file_.temporary());
  const SteadyTime began = steady_now();
  Status noted = bytes_ > 0 ? file_.sync() : Ok{};
  if (noted.ok()) noted = write_file_atomic(note_, note_text({run_.value_or(Run{}), bytes_, counts}));
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

void AnswersFile::keep(const PipelineCounts& counts) {
  if (!file_.is_there()) rows_noted_ = 0;  // somebody removed them
  if (note_.empty() || !run_ || !file_.is_there()) return;
  // Without its last, torn lines a full disk may have room for the note.
  if (counts.rows != rows_noted_ && file_.truncate_to(bytes_).ok()) static_cast<void>(take_note(counts));
}

Status AnswersFile::commit() {
  SMIDGEN_TRY(file_.sync());  // while the note stands: after a failure its rows are kept
  std::error_code code;
  if (!force_ && file_.is_there() && std::filesystem::exists(path_, code)) {
    if (!run_) {  // nobody can go on with these, but they are whole
      if (!note_.empty()) ::unlink(std::exchange(note_, {}).c_str());
      file_.keep(true);
    }
    return Error(ErrorKind::kCannotCreate, "came to be while its answers were written")
        .in(path_)
        .hint("take it away; all answers are in " + file_.temporary());
  }
  // Before the rename, after which a next run may have written a note of its own.
  if (!note_.empty() && file_.is_there()) ::unlink(note_.c_str());
  rows_noted_ = 0;
  Status status = file_.commit();
  if (file_.temporary().empty()) note_.clear();
  return status;
}

void AnswersFile::discard() {
  file_.keep(false);
  rows_noted_ = 0;
  if (!note_.empty() && file_.is_there()) ::unlink(note_.c_str());
  note_.clear();
}

}  // namespace smidgen
