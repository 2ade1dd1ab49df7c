// Fills a PickReport from what pick has in hand. Each function writes the fields its name says and reads nothing else
// of the report.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "smidgen/learn/certify.h"
#include "smidgen/learn/ladder.h"
#include "smidgen/learn/pick_measure.h"
#include "smidgen/learn/pick_report.h"

namespace smidgen {

// What a bundle costs here.
struct BundleCost {
  RowTiming timing;
  std::uint64_t bytes = 0;
  double memory_mb = 0;
};
// What a rung costs: as a bundle of its own, with the speller that reads texts first, and what it adds behind others.
struct RungCost {
  BundleCost alone, behind;
  double train_seconds = 0;
};

// Everything the table and the page are made from, after the test.
struct PickFindings {
  const CertificationPlan& plan;
  const CertificationOutcome& outcome;
  const CertifyRows& certify;                   // one row a unit, scored by the reloaded bundle
  std::span<const std::uint32_t> train_labels;  // of the rows in plan order
  std::span<const RungCost> costs;              // one per rung of the ladder
  std::vector<std::string> rung_names, label_names;
  double usd_per_core_hour = 0;
};

// Microseconds a row as USD per million rows on one core.
double usd_per_million(double us_per_row, double usd_per_core_hour);

// Table lines: majority, each rung alone, all of them blended; accuracies on the certify units, a McNemar test between
// neighbours.
void report_rungs(const PickFindings& findings, PickReport& report);
// The line of a policy that was chosen, or would be written uncertified. `timing` is that of the written bundle.
void report_policy(const PickFindings& findings, const Candidate& candidate, const BundleCost& cost,
                   PickReport& report);
// Coverage against risk, reliability and confusions, from out-of-fold scores.
void report_curves(const PickFindings& findings, std::uint32_t last_subset, PickReport& report);
// Hardest rows and likely label errors among the rows trained on. lines: of each row in the file; texts empty: left
// out.
void report_notable_rows(const PickFindings& findings, std::uint32_t last_subset, std::span<const std::uint64_t> lines,
                         std::span<const std::string> texts, PickReport& report);
// One for each label with a recall target, whatever the number of targets on it.
std::vector<LocalRecall> local_recalls(const Certificate& certificate);
// Why nothing was certified.
Refusal to_refusal(const RefusalFacts& facts);
// "linear -> encoder"
std::string policy_name(const Candidate& candidate, std::span<const std::string> rung_names);
// Bit r is set when the candidate runs rung r.
std::uint32_t subset_of(const Candidate& candidate);

}  // namespace smidgen
