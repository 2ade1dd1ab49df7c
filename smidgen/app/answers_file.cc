#include "smidgen/app/answers_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/sha256.h"

namespace smidgen {

namespace {

constexpr double kPause = 10, kCostsMost = 0.02;  // seconds between notes; share of the time that they may take
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

AnswersFile::AnswersFile(AtomicFile file, const std::string& run, std::string note)
    : file_(std::move(file)), run_(run.empty() ? "" : sha256_hex(run)), note_(std::move(note)), pause_(kPause) {}

Result<AnswersFile> AnswersFile::open(const std::string& path, const std::string& run) {
  SMIDGEN_ASSIGN(AtomicFile file, AtomicFile::create(path, AtomicFile::Writers::kOne));
  AnswersFile answers(std::move(file), run, is_stream(path) ? "" : write_target(path) + ".smidgen.json");
  answers.go_on();
  SMIDGEN_TRY(answers.file_.go_on_after(answers.bytes_));
  return answers;
}

// Takes over what a run like this one left, as far as its note says that it is good.
void AnswersFile::go_on() {
  if (note_.empty()) return;
  auto note = read_note(note_);
  if (note.ok() && note->run == run_ && note->bytes <= file_.left() && !run_.empty()) {
    before_ = std::move(note->counts);
    bytes_ = note->bytes;
    rows_noted_ = before_.rows;
  } else {
    ::unlink(note_.c_str());  // it would speak of bytes that are overwritten now
    started_over_ = file_.left() > 0 && !run_.empty();
  }
}

Status AnswersFile::write(std::string_view lines) {
  SMIDGEN_TRY(file_.write(lines));
  bytes_ += lines.size();
  return Ok{};
}

bool AnswersFile::take_note(const PipelineCounts& counts) {
  const SteadyTime began = steady_now();
  const bool noted = file_.sync().ok() && write_file_atomic(note_, note_text({run_, bytes_, counts})).ok();
  if (noted) rows_noted_ = counts.rows;
  noted_ = steady_now();
  pause_ = std::max(kPause, seconds_since(began) / kCostsMost);
  return noted;
}

void AnswersFile::written(const PipelineCounts& counts) {
  if (note_.empty() || run_.empty() || counts.rows == rows_noted_ || seconds_since(noted_) < pause_) return;
  take_note(counts);
}

bool AnswersFile::keep(const PipelineCounts& counts) {
  if (note_.empty() || run_.empty() || counts.rows == 0) return false;
  if (counts.rows != rows_noted_) take_note(counts);
  if (rows_noted_ == 0) return false;
  file_.keep();
  return true;
}

Status AnswersFile::commit() {
  SMIDGEN_TRY(file_.commit());
  discard();
  return Ok{};
}

void AnswersFile::discard() {
  if (!note_.empty()) ::unlink(note_.c_str());
}

}  // namespace smidgen
