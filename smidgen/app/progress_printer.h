// Progress on standard error: a bar with the time left on a terminal, else one line every 10 s.
#pragma once

#include <chrono>
#include <string>

#include "smidgen/base/progress.h"

namespace smidgen {

class ProgressPrinter {
 public:
  using Clock = std::chrono::steady_clock;
  ProgressPrinter(bool bar, std::size_t columns) : bar_(bar), columns_(columns) {}
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  // A negative fraction: the end is not known; only the detail is shown.
  void show(const ProgressEvent& event);
  // The line for `event`, `seconds` after its stage began; `bar_columns` = 0: without a bar.
  static std::string line(const ProgressEvent& event, double seconds, std::size_t bar_columns);

 private:
  bool bar_;
  std::size_t columns_;
  std::string stage_;
  Clock::time_point stage_began_{}, printed_{}, started_ = Clock::now();
  bool drawn_ = false;
};

}  // namespace smidgen
