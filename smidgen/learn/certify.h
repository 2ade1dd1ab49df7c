// Certification: Learn-then-Test with a fixed sequence (Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then Test",
// 2021, section 3; docs/certificates.md). The order of candidates is an immutable object made from tune rows alone;
// only then are certify rows handed over, and each candidate is tested by one exact binomial tail.
//
//   CertificationOptions options;
//   options.accuracy = 0.95;
//   options.units_certify = certify.size();              // a number, not the labels
//   options.cost = {usd_per_row, seconds_per_row, large_usd_per_row};
//   SMIDGEN_ASSIGN(const CertificationPlan plan, CertificationPlan::make(tune_rows, options));
//   // ... write the bundle with every rung, load it again, score the certify rows through the code of run ...
//   SMIDGEN_ASSIGN(CertificationOutcome outcome, test_plan(plan, certify_rows));
//   if (outcome.chosen) save(plan.candidates()[*outcome.chosen].policy, outcome.certificate);
//   else explain(*outcome.refusal);
//
// What holds: over the draw of certify rows, the probability that the chosen policy misses accuracy (or any label
// target) is at most delta = 1 - confidence, whatever the candidates, their number and the tune rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/learn/candidates.h"
#include "smidgen/model/bundle.h"

namespace smidgen {

struct CertificationOptions {
  double accuracy = 0.95, confidence = 0.95;  // alpha = 1 - accuracy, delta = 1 - confidence
  bool risk_all = false;                      // errors over all units; tune and certify then need large_correct
  std::vector<LabelTarget> targets;
  double coverage_min = 0;  // a policy that answers a smaller share is not chosen
  std::uint64_t units_certify = 0;
  bool test_file = false;  // they are a file of their own, not a share of the data
  LadderCost cost;
  CandidateOptions candidates;
  std::vector<std::string> label_names, rung_names;  // for sentences
  std::string unit = "distinct text";                // "value of column `thread`"
  std::vector<std::string> not_claimed;              // labels that none of these units has
  std::string labels_from;                           // the model whose labels certify; empty: people's
  bool people_only = false;                          // rows with a model's label were left out of those that certify
};

// The candidates and the order of their tests. Nothing in it can change, so it cannot depend on certify rows.
class CertificationPlan {
 public:
  // Errors (kUsage): a number out of range, risk_all without large_correct, a large model that costs nothing (then
  // answering almost nothing would be the cheapest policy).
  static Result<CertificationPlan> make(const TuneRows& tune, CertificationOptions options, ThreadPool* pool = nullptr);

  const std::vector<Candidate>& candidates() const { return set_.candidates; }  // rising cost
  const std::vector<std::size_t>& order() const { return order_; }              // the fixed sequence, into candidates()
  const CertificationOptions& options() const { return options_; }
  std::size_t label_count() const { return label_count_; }
  const Criteria& criteria() const { return criteria_; }
  // The calibrated last stage over a set of rungs (bit r: rung r of the ladder), with cross-fitted probabilities.
  const Calibration& calibration(std::uint32_t subset) const { return set_.calibrations[subset]; }
  const std::vector<std::uint32_t>& tune_unit_rows() const { return set_.unit_rows; }

 private:
  CertificationPlan() = default;
  CertificationOptions options_;
  Criteria criteria_;
  CandidateSet set_;
  std::vector<std::size_t> order_;
  std::size_t label_count_ = 0;
};

// Held-out rows as the reloaded bundle scores them. One row a unit: a repeated unit is an error (kInternal).
struct CertifyRows {
  std::span<const float> scores;                // (n, rungs of the ladder, labels)
  std::span<const std::uint32_t> labels;        // (n)
  std::span<const std::uint32_t> units;         // (n), all different
  std::span<const std::uint8_t> large_correct;  // (n) with risk_all, else empty
};

struct CandidateTest {
  std::size_t candidate = 0;  // into plan.candidates()
  Tally tally;
  double p_value = 1;           // the largest of accuracy and targets
  bool passed = false;          // p_value <= delta
  bool enough_coverage = true;  // answered >= coverage_min
};

// What to tell a user who gets no certificate, as data; `advice` says the same in sentences. Figures marked estimate
// come from tune rows.
struct RefusalFacts {
  enum class Reason { kTooFewUnits, kNoCandidate, kNotCertified };
  struct FurtherUnits {                   // estimate: passes with probability 0.8
    std::uint64_t units_certify = 0;      // that certification needs in all
    std::uint64_t units_further = 0;      // to label for it: beyond those of the test file, or a whole new one; 0: none
    std::uint64_t units_total = 0;        // in the whole file when it is split as usual
    double error_rate = 0, coverage = 0;  // assumed; the rate of what needs so many units:
    std::optional<std::size_t> target;    // one of the options' label targets, or accuracy
    bool pooled = false;                  // tune alone promised a pass that certify refused: both were pooled
  };
  struct LowerTarget {  // estimate: the largest coverage predicted to pass at a lower accuracy
    double accuracy = 0, coverage = 0;
  };
  struct RungAlone {  // estimate: the rung answering everything, on tune
    std::string rung;
    double accuracy = 0;
  };
  Reason reason = Reason::kNotCertified;
  std::string sentence;
  std::uint64_t units_needed_at_least = 0;     // with no error at all; 0 when that is not the trouble
  std::optional<double> certifiable_accuracy;  // Clopper-Pearson at delta/2, first candidate of the fixed order
  double certifiable_confidence = 0;           // 1 - delta/2
  std::optional<FurtherUnits> further;         // empty: no number of labels would do, the error rate is too high
  std::vector<LowerTarget> lower_targets;
  std::vector<RungAlone> rungs;
  std::vector<std::string> advice;
};

struct CertificationOutcome {
  std::optional<std::size_t> chosen;  // into plan.candidates(); empty: refused
  std::vector<CandidateTest> tests;   // in the order they were made
  std::vector<Decision> decisions;    // of the chosen (refused: the first) candidate, one per row: what run must repeat
  Certificate certificate;            // filled but for data_sha256, split_salt, bundle_sha256, precision, version,
                                      // attempts; `certified` is false when refused
  std::optional<RefusalFacts> refusal;
};

// Walks the fixed sequence: tests, stops at the first candidate that fails, chooses the cheapest that passed.
Result<CertificationOutcome> test_plan(const CertificationPlan& plan, const CertifyRows& rows);

// Takes another of the tests that passed, into outcome.tests, for a reason of the caller's. Sound for any reason, the
// certify rows included: with probability 1 - delta every candidate that passed keeps what it promises.
void choose_test(const CertificationPlan& plan, const CertifyRows& rows, std::size_t test,
                 CertificationOutcome& outcome);
// Nothing that passed can be used, as `sentence` says: the outcome of a refusal, reported for the first candidate.
void withdraw_choice(const CertificationPlan& plan, const CertifyRows& rows, std::string sentence,
                     CertificationOutcome& outcome);

// One candidate on certify rows, with Policy::decide. The building block of test_plan, for simulations.
Tally tally_candidate(const Candidate& candidate, const CertifyRows& rows, std::size_t rungs, std::size_t labels,
                      std::span<const LabelTarget> targets, std::vector<Decision>* decisions = nullptr);

// Before any training: a refusal when even zero errors could not pass. label_units (labels): units of each label that
// certification will have.
std::optional<RefusalFacts> refuse_early(const CertificationOptions& options,
                                         std::span<const std::uint64_t> label_units);

// Smallest number of tested units at which a true error rate passes with the given probability; empty when none up to
// 1e7 does.
std::optional<std::uint64_t> units_for_power(double error_rate, double alpha, double delta, double power);

// Units in a whole file so that its certify part (max(20 %, min(400, 40 %))) has at least `units_certify`.
std::uint64_t units_in_file(std::uint64_t units_certify);

}  // namespace smidgen
