#include "smidgen/learn/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "smidgen/base/statistics.h"

namespace smidgen {
namespace {

constexpr double kPower = 0.8;
constexpr std::uint64_t kUnitsMax = 10000000;
// Accuracies below the target that the report tries.
constexpr double kSteps[] = {0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2};

// Smallest n with P(Bin(n, alpha) <= k) <= delta: the tested units at which k errors just pass.
std::uint64_t units_for_errors(std::uint64_t k, double alpha, double log_delta) {
  const auto passes = [&](std::uint64_t n) { return log_binomial_lower_tail(k, n, alpha) <= log_delta; };
  std::uint64_t low = k, high = k + 1;
  while (!passes(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (passes(middle) ? high : low) = middle;
  }
  return high;
}

std::string label_name(const CertificationOptions& options, std::uint32_t label) {
  return label < options.label_names.size() ? options.label_names[label] : fmt::format("label {}", label);
}

const char* kind_name(const LabelTarget& target) {
  return target.kind == LabelTarget::Kind::kRecall ? "recall" : "precision";
}

// Units in certify at which `wrong` of `counted` of `units` would pass, as an estimate; empty when never.
std::optional<std::uint64_t> needed(std::uint64_t wrong, std::uint64_t counted, std::uint64_t units, double alpha,
                                    double delta) {
  if (counted == 0) return std::nullopt;
  const double rate = static_cast<double>(wrong) / static_cast<double>(counted);
  const auto tested = units_for_power(rate, alpha, delta, kPower);
  if (!tested) return std::nullopt;
  const double share = static_cast<double>(counted) / static_cast<double>(units);
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(*tested) / share));
}

// The most that accuracy and all label targets need; empty when one of them can never pass.
struct Needed {
  std::uint64_t units = 0;
  double error_rate = 0;              // of what needs so many
  std::optional<std::size_t> target;  // which of the label targets that is; else it is accuracy
};
std::optional<Needed> needed_for_all(const Tally& t, const Criteria& criteria) {
  const auto rate = [](std::uint64_t wrong, std::uint64_t of) {
    return static_cast<double>(wrong) / static_cast<double>(std::max<std::uint64_t>(1, of));
  };
  const std::uint64_t wrong = t.errors + (criteria.risk_all ? t.escalated_errors : 0);
  const std::uint64_t counted = criteria.risk_all ? t.units : t.answered;
  const auto of_accuracy = needed(wrong, counted, t.units, criteria.alpha, criteria.delta);
  if (!of_accuracy) return std::nullopt;
  Needed most{*of_accuracy, rate(wrong, counted), std::nullopt};
  for (std::size_t i = 0; i < criteria.targets.size(); ++i) {
    const Tally::Target& c = t.targets[i];
    const auto own = needed(c.n - c.hits, c.n, t.units, 1 - criteria.targets[i].target, criteria.delta);
    if (!own) return std::nullopt;
    if (*own > most.units) most = {*own, rate(c.n - c.hits, c.n), i};
  }
  return most;
}

Tally pooled(const Tally& a, const Tally& b) {
  Tally sum = a;
  sum.units += b.units;
  sum.answered += b.answered;
  sum.errors += b.errors;
  sum.escalated_errors += b.escalated_errors;
  for (std::size_t i = 0; i < sum.targets.size(); ++i) {
    sum.targets[i].n += b.targets[i].n;
    sum.targets[i].hits += b.targets[i].hits;
  }
  return sum;
}

// Of a share of the data nothing certifies once there is a test file: it needs all of its units anew.
std::uint64_t units_to_label(const CertificationPlan& plan, std::uint64_t needed, std::uint64_t held) {
  if (needed <= held) return 0;
  return plan.options().test_file ? needed - held : needed;
}

// From the first candidate's tune counts; where those promise a pass at the units that just failed, tune was lucky and
// both counts together are the better estimate.
std::optional<RefusalFacts::FurtherUnits> further_units(const CertificationPlan& plan, const CandidateTest& first,
                                                        std::uint64_t units_certify) {
  const Criteria& criteria = plan.criteria();
  Tally basis = plan.candidates()[first.candidate].tune;
  RefusalFacts::FurtherUnits further;
  auto most = needed_for_all(basis, criteria);
  if (most && most->units <= units_certify) {
    basis = pooled(basis, first.tally);
    further.pooled = true;
    most = needed_for_all(basis, criteria);
  }
  if (!most) return std::nullopt;
  further.error_rate = most->error_rate;
  further.target = most->target;
  further.coverage = static_cast<double>(basis.answered) / static_cast<double>(basis.units);
  further.units_certify = most->units;
  further.units_further = units_to_label(plan, most->units, units_certify);
  further.units_total = units_in_file(most->units);
  return further;
}

// Errors of the first candidate per certify unit beyond those per tune unit: what tune left out of sight.
struct Unseen {
  double errors = 0, escalated_errors = 0;
};
Unseen unseen_by_tune(const Tally& tune, const Tally& certify) {
  const auto more = [&](std::uint64_t there, std::uint64_t here) {
    return std::max(0.0, static_cast<double>(there) / static_cast<double>(certify.units) -
                             static_cast<double>(here) / static_cast<double>(tune.units));
  };
  return {more(certify.errors, tune.errors), more(certify.escalated_errors, tune.escalated_errors)};
}

// A candidate's tune counts with those errors: rows that the most promising candidate answers, others answer, too.
Tally sobered(const Tally& tune, const Unseen& unseen) {
  const auto with = [&](std::uint64_t errors, double more, std::uint64_t most) {
    return std::min(most, errors + static_cast<std::uint64_t>(std::ceil(more * static_cast<double>(tune.units))));
  };
  Tally t = tune;
  t.errors = with(t.errors, unseen.errors, t.answered);
  t.escalated_errors = with(t.escalated_errors, unseen.escalated_errors, t.units - t.answered);
  return t;
}

// Lower accuracies and the largest coverage predicted to pass at each, from tune counts. The certify rows have shown
// what the first candidate, the most promising of all, is worth: nothing is offered that its counts there refute, and
// what it got wrong there beyond its tune counts is added to those of the others. As a number and not as a factor: the
// first of hundreds was chosen for its few errors on tune, and is flattered by them as the others are not.
std::vector<RefusalFacts::LowerTarget> lower_targets(const CertificationPlan& plan, const CandidateTest& first) {
  std::vector<RefusalFacts::LowerTarget> list;
  const Criteria& asked = plan.criteria();
  const double log_delta = std::log(asked.delta);
  const Unseen unseen = unseen_by_tune(plan.candidates()[first.candidate].tune, first.tally);
  for (const double step : kSteps) {
    Criteria criteria = asked;
    criteria.alpha += step;
    if (criteria.alpha >= 1) break;
    if (log_p_value(first.tally, criteria) > std::log(asked.delta / 2)) continue;  // beyond the bound that is printed
    double best = static_cast<double>(first.tally.answered) / static_cast<double>(first.tally.units);
    for (const Candidate& c : plan.candidates())
      if (log_p_predicted(sobered(c.tune, unseen), criteria) <= log_delta) best = std::max(best, c.coverage);
    const bool better = best > (list.empty() ? 0 : list.back().coverage);
    if (better) list.push_back({1 - criteria.alpha, best});
    if (best >= 1) break;
  }
  return list;
}

void add_advice(const CertificationPlan& plan, const CandidateTest& first, RefusalFacts& facts) {
  if (facts.further && facts.further->units_further > 0) {
    const std::string units = with_commas(facts.further->units_further);
    std::string of_target;
    if (facts.further->target) {
      const LabelTarget& target = plan.options().targets[*facts.further->target];
      of_target = fmt::format(" in the {} of \"{}\"", kind_name(target), label_name(plan.options(), target.label));
    }
    facts.advice.push_back(
        fmt::format("More labels: {} would pass with probability 0.8 (an estimate from an error rate of {:.2g} %{}).",
                    plan.options().test_file
                        ? fmt::format("about {} further units in the --test file", units)
                        : fmt::format("a separate --test file of about {} units, or about {} in the whole file,", units,
                                      with_commas(facts.further->units_total)),
                    100 * facts.further->error_rate, of_target));
  } else if (!facts.further) {
    const bool tune_alone_promised =
        needed_for_all(plan.candidates()[first.candidate].tune, plan.criteria()).has_value();
    facts.advice.push_back(fmt::format(
        "More labels for certification alone would not do: on tune rows{} the most promising policy is not better "
        "than the target. More labels to learn from may.",
        tune_alone_promised ? " and held-out rows together" : ""));
  }
  for (const auto& lower : facts.lower_targets) {
    facts.advice.push_back(fmt::format("A target of {} would answer about {} of rows locally (an estimate).",
                                       percent(lower.accuracy), percent(std::floor(100 * lower.coverage) / 100)));
    if (lower.coverage >= 0.5) break;
  }
  if (plan.options().coverage_min > 0) {
    facts.advice.push_back(fmt::format("A smaller --coverage-min than {} leaves more rows to the large model.",
                                       percent(plan.options().coverage_min)));
  }
  facts.advice.push_back("A larger rung or fine-tuning may reach it; a large model may be the better tool here.");
}

}  // namespace

std::string percent(double share) {
  double shown = std::round(share * 1e6) / 1e4;  // in percent: four decimals where they are all of it, else two
  if (std::abs(shown - share * 100) > 1e-9) shown = std::floor(share * 1e4) / 100;
  return fmt::format("{:.7g} %", shown);
}

std::string p_in_words(double p_value) {
  if (!(p_value > 0) || p_value >= 1) return fmt::format("{:g}", p_value);
  const double step = std::pow(10.0, std::floor(std::log10(p_value)) - 2);
  return fmt::format("{:.3g}", std::min(1.0, std::ceil(p_value / step - 1e-9) * step));
}

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

std::optional<std::uint64_t> units_for_power(double error_rate, double alpha, double delta, double power) {
  if (error_rate >= alpha * (1 - 1e-6)) return std::nullopt;
  const double log_delta = std::log(delta);
  // Power jumps up at the smallest n that allows one error more and falls in between, so only those n are tried.
  const auto enough = [&](std::uint64_t k) {
    return binomial_cdf(k, units_for_errors(k, alpha, log_delta), error_rate) >= power;
  };
  std::uint64_t low = 0, high = 0;
  while (!enough(high)) {
    if (units_for_errors(high, alpha, log_delta) > kUnitsMax) return std::nullopt;
    low = high;
    high = std::max<std::uint64_t>(1, high * 2);
  }
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return units_for_errors(high, alpha, log_delta);
}

std::uint64_t units_in_file(std::uint64_t units_certify) {
  // certify(N) = max(0.2 N, min(400, 0.4 N)) is rising; the smallest N that reaches the number.
  const double wanted = static_cast<double>(units_certify);
  return static_cast<std::uint64_t>(std::ceil(units_certify <= 400 ? wanted / 0.4 : wanted / 0.2));
}

std::optional<RefusalFacts> refuse_early(const CertificationOptions& options,
                                         std::span<const std::uint64_t> label_units) {
  const double delta = 1 - options.confidence;
  RefusalFacts facts;
  facts.reason = RefusalFacts::Reason::kTooFewUnits;
  const std::uint64_t least = trials_for_zero_errors(1 - options.accuracy, delta);
  if (options.units_certify < least) {
    facts.units_needed_at_least = least;
    facts.sentence = fmt::format(
        "{} units are left for certification; even without a single error, {} accuracy at {} confidence needs {}.",
        with_commas(options.units_certify), percent(options.accuracy), percent(options.confidence), with_commas(least));
    facts.advice.push_back(fmt::format("Label more rows: {} units in the {} at the very least, more in practice.",
                                       with_commas(options.test_file ? least : units_in_file(least)),
                                       options.test_file ? "--test file" : "file"));
  }
  for (const LabelTarget& target : options.targets) {
    const std::uint64_t own = trials_for_zero_errors(1 - target.target, delta);
    const std::uint64_t have = target.label < label_units.size() ? label_units[target.label] : 0;
    if (have >= own) continue;
    const std::string sentence = fmt::format(
        "{} units of \"{}\" are left for certification; even without a single miss, {} {} needs {}.", with_commas(have),
        label_name(options, target.label), kind_name(target), percent(target.target), with_commas(own));
    facts.sentence += (facts.sentence.empty() ? "" : " ") + sentence;
    facts.units_needed_at_least = std::max(facts.units_needed_at_least, own);
    facts.advice.push_back(fmt::format("Label more rows of \"{}\".", label_name(options, target.label)));
  }
  if (facts.sentence.empty()) return std::nullopt;
  facts.advice.push_back(options.test_file ? "Lower the target or the confidence."
                                           : "Lower the target or the confidence, or give the labelled rows you have "
                                             "to certification with --test.");
  return facts;
}

RefusalFacts explain_refusal(const CertificationPlan& plan, std::span<const CandidateTest> tests,
                             std::uint64_t units_certify) {
  const CertificationOptions& options = plan.options();
  RefusalFacts facts;
  facts.certifiable_confidence = 1 - plan.criteria().delta / 2;
  for (std::size_t r = 0; r < options.cost.usd_per_row.size(); ++r) {
    const std::string name = r < options.rung_names.size() ? options.rung_names[r] : fmt::format("rung {}", r);
    facts.rungs.push_back({name, plan.calibration(1u << r).after.accuracy});
  }
  if (tests.empty()) {
    facts.reason = RefusalFacts::Reason::kNoCandidate;
    facts.sentence = "No policy keeps within the limits on latency, memory and coverage.";
    facts.advice.push_back("Raise --latency-ms-max or --memory-mb-max, or lower --coverage-min.");
    return facts;
  }
  const CandidateTest& first = tests.front();
  const Tally& t = first.tally;
  const std::uint64_t counted = options.risk_all ? t.units : t.answered;
  const std::uint64_t wrong = t.errors + (options.risk_all ? t.escalated_errors : 0);
  if (counted > 0) {
    facts.certifiable_accuracy = clopper_pearson_lower(counted - wrong, counted, plan.criteria().delta / 2);
  }
  facts.sentence = fmt::format(
      "The most promising policy answered {} of {} units and was wrong on {}{}: not enough to show {} accuracy with {} "
      "confidence (p = {}).",
      with_commas(t.answered), with_commas(t.units), with_commas(wrong),
      options.risk_all ? " of all, the large model's answers counted in" : "", percent(options.accuracy),
      percent(options.confidence), p_in_words(first.p_value));
  const bool accuracy_passes = log_p_accuracy(t, plan.criteria()) <= std::log(plan.criteria().delta);
  if (accuracy_passes && !first.passed) {
    facts.sentence = fmt::format("The most promising policy meets {} accuracy but misses a label target (p = {}).",
                                 percent(options.accuracy), p_in_words(first.p_value));
  } else if (first.passed) {
    facts.sentence = fmt::format("The policies that meet the target answer less than {} of the certified units.",
                                 percent(options.coverage_min));
  }
  facts.further = further_units(plan, first, units_certify);
  facts.lower_targets = lower_targets(plan, first);
  add_advice(plan, first, facts);
  return facts;
}

}  // namespace smidgen
