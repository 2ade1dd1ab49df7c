// Where `run --out FILE` writes: the answers are whole under that name at the end, or kept beside it after a stop, for
// the same command to go on from.
//
// Until the end they are in FILE.smidgen.tmp (atomic_file.h), and FILE.smidgen.tmp.json notes how far they can be
// trusted: of which run they are, how many bytes are on the disk, and the counts of their rows. It is written at the
// start and then about every ten seconds, each time after an fsync of the answers, so that a kill or a power failure
// costs the answers since then and no more. Nothing that a stopped run left is overwritten unasked.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/app/run_pipeline.h"
#include "smidgen/base/atomic_file.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/result.h"

namespace smidgen {

class AnswersFile {
 public:
  // What tells a run from others: the command, and the state of all that it reads. Any texts.
  struct Run {
    std::string command, state;
  };
  struct Options {
    std::optional<Run> run;  // none: its rows cannot be read again
    bool force = false;      // overwrites what another run left, and FILE
    double pause = 10;       // seconds between two notes; more where they would take over 2 % of the time
  };
  // A stream has no notes. kLocked: another process writes the same file. kCannotCreate: another run was stopped and
  // left answers there, or something that is not this program's lies under those names. `force` overwrites files. What
  // the same command left that read something else then is overwritten as well: started_over().
  static Result<std::unique_ptr<AnswersFile>> open(const std::string& path, Options options);
  // The names that open() takes beside `path`; none for a stream.
  static std::vector<std::string> names(const std::string& path);
  AnswersFile(const AnswersFile&) = delete;
  AnswersFile& operator=(const AnswersFile&) = delete;
  // Answers that were noted are kept, others go.
  ~AnswersFile();

  // Of the answers that this run left when it was stopped, which stay; all 0 where there are none.
  const PipelineCounts& before() const { return before_; }
  bool started_over() const { return started_over_; }
  Status write(std::string_view lines);
  // After write(): the counts of all that was written. Notes them when it is time.
  void written(const PipelineCounts& counts);
  // kCannotCreate when FILE, which was not there at the start, is there now: the answers then stay beside it.
  Status commit();
  // This run ends here: notes the counts, if that can be. rows_kept: how many the same command then finds answered.
  void keep(const PipelineCounts& counts);
  std::uint64_t rows_kept() const { return rows_noted_; }
  void discard();  // nothing stays
  const std::string& kept_in() const { return file_.temporary(); }

 private:
  AnswersFile(std::string path, AtomicFile file, Options options);
  Status take_over();
  Status take_note(const PipelineCounts& counts);

  std::string path_;
  AtomicFile file_;
  std::string note_;        // its path; empty where there is none
  std::optional<Run> run_;  // its hashes
  bool force_, started_over_ = false;
  PipelineCounts before_;
  std::uint64_t bytes_ = 0, rows_noted_ = 0;
  double pause_min_, pause_;
  SteadyTime noted_ = steady_now();
};

}  // namespace smidgen
