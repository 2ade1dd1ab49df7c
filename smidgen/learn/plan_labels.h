// `plan`: which rows of an unlabelled file to label next, and what to expect of so many more labels.
//
//   labelled rows, unlabelled rows  --frozen encoder-->  embeddings
//   embeddings, labels              --K folds-->         learning curve of a head  -->  estimate with N more labels
//   embeddings, a head's answers    --label_plan.h-->    rows to label, a share of them at random
//
// The estimate is of the frozen encoder with a head, for rows labelled at random: the ladder, a blend and fine-tuning
// do better as a rule, and so do chosen rows. It is an estimate; `pick` certifies.
//
// Random rows must be random among all rows, not among those that nobody chose. So a quarter of the texts, those with a
// small salted hash of their unit, is a reserve: never offered to whoever chooses, and drawn from in order of the hash,
// in this round and in all later ones.
//
// What is chosen is trained on, so labels that certify must have no say in it: heads are fitted and judged on rows that
// `pick` with its default split fits and tunes on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/learn/learning_curve.h"
#include "smidgen/model/encoder.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

// Rows of a label, on average, from which on the head's uncertainty is worth more than typicality.
inline constexpr double kRowsPerLabelToTrust = 10;
inline constexpr std::size_t kRowsMinToEstimate = 40;

struct PlanRequest {
  std::size_t rows = 100;        // to label
  double random_share = 0.25;    // of them, at least one row; fewer when the reserve is used up
  double accuracy = 0.9;         // coverage is estimated at this accuracy
  std::size_t pool_max = 20000;  // texts that may be chosen, looked at; drawn at random from more
  std::uint64_t seed = 1;
};

struct PlannedRow {
  std::uint32_t row = 0;  // of the unlabelled texts
  bool chosen = false;    // for its text; else drawn from the reserve
  std::string reason;     // "random", "typical of 120 rows", "unlike any other row", "unsure: a 0.41, b 0.38"
};

struct LabelPlan {
  std::vector<PlannedRow> rows;  // random ones spread evenly among the chosen
  std::string method;            // of the chosen ones: "typical" or "uncertain"
  std::size_t open = 0;          // unlabelled texts, each counted once, without those labelled already
  std::size_t labelled = 0;
  // With the labels there are to learn from, and with those that rows.size() more would add; none when there are too
  // few to tell.
  std::optional<CurveForecast> now, then;
  std::vector<std::string> notes;  // sentences
};

// labelled null: none yet. Errors: kBadData when nothing is left to label; Error::cancelled().
Result<LabelPlan> plan_labels(const Dataset* labelled, std::span<const std::string> texts, const Encoder& encoder,
                              const PlanRequest& request, ThreadPool& pool, const Watcher& watcher);

// Cross-validated answers of heads fitted on growing parts of `data`, whose rows `heads` holds; only rows that were not
// chosen are judged. c: of the heads.
Result<CurvePoints> measure_curve(const HeadTrainer& heads, const Dataset& data, double c, std::uint64_t seed,
                                  const Watcher& watcher);

}  // namespace smidgen
