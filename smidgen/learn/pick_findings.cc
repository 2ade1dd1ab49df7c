#include "smidgen/learn/pick_findings.h"

#include <algorithm>
#include <numeric>

#include "smidgen/learn/evaluate.h"
#include "smidgen/learn/write_rungs.h"

namespace smidgen {

namespace {

constexpr std::size_t kNotableRowsMax = 20;
constexpr std::size_t kCurvePointsMax = 120;

// A policy that runs the rungs of `subset` and answers everything at the last one.
Candidate answer_everything(const CertificationPlan& plan, std::uint32_t subset) {
  Candidate candidate;
  for (std::size_t rung = 0; rung < kLadderRungsMax; ++rung)
    if ((subset >> rung & 1U) != 0) candidate.rungs.push_back(rung);
  candidate.policy = answer_at_the_end(candidate.rungs.size(), plan.calibration(subset).stage);
  return candidate;
}

std::vector<std::uint32_t> answers_of(const PickFindings& findings, const Candidate& candidate) {
  std::vector<Decision> decisions;
  tally_candidate(candidate, findings.certify, findings.rung_names.size(), findings.label_names.size(), {}, &decisions);
  std::vector<std::uint32_t> answers;
  answers.reserve(decisions.size());
  for (const Decision& decision : decisions) answers.push_back(decision.label);
  return answers;
}

void set_accuracy(const Evaluation& evaluation, PickRow& row) {
  row.accuracy = evaluation.accuracy;
  row.accuracy_low = evaluation.accuracy_interval.low;
  row.accuracy_high = evaluation.accuracy_interval.high;
  row.macro_f1 = evaluation.macro_f1;
}

std::vector<std::string> names_of(const Candidate& candidate, std::span<const std::string> rung_names) {
  std::vector<std::string> names;
  for (const std::size_t rung : candidate.rungs) names.push_back(rung_names[rung]);
  return names;
}

void add_cost(const BundleCost& cost, double usd_per_core_hour, PickRow& row) {
  row.us_p50 += cost.timing.us_p50;
  row.us_p99 += cost.timing.us_p99;
  row.bytes += cost.bytes;
  row.memory_mb = std::max(row.memory_mb, cost.memory_mb);
  row.usd_per_million += usd_per_million(cost.timing.us_batched, usd_per_core_hour);
}

// Of all these rungs; without the encoder, which stands last, there would be none of its exits.
double train_seconds(const PickFindings& findings, const std::vector<std::size_t>& rungs) {
  const std::size_t last = findings.costs.size() - 1;
  double seconds = 0;
  for (const std::size_t rung : rungs) seconds += findings.costs[rung].train_seconds;
  if (rungs.back() != last && share_climb(findings.plan.options().cost, rungs.back(), last))
    seconds += findings.costs[last].train_seconds;
  return seconds;
}

// Confidence and answer of each row from calibrated probabilities (rows, labels).
struct Confident {
  std::vector<float> confidence;
  std::vector<std::uint32_t> answer;
};
Confident most_likely(std::span<const float> probabilities, std::size_t labels) {
  Confident out;
  for (std::size_t at = 0; at < probabilities.size(); at += labels) {
    const auto row = probabilities.subspan(at, labels);
    const auto best = std::max_element(row.begin(), row.end());
    out.answer.push_back(static_cast<std::uint32_t>(best - row.begin()));
    out.confidence.push_back(*best);
  }
  return out;
}

RiskCurve curve_of(const PickFindings& findings, std::uint32_t subset, std::string name) {
  const std::size_t labels = findings.label_names.size();
  const auto likely = most_likely(findings.plan.calibration(subset).probabilities, labels);
  std::vector<float> confidence;
  std::vector<std::uint8_t> correct;
  for (const std::uint32_t row : findings.plan.tune_unit_rows()) {
    confidence.push_back(likely.confidence[row]);
    correct.push_back(likely.answer[row] == findings.train_labels[row] ? 1 : 0);
  }
  RiskCurve curve{std::move(name), {}, {}};
  for (const CoveragePoint& point : coverage_risk_curve(confidence, correct, kCurvePointsMax)) {
    curve.coverage.push_back(point.coverage);
    curve.risk.push_back(point.risk);
  }
  return curve;
}

}  // namespace

double usd_per_million(double us_per_row, double usd_per_core_hour) {
  return us_per_row / 3600 * usd_per_core_hour;
}

std::uint32_t subset_of(const Candidate& candidate) {
  std::uint32_t subset = 0;
  for (const std::size_t rung : candidate.rungs) subset |= 1U << rung;
  return subset;
}

std::string policy_name(const Candidate& candidate, std::span<const std::string> rung_names) {
  std::string name;
  for (const std::string& rung : names_of(candidate, rung_names)) name += (name.empty() ? "" : " -> ") + rung;
  return name;
}

void report_rungs(const PickFindings& findings, PickReport& report) {
  const std::size_t labels = findings.label_names.size();
  const auto truth = findings.certify.labels;
  PickRow majority;
  majority.name = "majority";
  const MajorityBaseline baseline = majority_baseline(findings.train_labels, truth, labels);
  set_accuracy(baseline.evaluation, majority);
  std::vector<std::uint32_t> before(truth.size(), baseline.label);
  report.rows = {majority};
  const std::size_t rungs = findings.rung_names.size();
  std::vector<std::uint32_t> subsets;
  for (std::size_t rung = 0; rung < rungs; ++rung) subsets.push_back(1U << rung);
  if (rungs > 1) subsets.push_back((1U << rungs) - 1);
  for (const std::uint32_t subset : subsets) {
    const Candidate candidate = answer_everything(findings.plan, subset);
    const std::vector<std::uint32_t> answers = answers_of(findings, candidate);
    PickRow row;
    row.rungs = names_of(candidate, findings.rung_names);
    row.blended = row.rungs.size() > 1;
    row.name = row.blended ? "blend" : row.rungs.front();
    set_accuracy(evaluate_answers(answers, truth, labels), row);
    row.ece = findings.plan.calibration(subset).after.calibration.equal_width;
    for (std::size_t j = 0; j < candidate.rungs.size(); ++j) {
      const RungCost& rung = findings.costs[candidate.rungs[j]];
      BundleCost cost = j == 0 ? rung.alone : rung.behind;
      if (j + 1 < candidate.rungs.size() &&
          share_climb(findings.plan.options().cost, candidate.rungs[j], candidate.rungs[j + 1]))
        cost = {};  // the next one's figures are of the whole way up
      add_cost(cost, findings.usd_per_core_hour, row);
    }
    row.train_seconds = train_seconds(findings, candidate.rungs);
    report.rows.back().p_value_next = mcnemar_test(truth, before, answers);
    report.rows.push_back(std::move(row));
    before = answers;
  }
}

void report_policy(const PickFindings& findings, const Candidate& candidate, const BundleCost& cost,
                   PickReport& report) {
  const std::uint32_t subset = subset_of(candidate);
  PickRow row;
  row.rungs = names_of(candidate, findings.rung_names);
  row.name = row.rungs.size() == 1 ? row.rungs.front() : "cascade";
  for (const float weight : std::span(candidate.policy.stages.back().weights).first(candidate.rungs.size() - 1))
    row.blended = row.blended || weight != 0;
  const std::vector<std::uint32_t> answers = answers_of(findings, candidate);
  const Evaluation evaluation = evaluate_answers(answers, findings.certify.labels, findings.label_names.size());
  set_accuracy(evaluation, row);
  row.ece = findings.plan.calibration(subset).after.calibration.equal_width;
  add_cost(cost, findings.usd_per_core_hour, row);
  row.train_seconds = train_seconds(findings, candidate.rungs);
  row.chosen = true;
  if (row.rungs.size() == 1) {  // it stands in the table already: that line is the chosen one
    for (PickRow& line : report.rows) {
      if (line.rungs != row.rungs) continue;
      line.chosen = true;  // with the figures of the bundle as written
      line.us_p50 = row.us_p50;
      line.us_p99 = row.us_p99;
      line.bytes = row.bytes;
      line.memory_mb = row.memory_mb;
      line.usd_per_million = row.usd_per_million;
    }
  } else {
    report.rows.push_back(row);
  }
  for (std::size_t label = 0; label < evaluation.classes.size(); ++label) {
    const ClassScores& scores = evaluation.classes[label];
    report.classes.push_back({findings.label_names[label], scores.precision, scores.recall, scores.f1, scores.support});
  }
  std::uint64_t answered = 0, right = 0;
  for (std::size_t unit = 0; unit < findings.outcome.decisions.size(); ++unit) {
    if (findings.outcome.decisions[unit].escalated) continue;
    ++answered;
    right += findings.outcome.decisions[unit].label == findings.certify.labels[unit] ? 1 : 0;
  }
  const auto units = static_cast<double>(std::max<std::size_t>(1, findings.outcome.decisions.size()));
  report.coverage = static_cast<double>(answered) / units;
  report.selective_accuracy = answered == 0 ? 0 : static_cast<double>(right) / static_cast<double>(answered);
  report.policy = policy_name(candidate, findings.rung_names);
  report.cost.policy_usd_per_million =
      row.usd_per_million + (1 - report.coverage) * report.cost.large_usd_per_row * 1e6;
}

void report_curves(const PickFindings& findings, std::uint32_t last_subset, PickReport& report) {
  const std::size_t rungs = findings.rung_names.size();
  for (std::size_t rung = 0; rung < rungs; ++rung)
    report.curves.push_back(curve_of(findings, 1U << rung, findings.rung_names[rung]));
  if (rungs > 1) report.curves.push_back(curve_of(findings, (1U << rungs) - 1, "blend"));
  const Evaluation& after = findings.plan.calibration(last_subset).after;
  for (const CalibrationBin& bin : after.calibration.bins)
    if (bin.rows > 0) report.reliability.push_back({bin.confidence, bin.accuracy, bin.rows});
  for (const Confusion& pair : after.confusions)
    report.confusions.push_back({findings.label_names[pair.truth], findings.label_names[pair.answer], pair.rows});
}

void report_notable_rows(const PickFindings& findings, std::uint32_t last_subset, std::span<const std::uint64_t> lines,
                         std::span<const std::string> texts, PickReport& report) {
  const std::size_t labels = findings.label_names.size();
  const auto& probabilities = findings.plan.calibration(last_subset).probabilities;
  const Confident likely = most_likely(probabilities, labels);
  const auto own = [&](std::uint32_t row) { return probabilities[row * labels + findings.train_labels[row]]; };
  const auto note = [&](std::uint32_t row) {
    return NotableRow{lines[row],
                      texts.empty() ? std::string() : texts[row],
                      findings.label_names[findings.train_labels[row]],
                      findings.label_names[likely.answer[row]],
                      likely.confidence[row],
                      own(row)};
  };
  std::vector<std::uint32_t> order(lines.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return likely.confidence[a] < likely.confidence[b]; });
  for (std::size_t i = 0; i < std::min(kNotableRowsMax, order.size()); ++i) report.hardest.push_back(note(order[i]));
  // A row that a calibrated model, which never saw it, holds for another label most firmly (Northcutt, Jiang, Chuang,
  // "Confident learning", 2021, with the single threshold "surer of the other than of its own").
  std::erase_if(order, [&](auto row) { return likely.answer[row] == findings.train_labels[row]; });
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return likely.confidence[a] > likely.confidence[b]; });
  for (std::size_t i = 0; i < std::min(kNotableRowsMax, order.size()); ++i)
    report.label_errors.push_back(note(order[i]));
}

std::vector<LocalRecall> local_recalls(const Certificate& certificate) {
  std::vector<LocalRecall> recalls;
  for (const Certificate::Target& target : certificate.targets) {
    const auto same = [&](const LocalRecall& known) { return known.label == target.label; };
    if (target.kind != "recall" || std::any_of(recalls.begin(), recalls.end(), same)) continue;
    recalls.push_back({target.label, target.n_local, target.hits_local});
  }
  return recalls;
}

Refusal to_refusal(const RefusalFacts& facts) {
  Refusal refusal;
  refusal.reason = facts.sentence;
  refusal.certifiable_accuracy = facts.certifiable_accuracy;
  if (facts.further && facts.further->units_further > 0) refusal.units_needed = facts.further->units_further;
  if (facts.units_needed_at_least > 0) refusal.units_at_least = facts.units_needed_at_least;
  refusal.advice = facts.advice;
  return refusal;
}

}  // namespace smidgen
