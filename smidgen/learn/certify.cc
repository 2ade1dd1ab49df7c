#include "smidgen/learn/certify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "smidgen/base/statistics.h"
#include "smidgen/learn/refusal.h"

namespace smidgen {
namespace {

// 1 - share without the dust of binary fractions: 0.02 for 0.98, not 0.020000000000000018.
double complement(double share) {
  constexpr double kDigits = 1e15;
  return std::round((1 - share) * kDigits) / kDigits;
}

Status check_options(const TuneRows& tune, const CertificationOptions& options) {
  const auto share = [](double x) { return x > 0 && x < 1; };
  const std::size_t rungs = tune.scored.rungs, labels = tune.scored.label_count;
  if (!share(options.accuracy)) return Error::usage("the accuracy to certify must lie between 0 and 1");
  if (!share(options.confidence)) return Error::usage("the confidence must lie between 0 and 1");
  if (!(options.coverage_min >= 0 && options.coverage_min <= 1)) {
    return Error::usage("the least coverage must lie between 0 and 1");
  }
  for (const LabelTarget& target : options.targets) {
    if (!share(target.target)) return Error::usage("a recall or precision target must lie between 0 and 1");
    if (target.label >= labels) return Error::usage("a recall or precision target names a label that does not occur");
  }
  if (options.risk_all && tune.large_correct.size() != tune.scored.size()) {
    return Error::usage("errors over all answers need the large model's answers")
        .hint("name their column with --large-answers, or certify the local answers only (--risk selective)");
  }
  const auto price = [](double x) { return std::isfinite(x) && x >= 0; };
  const bool priced = options.cost.usd_per_row.size() == rungs && options.cost.seconds_per_row.size() == rungs &&
                      std::all_of(options.cost.usd_per_row.begin(), options.cost.usd_per_row.end(), price) &&
                      std::all_of(options.cost.seconds_per_row.begin(), options.cost.seconds_per_row.end(), price);
  if (!priced) return Error::usage("every rung needs a cost and a time per row, 0 or more");
  if (!(options.cost.large_usd_per_row > 0) || !price(options.cost.large_usd_per_row)) {
    return Error::usage("the large model's price a row must be above 0")
        .hint(
            "with a free large model the cheapest policy answers nothing; state a price with "
            "--large-usd-per-1k-rows");
  }
  if (tune.scored.size() == 0) return Error::usage("there are no tune rows");
  if (rungs == 0 || rungs > kLadderRungsMax) {
    return Error::usage(fmt::format("a ladder has 1..{} rungs", kLadderRungsMax));
  }
  return Ok{};
}

std::string name_of(const std::vector<std::string>& names, std::size_t index, const char* kind) {
  return index < names.size() ? names[index] : fmt::format("{} {}", kind, index);
}

std::vector<std::string> assumptions(const CertificationOptions& options) {
  std::vector<std::string> list = {
      "the rows that will come are drawn like the certified ones: the same source, the same mix of labels, no drift",
      fmt::format("the unit is the {}: one row of each counted, and the claim is about units, however many rows one "
                  "has",
                  options.unit),
      options.labels_from.empty()
          ? "the labels of the certified rows are what is meant by right; a wrong label there counts as it stands"
          : fmt::format(
                "right means what {} answers: this is agreement with {}, and says nothing about how often {} is "
                "right",
                options.labels_from, options.labels_from, options.labels_from),
      "the bundle runs unchanged and at the certified precision",
      "the target was set before these rows were looked at",
  };
  if (options.people_only)
    list.push_back(
        "the rows that people labelled are drawn like those that will come; rows with a model's label were only "
        "trained on");
  if (options.risk_all) list.push_back("the large model answers escalated rows as it did in the certified file");
  if (!options.not_claimed.empty()) {
    list.push_back(fmt::format("nothing is claimed for rows whose true label none of the certified units has: {}",
                               fmt::join(options.not_claimed, ", ")));
  }
  for (const LabelTarget& target : options.targets) {
    if (target.kind != LabelTarget::Kind::kRecall) continue;
    list.push_back("for recall, a row sent to the large model counts as found");
    break;
  }
  return list;
}

std::string target_clause(const CertificationOptions& options, const LabelTarget& target, const Tally::Target& counts) {
  const std::string label = name_of(options.label_names, target.label, "label");
  if (target.kind == LabelTarget::Kind::kPrecision) {
    return fmt::format("; at least {} of the local answers \"{}\" are right ({} of {})", percent(target.target), label,
                       with_commas(counts.hits), with_commas(counts.n));
  }
  return fmt::format(
      "; at least {} of the units of \"{}\" are found, answered so or sent to the large model ({} of {}, among local "
      "answers {} of {})",
      percent(target.target), label, with_commas(counts.hits), with_commas(counts.n), with_commas(counts.hits_local),
      with_commas(counts.n_local));
}

// One sentence, true as it stands.
std::string statement_of(const CertificationPlan& plan, const CandidateTest& test, std::size_t tested) {
  const CertificationOptions& options = plan.options();
  const Tally& t = test.tally;
  const double coverage = static_cast<double>(t.answered) / static_cast<double>(std::max<std::uint64_t>(1, t.units));
  const std::string right = options.labels_from.empty() ? "are right" : "agree with " + options.labels_from;
  const std::string whose = options.risk_all
                                ? "all answers " + right + ", the large model's for the rows sent to it included"
                                : "the answers given locally " + right;
  const std::string claim = fmt::format("at least {} of {}", percent(options.accuracy), whose);
  const std::uint64_t wrong = t.errors + (options.risk_all ? t.escalated_errors : 0);
  std::string targets;
  for (std::size_t i = 0; i < options.targets.size(); ++i) {
    targets += target_clause(options, options.targets[i], t.targets[i]);
  }
  const std::string counts =
      fmt::format("{} units (unit: {}) never used for training or tuning, {} answered locally ({}), {} {} {}",
                  with_commas(t.units), options.unit, with_commas(t.answered), percent(coverage), with_commas(wrong),
                  options.risk_all ? "of all answers" : "of these", options.labels_from.empty() ? "wrong" : "differ");
  const std::string method = fmt::format("exact binomial test, {}p = {}, fixed sequence: {} of {} candidates tested",
                                         options.targets.empty() ? "" : "largest ", p_in_words(test.p_value), tested,
                                         plan.candidates().size());
  return fmt::format("With {} confidence, for rows drawn like the certified ones, {}{} ({}; {}).",
                     percent(options.confidence), claim, targets, counts, method);
}

Certificate make_certificate(const CertificationPlan& plan, const CandidateTest& test, bool certified,
                             std::size_t tested) {
  const CertificationOptions& options = plan.options();
  const Criteria& criteria = plan.criteria();
  const Tally& t = test.tally;
  Certificate c;
  if (certified) c.statement = statement_of(plan, test, tested);
  c.risk = options.risk_all ? "all" : "selective";
  c.alpha = criteria.alpha;
  c.delta = criteria.delta;
  c.n_units = t.units;
  c.n_answered = t.answered;
  c.errors = t.errors + (options.risk_all ? t.escalated_errors : 0);
  c.coverage = t.units == 0 ? 0 : static_cast<double>(t.answered) / static_cast<double>(t.units);
  c.p_value = test.p_value;
  // The bound that was tested, not the Clopper-Pearson bound of the chosen policy: that one was picked by its result.
  c.lower_bound = certified ? options.accuracy : 0;
  c.method = "learn-then-test, fixed sequence, exact binomial tail, one row a unit";
  c.candidates = plan.candidates().size();
  c.tested = tested;
  c.certified = certified;
  for (std::size_t i = 0; i < options.targets.size(); ++i) {
    const LabelTarget& target = options.targets[i];
    Certificate::Target out;
    out.kind = target.kind == LabelTarget::Kind::kRecall ? "recall" : "precision";
    out.label = name_of(options.label_names, target.label, "label");
    out.target = target.target;
    out.n = t.targets[i].n;
    out.hits = t.targets[i].hits;
    out.n_local = t.targets[i].n_local;
    out.hits_local = t.targets[i].hits_local;
    out.p_value = std::exp(log_p_target(t.targets[i], target));
    c.targets.push_back(out);
  }
  c.labels_from = options.labels_from;
  c.assumptions = assumptions(options);
  c.not_claimed = options.not_claimed;
  return c;
}

Status check_rows(const CertificationPlan& plan, const CertifyRows& rows, std::size_t rungs, std::size_t labels) {
  const std::size_t n = rows.labels.size();
  if (n == 0) return Error::internal("certification got no rows");
  if (rows.scores.size() != n * rungs * labels || rows.units.size() != n) {
    return Error::internal("certification got scores, labels and units of different lengths");
  }
  if (plan.options().risk_all && rows.large_correct.size() != n) {
    return Error::usage("errors over all answers need the large model's answers")
        .hint("name their column with --large-answers, or certify the local answers only (--risk selective)");
  }
  const std::unordered_set<std::uint32_t> units(rows.units.begin(), rows.units.end());
  if (units.size() != n) return Error::internal("certification got two rows of one unit; each unit counts once");
  if (std::any_of(rows.labels.begin(), rows.labels.end(), [&](auto l) { return l >= labels; })) {
    return Error::internal("certification got a label outside the label set");
  }
  return Ok{};
}

}  // namespace

Result<CertificationPlan> CertificationPlan::make(const TuneRows& tune, CertificationOptions options,
                                                  ThreadPool* pool) {
  SMIDGEN_TRY(check_options(tune, options));
  CertificationPlan plan;
  plan.criteria_ = {.alpha = complement(options.accuracy),
                    .delta = complement(options.confidence),
                    .risk_all = options.risk_all,
                    .targets = options.targets,
                    .units_certify = options.units_certify,
                    .coverage_min = options.coverage_min};
  plan.set_ = make_candidates(tune, plan.criteria_, options.cost, options.candidates, pool);
  plan.order_ = fixed_sequence(plan.set_.candidates, !options.cost.climbs.empty());
  plan.options_ = std::move(options);
  plan.label_count_ = tune.scored.label_count;
  return plan;
}

Tally tally_candidate(const Candidate& candidate, const CertifyRows& rows, std::size_t rungs, std::size_t labels,
                      std::span<const LabelTarget> targets, std::vector<Decision>* decisions) {
  Tally tally;
  tally.targets.resize(targets.size());
  std::vector<float> scores(candidate.rungs.size() * labels), probabilities(labels);
  if (decisions != nullptr) decisions->clear();
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    for (std::size_t j = 0; j < candidate.rungs.size(); ++j) {
      const auto own = rows.scores.subspan((i * rungs + candidate.rungs[j]) * labels, labels);
      std::copy(own.begin(), own.end(), scores.begin() + static_cast<std::ptrdiff_t>(j * labels));
    }
    const Decision decision = candidate.policy.decide(scores, probabilities);
    if (decision.escalated) {
      tally.add_escalation(rows.labels[i], !rows.large_correct.empty() && rows.large_correct[i] == 0, targets);
    } else {
      tally.add_answer(rows.labels[i], decision.label, targets);
    }
    if (decisions != nullptr) decisions->push_back(decision);
  }
  return tally;
}

Result<CertificationOutcome> test_plan(const CertificationPlan& plan, const CertifyRows& rows) {
  CertificationOutcome outcome;
  const CertificationOptions& options = plan.options();
  const std::size_t rungs = options.cost.usd_per_row.size(), labels = plan.label_count();
  SMIDGEN_TRY(check_rows(plan, rows, rungs, labels));
  CandidateTest nothing;  // what is reported when no candidate was allowed
  nothing.tally.targets.resize(options.targets.size());
  const double log_delta = std::log(plan.criteria().delta);
  std::optional<std::size_t> chosen;  // into tests
  for (const std::size_t index : plan.order()) {
    CandidateTest test;
    test.candidate = index;
    std::vector<Decision> decisions;
    test.tally = tally_candidate(plan.candidates()[index], rows, rungs, labels, options.targets, &decisions);
    const double log_p = log_p_value(test.tally, plan.criteria());
    test.p_value = std::exp(log_p);
    // Both scales, so that what the certificate states (p <= delta) is what was tested, to the last bit.
    test.passed = log_p <= log_delta && test.p_value <= plan.criteria().delta;
    test.enough_coverage =
        static_cast<double>(test.tally.answered) >= options.coverage_min * static_cast<double>(test.tally.units);
    const bool first = outcome.tests.empty(), passed = test.passed;
    // The order falls in cost, so the last that passed is the cheapest. One that answers too little is rejected as a
    // choice, not as a hypothesis: the walk goes on.
    if (passed && test.enough_coverage) chosen = outcome.tests.size();
    if (first || (passed && test.enough_coverage)) outcome.decisions = std::move(decisions);
    outcome.tests.push_back(std::move(test));
    if (!passed) break;
  }
  const CandidateTest& reported = outcome.tests.empty() ? nothing : outcome.tests[chosen.value_or(0)];
  if (chosen) outcome.chosen = reported.candidate;
  outcome.certificate = make_certificate(plan, reported, chosen.has_value(), outcome.tests.size());
  if (!chosen) {
    outcome.refusal = explain_refusal(plan, outcome.tests, rows.labels.size());
    outcome.certificate.statement = "Not certified. " + outcome.refusal->sentence;
    outcome.certificate.lower_bound = outcome.refusal->certifiable_accuracy.value_or(0);
  }
  return outcome;
}

namespace {

// What the caller fills in stays as it is.
void report_test(const CertificationPlan& plan, const CertifyRows& rows, std::size_t test, bool certified,
                 CertificationOutcome& outcome) {
  const CandidateTest& reported = outcome.tests[test];
  Certificate certificate = make_certificate(plan, reported, certified, outcome.tests.size());
  Certificate& old = outcome.certificate;
  for (const auto member : {&Certificate::data_sha256, &Certificate::test_sha256, &Certificate::split_salt,
                            &Certificate::bundle_sha256, &Certificate::precision, &Certificate::version})
    certificate.*member = std::move(old.*member);
  certificate.attempts = old.attempts;
  certificate.assumptions = std::move(old.assumptions);
  outcome.certificate = std::move(certificate);
  tally_candidate(plan.candidates()[reported.candidate], rows, plan.options().cost.usd_per_row.size(),
                  plan.label_count(), plan.options().targets, &outcome.decisions);
}

}  // namespace

void choose_test(const CertificationPlan& plan, const CertifyRows& rows, std::size_t test,
                 CertificationOutcome& outcome) {
  SMIDGEN_CHECK(test < outcome.tests.size() && outcome.tests[test].passed);
  outcome.chosen = outcome.tests[test].candidate;
  report_test(plan, rows, test, true, outcome);
}

void withdraw_choice(const CertificationPlan& plan, const CertifyRows& rows, std::string sentence,
                     CertificationOutcome& outcome) {
  SMIDGEN_CHECK(!outcome.tests.empty());
  outcome.chosen.reset();
  report_test(plan, rows, 0, false, outcome);
  outcome.refusal = explain_refusal(plan, outcome.tests, rows.labels.size());
  outcome.refusal->sentence = std::move(sentence);
  outcome.refusal->further.reset();  // rows are not what is missing
  outcome.refusal->lower_targets.clear();
  outcome.certificate.statement = "Not certified. " + outcome.refusal->sentence;
  outcome.certificate.lower_bound = outcome.refusal->certifiable_accuracy.value_or(0);
}

}  // namespace smidgen
