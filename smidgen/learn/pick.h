// pick: from a labelled data set to a certified, runnable bundle.
//
//   data -> split by unit -> train the ladder on fit + tune -> calibrate, list candidates, fix their order
//        -> write the ladder, load it again as run does, score the certify rows -> test the fixed sequence
//        -> write the cheapest policy that passed, load it, check that it decides as it was certified to
//
// The protocol is docs/certificates.md. Everything that concerns certify rows happens in one function, after the plan
// is fixed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/ladder.h"
#include "smidgen/learn/pick_report.h"
#include "smidgen/learn/split.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

// A promise about one label, by name: recall or precision at least `value`.
struct NamedTarget {
  bool recall = true;
  std::string label;
  double value = 0;
};

struct PickRequest {
  std::string out;  // the bundle's folder
  bool force = false;
  double accuracy = 0.95, confidence = 0.95;
  bool risk_all = false;  // errors over all answers; the data's extras hold the large model's answers
  std::vector<NamedTarget> targets;
  double coverage_min = 0;
  std::optional<double> latency_ms_max, memory_mb_max;
  bool allow_uncertified = false;
  LadderOptions ladder;
  SplitOptions split;
  std::string group_column, time_column;  // for sentences
  const Dataset* test = nullptr;          // certify on this file instead of a part of the data
  double usd_per_core_hour = 0.04;
  std::optional<double> large_usd_per_row;  // instead of the price list
  std::string large_model, prices_text;     // see prices.h
  bool no_texts = false;
  std::string state_folder;  // where attempts on a split are counted; empty: not counted
};

// What pick needs of the world around the library.
struct PickServices {
  // Peak resident megabytes of a separate `run` of this bundle over this JSON-lines file.
  std::function<Result<double>(const std::string& bundle, const std::string& jsonl)> run_memory_mb;
  // The bundle's README.md.
  std::function<std::string(const PickReport&)> model_card;
  std::string machine;
};

// The report says whether it certified; an Error is a failure to get that far. `pool` decides the number of threads,
// never the outcome; measured times decide nothing but what a latency ceiling allows (docs/certificates.md).
Result<PickReport> pick(const Dataset& data, const PickRequest& request, const PickServices& services, ThreadPool& pool,
                        const Watcher& watcher);

// What `train` does: every row is fitted on, nothing is certified, nothing escalates. rung: "linear", "static",
// "encoder", "blend" (of all three, what cross-validation keeps) or "all" (a bundle of each below `out`).
struct TrainSummary {
  std::string bundle, rung;
  std::vector<std::string> rungs;   // those the bundle runs
  bool repairs_typos = false;       // the bundle has a speller
  double accuracy_out_of_fold = 0;  // of the calibrated policy
  std::vector<std::string> chosen;  // settings of each rung, in words
  std::string labels_from;          // models that gave some of the labels: the accuracy is agreement with them, too
  std::size_t rows = 0, rows_of_models = 0;
  std::vector<std::string> notes;
  double seconds = 0;
};
Result<std::vector<TrainSummary>> train(const Dataset& data, const std::string& rung, const LadderOptions& ladder,
                                        const std::string& out, bool force, ThreadPool& pool, const Watcher& watcher);

}  // namespace smidgen
