// A score cache: the scores of every rung on held-out rows, as text, so that experiments on certificates train once.
//
//   smidgen_scores,1,RUNGS,LABELS
//   LABEL,s,s,...            one line a row: label number, then RUNGS x LABELS log-probabilities, rung by rung
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include "smidgen/base/result.h"
#include "smidgen/learn/simulate.h"

namespace smidgen {

inline Status write_score_cache(const std::string& path, const ScorePool& cache) {
  std::ofstream out(path);
  out << "smidgen_scores,1," << cache.rungs << ',' << cache.label_count << '\n';
  const std::size_t width = cache.rungs * cache.label_count;
  char buffer[40];
  for (std::size_t i = 0; i < cache.size(); ++i) {
    out << cache.labels[i];
    for (std::size_t k = 0; k < width; ++k) {
      const auto end = std::to_chars(buffer, buffer + sizeof buffer, cache.scores[i * width + k]).ptr;
      out << ',' << std::string_view(buffer, static_cast<std::size_t>(end - buffer));
    }
    out << '\n';
  }
  if (!out.flush()) return Error::io("cannot write").in(path);
  return Ok{};
}

inline Result<ScorePool> read_score_cache(const std::string& path) {
  std::ifstream in(path);
  if (!in) return Error::no_input("cannot open").in(path);
  ScorePool cache;
  std::string line;
  std::getline(in, line);
  unsigned rungs = 0, labels = 0;
  if (std::sscanf(line.c_str(), "smidgen_scores,1,%u,%u", &rungs, &labels) != 2 || rungs == 0 || rungs > 64 ||
      labels < 2 || labels > 100000) {
    return Error::bad_data("the first line is not smidgen_scores,1,RUNGS,LABELS").in(path).at_line(1);
  }
  cache.rungs = rungs;
  cache.label_count = labels;
  for (std::uint64_t number = 2; std::getline(in, line); ++number) {
    const char *at = line.data(), *end = line.data() + line.size();
    std::uint32_t label = 0;
    auto parsed = std::from_chars(at, end, label);
    bool good = parsed.ec == std::errc() && label < labels;
    for (std::size_t k = 0; good && k < cache.rungs * cache.label_count; ++k) {
      float value = 0;
      good = parsed.ptr < end && *parsed.ptr == ',';
      if (good) parsed = std::from_chars(parsed.ptr + 1, end, value);
      good = good && parsed.ec == std::errc() && value <= 1e-3F && value >= -1e4F;
      cache.scores.push_back(value);
    }
    if (!good || parsed.ptr != end) return Error::bad_data("not a label and its scores").in(path).at_line(number);
    cache.labels.push_back(label);
  }
  if (cache.labels.empty()) return Error::bad_data("no rows").in(path);
  return cache;
}

}  // namespace smidgen
