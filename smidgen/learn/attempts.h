// How often a split has been certified on. A certificate's error rate holds for one try; someone who tries until it
// passes should see the count in it. The count is kept outside the bundle and the data, so deleting either does not
// reset it.
//
// One JSON file in the state directory: {"format":1,"attempts":{"<split id>":3}}. Written whole or not at all, under a
// lock of its own, so that processes at work together lose no count.
#pragma once

#include <cstdint>
#include <string>

#include "smidgen/base/result.h"

namespace smidgen {

class AttemptLog {
 public:
  // `folder` is created when missing, e.g. state_directory(). lock_seconds_max: how long to wait for another process.
  explicit AttemptLog(std::string folder, double lock_seconds_max = 10);

  // Counts one more attempt on `split_id` (Split::id) and returns how many there were, this one included. A damaged log
  // is set aside (attempts.json.damaged), counting starts again and warning() says so. Fails when the folder cannot be
  // written (kCannotCreate, kIo, kPermission) or stays locked (kLocked); certifying may go on, the count is then
  // unknown.
  Result<std::uint64_t> record(const std::string& split_id);

  // A full sentence about the last record(), or empty.
  const std::string& warning() const { return warning_; }
  // Whether a damaged log was set aside, then or before: attempts it had are not in what record() returned.
  bool lost() const { return lost_; }

 private:
  std::string folder_;
  double lock_seconds_max_;
  std::string warning_;
  bool lost_ = false;
};

}  // namespace smidgen
