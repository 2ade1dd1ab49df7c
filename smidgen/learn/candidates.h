// Candidates: the policies a certificate may end up with, made and measured on tune rows only (docs/certificates.md).
//
// Every non-empty subset of the ladder, in ladder order, gives single rungs and cascades. Each subset has its own
// calibrated stages (a cascade that skips a rung must not depend on its scores), each stage a grid of thresholds taken
// from quantiles of tune confidence; "never leave here" and "answer everything" are in the grid. Of these thousands the
// Pareto-optimal ones in (expected cost, error, coverage) stay, thinned to a few hundred.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/learn/calibrate.h"
#include "smidgen/model/policy.h"

namespace smidgen {

inline constexpr std::size_t kLadderRungsMax = 5;

// A promise about one label beside the accuracy.
struct LabelTarget {
  enum class Kind { kRecall, kPrecision };
  Kind kind = Kind::kRecall;
  std::uint32_t label = 0;
  double target = 0;  // in (0, 1): the share that must be found, or be right
};

// Counts of one policy over units, by the rules of CERTIFICATES: what every p-value is computed from.
struct Tally {
  struct Target {
    std::uint64_t n = 0, hits = 0;              // recall: true units of the label, those found (an escalated one is);
                                                // precision: units answered with the label, those right
    std::uint64_t n_local = 0, hits_local = 0;  // recall among local answers; equal to n, hits for precision
  };
  std::uint64_t units = 0, answered = 0;
  std::uint64_t errors = 0;            // wrong local answers
  std::uint64_t escalated_errors = 0;  // escalated units the large model gets wrong (risk over all answers only)
  std::vector<Target> targets;

  void add_answer(std::uint32_t truth, std::uint32_t answer, std::span<const LabelTarget> wanted, int sign = 1);
  void add_escalation(std::uint32_t truth, bool large_wrong, std::span<const LabelTarget> wanted, int sign = 1);
};

// What a row costs, by the plan (pick gives what a rung usually takes). Money decides; seconds only break ties.
struct LadderCost {
  std::vector<double> usd_per_row, seconds_per_row;  // own compute, one per rung of the ladder
  // One per rung, or empty: rungs of one number above 0 are exits of one encoder and it; what the lower one has done of
  // a row the next one of them in a policy does not do again, so that it costs the difference.
  std::vector<std::uint32_t> climbs;
  double large_usd_per_row = 0;  // above 0: an escalated row at the large model's price
};

// Of two rungs that follow one another in a policy, whether the second goes on from the first.
bool share_climb(const LadderCost& cost, std::size_t first, std::size_t second);

struct Candidate {
  std::vector<std::size_t> rungs;  // of the ladder, rising
  Policy policy;                   // stage j stacks rungs[0..j]
  // Expectations from tune, one row a unit:
  Tally tune;
  std::vector<double> reach;  // share of units that reach stage j
  double coverage = 0;
  double error_rate = 0;  // among the answered, or over all units (risk all)
  double usd_per_million = 0, seconds_per_row = 0;
  double log_p = 0;  // predicted ln p-value in certify, largest over accuracy and targets
};

// What the candidates are judged by.
struct Criteria {
  double alpha = 0.05, delta = 0.05;
  bool risk_all = false;  // errors over all units, escalated ones included
  std::vector<LabelTarget> targets;
  std::uint64_t units_certify = 0;  // units that certification will have
  double coverage_min = 0;
};

// ln p-value of "too many errors" at exact counts: n conditional, none passes at n = 0 (ln 1 = 0).
double log_p_accuracy(const Tally& tally, const Criteria& criteria);
double log_p_target(const Tally::Target& counts, const LabelTarget& target);
// The largest of all: intersection-union test, so each part needs no correction.
double log_p_value(const Tally& tally, const Criteria& criteria);
// The same with counts scaled by units_certify / tally.units.
double log_p_predicted(const Tally& tally, const Criteria& criteria);

// Tune rows with their scores, which come from rungs that never saw them.
struct TuneRows {
  ScoredRows scored;
  std::span<const std::uint8_t> large_correct;  // (n) 1 where the large model is right; needed for risk_all, else empty
};

struct CandidateOptions {
  CalibrationOptions calibration;
  std::size_t candidates_max = 200;
  std::uint64_t seed = 0;                               // picks the row that counts for a unit of several
  std::function<bool(const Candidate& draft)> allowed;  // false: over a latency or memory ceiling; may be empty.
                                                        // The draft has rungs, reach, coverage and costs, no policy.
};

struct CandidateSet {
  std::vector<Candidate> candidates;      // rising cost
  std::vector<Calibration> calibrations;  // by subset: bit r of the index = rung r; [0] is empty
  std::vector<std::uint32_t> unit_rows;   // the tune rows that counted, one a unit
};

// rows: at least one; at most kLadderRungsMax rungs.
CandidateSet make_candidates(const TuneRows& rows, const Criteria& criteria, const LadderCost& cost,
                             const CandidateOptions& options, ThreadPool* pool = nullptr);

// True when a costs strictly less than b: by money, then by seconds.
bool cheaper(const Candidate& a, const Candidate& b);

// A saving that justifies one more test: half a percent of the money. Less is not worth the accuracy each step spends.
// At equal money, time decides. Where exits are there to save time (time_counts), so does a fifth of the time that
// costs no money.
inline constexpr double kCostStep = 0.005, kTimeStep = 0.2;
bool cheaper_by_a_step(const Candidate& a, const Candidate& b, bool time_counts = false);

// The fixed sequence: starts at the smallest predicted p-value (the cheaper among equals) and goes on, in order of
// predicted p-value, only through candidates cheaper (by a step) than the one before. Indices into `candidates`.
std::vector<std::size_t> fixed_sequence(std::span<const Candidate> candidates, bool time_counts = false);

}  // namespace smidgen
