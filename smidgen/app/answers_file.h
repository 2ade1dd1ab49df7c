// Where `run --out FILE` writes: the answers are whole under that name at the end, or kept beside it after a stop, for
// the same command to go on from.
//
// Until the end they are in FILE.smidgen.tmp (atomic_file.h), and FILE.smidgen.json says how far they can be trusted:
// which run they are of, how many bytes were on the disk, and the counts of their rows. It is written about every ten
// seconds, after an fsync of the answers, so a kill or a power failure costs the answers since then and no more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "smidgen/app/run_pipeline.h"
#include "smidgen/base/atomic_file.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/result.h"

namespace smidgen {

class AnswersFile {
 public:
  // run: what tells this run from others (any text), or empty: its answers are not kept, and neither are a stream's.
  // A file that a second process writes is kLocked.
  static Result<AnswersFile> open(const std::string& path, const std::string& run);

  // Of the answers that a stopped run left, which stay; all 0 where there are none of this run.
  const PipelineCounts& before() const { return before_; }
  // Answers of another run, or damaged ones, were there, and are gone; of runs that are kept.
  bool started_over() const { return started_over_; }

  Status write(std::string_view lines);
  // After write(): the counts of all that was written. Notes them when the last note is ten seconds old.
  void written(const PipelineCounts& counts);
  // How a run may end. keep: it was stopped; notes how far it came, and where that cannot be written the last note
  // counts. False when there is nothing to keep.
  Status commit();
  bool keep(const PipelineCounts& counts);
  void discard();
  std::string kept_in() const { return file_.temporary(); }

 private:
  AnswersFile(AtomicFile file, const std::string& run, std::string note);
  void go_on();
  bool take_note(const PipelineCounts& counts);

  AtomicFile file_;
  std::string run_, note_;  // a hash, empty when nothing is kept; a path, empty for a stream
  PipelineCounts before_;
  bool started_over_ = false;
  std::uint64_t bytes_ = 0, rows_noted_ = 0;
  SteadyTime noted_ = steady_now();
  double pause_;  // seconds until the next note
};

}  // namespace smidgen
