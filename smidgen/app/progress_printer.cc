#include "smidgen/app/progress_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "smidgen/app/figures.h"

namespace smidgen {

namespace {
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLineEvery{10};
}  // namespace

ProgressPrinter::~ProgressPrinter() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

std::string ProgressPrinter::line(const ProgressEvent& event, double seconds, std::size_t bar_columns) {
  std::string text(event.stage);
  if (event.fraction >= 0) {
    const double share = std::clamp(event.fraction, 0.0, 1.0);
    if (bar_columns > 0) {
      const auto full = static_cast<std::size_t>(share * static_cast<double>(bar_columns));
      text += " [" + std::string(full, '#') + std::string(bar_columns - full, '.') + "]";
    }
    text += fmt::format(" {:.0f} %", share * 100);
    // An estimate from a tiny beginning would only mislead.
    if (share >= 0.02 && share < 1 && seconds >= 1)
      text += ", " + seconds_text(seconds / share * (1 - share)) + " left";
  }
  if (!event.detail.empty()) text += (event.fraction >= 0 ? ", " : ": ") + std::string(event.detail);
  return text;
}

void ProgressPrinter::show(const ProgressEvent& event) {
  const Clock::time_point now = Clock::now();
  const bool new_stage = event.stage != stage_;
  if (new_stage) {
    stage_ = event.stage;
    stage_began_ = now;
  }
  if (now - std::max(printed_, started_) < (bar_ ? Clock::duration(kRedraw) : Clock::duration(kLineEvery)) &&
      !(bar_ && new_stage))
    return;
  printed_ = now;
  const double seconds = std::chrono::duration<double>(now - stage_began_).count();
  std::string text = line(event, seconds, bar_ ? 24 : 0);
  if (!bar_) {
    std::fprintf(stderr, "%s\n", text.c_str());
    return;
  }
  if (text.size() + 1 > columns_) text.resize(columns_ - 1);
  std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace smidgen
