// Progress and cancellation for long work, as plain callbacks: the library never prints. Both may be empty.
#pragma once

#include <functional>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

struct ProgressEvent {
  std::string_view stage;   // "linear: fitting", stable words for a person
  double fraction = 0;      // of this stage, 0..1
  std::string_view detail;  // "5,120 of 10,003 rows", may be empty
};

// What long-running functions take to report and to be stopped. Copyable; calls come from one thread at a time.
struct Watcher {
  std::function<void(const ProgressEvent&)> progress;
  std::function<bool()> cancelled;  // asked often; true = stop soon with Error::cancelled()

  void report(std::string_view stage, double fraction, std::string_view detail = {}) const {
    if (progress) progress({stage, fraction, detail});
  }
  bool stop_requested() const { return cancelled && cancelled(); }
};

}  // namespace smidgen
