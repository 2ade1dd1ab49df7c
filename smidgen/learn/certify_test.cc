#include "smidgen/learn/certify.h"
#include "smidgen/learn/split.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <string>

#include "smidgen/base/random.h"
#include "smidgen/base/statistics.h"
#include "smidgen/learn/refusal.h"
#include "smidgen/learn/simulate.h"

namespace smidgen {
namespace {

CertificationOptions usual_options(std::size_t rungs, std::uint64_t units_certify) {
  CertificationOptions options;
  options.units_certify = units_certify;
  for (std::size_t r = 0; r < rungs; ++r) {
    options.cost.seconds_per_row.push_back(1e-5 * std::pow(10.0, static_cast<double>(r)));
    options.cost.usd_per_row.push_back(options.cost.seconds_per_row[r] * 0.04 / 3600);
  }
  options.cost.large_usd_per_row = 3e-4;
  options.label_names = {"no", "yes"};
  options.rung_names = {"linear", "encoder"};
  return options;
}

TuneRows tune_of(const ScorePool& pool) {
  return {.scored = {.scores = pool.scores,
                     .labels = pool.labels,
                     .units = {},
                     .rungs = pool.rungs,
                     .label_count = pool.label_count},
          .large_correct = {}};
}

struct Held {
  std::vector<std::uint32_t> units;
  CertifyRows rows;
};
Held held_of(const ScorePool& pool) {
  Held held;
  held.units.resize(pool.size());
  std::iota(held.units.begin(), held.units.end(), 0u);
  held.rows = {.scores = pool.scores, .labels = pool.labels, .units = held.units, .large_correct = {}};
  return held;
}

TEST(Certify, TheOrderStartsSafeAndOnlyGetsCheaper) {
  const ScorePool pool = easy_pool(1, 1500);
  const auto plan = CertificationPlan::make(tune_of(pool), usual_options(2, 1500));
  ASSERT_TRUE(plan.ok());
  const auto& all = plan->candidates();
  ASSERT_GT(plan->order().size(), 3u);
  EXPECT_LE(all.size(), 200u);
  for (const Candidate& c : all) EXPECT_GE(c.log_p, all[plan->order()[0]].log_p);
  for (std::size_t k = 1; k < plan->order().size(); ++k) {
    EXPECT_LT(all[plan->order()[k]].usd_per_million, 0.995 * all[plan->order()[k - 1]].usd_per_million);
    EXPECT_GE(all[plan->order()[k]].log_p, all[plan->order()[k - 1]].log_p);
  }
  bool everything = false;
  for (const Candidate& c : all) {
    everything = everything || c.coverage == 1;
    EXPECT_TRUE(c.policy.validate(2).ok());
    EXPECT_EQ(c.policy.stages.size(), c.rungs.size());
  }
  EXPECT_TRUE(everything);
}

TEST(Certify, NoCandidateIsDominated) {
  const ScorePool pool = easy_pool(2, 800);
  const auto plan = CertificationPlan::make(tune_of(pool), usual_options(2, 800));
  ASSERT_TRUE(plan.ok());
  for (const Candidate& a : plan->candidates()) {
    for (const Candidate& b : plan->candidates()) {
      const bool better = cheaper(a, b) && a.error_rate <= b.error_rate && a.coverage >= b.coverage;
      EXPECT_FALSE(better);
    }
  }
}

// Two rungs of one climb: the second does not do again what the first has done, and time saved is worth a step.
TEST(Certify, ExitsCostTheLayersTheyAdd) {
  const ScorePool pool = easy_pool(1, 1500);
  CertificationOptions options = usual_options(2, 1500);
  options.cost.climbs = {1, 1};
  const auto plan = CertificationPlan::make(tune_of(pool), options);
  ASSERT_TRUE(plan.ok());
  const std::vector<double>& seconds = options.cost.seconds_per_row;
  int both = 0;
  for (const Candidate& c : plan->candidates()) {
    double wanted = c.reach[0] * seconds[c.rungs[0]];
    if (c.rungs.size() == 2) wanted += c.reach[1] * (seconds[1] - seconds[0]);
    EXPECT_NEAR(c.seconds_per_row, wanted, 1e-15);
    both += c.rungs.size() == 2 ? 1 : 0;
  }
  EXPECT_GT(both, 0);
  for (std::size_t k = 1; k < plan->order().size(); ++k) {
    const Candidate &now = plan->candidates()[plan->order()[k]], &before = plan->candidates()[plan->order()[k - 1]];
    EXPECT_LT(now.usd_per_million, before.usd_per_million);
    EXPECT_TRUE(now.usd_per_million < 0.995 * before.usd_per_million ||
                now.seconds_per_row < 0.8 * before.seconds_per_row);
  }
  Candidate slow, fast, no_faster, cheap;
  slow.usd_per_million = 100;
  slow.seconds_per_row = 1;
  fast.usd_per_million = 99.9;
  fast.seconds_per_row = 0.7;
  no_faster.usd_per_million = 99.8;
  no_faster.seconds_per_row = 0.6;
  cheap.usd_per_million = 90;
  cheap.seconds_per_row = 2;
  slow.log_p = -4;
  fast.log_p = -3;
  no_faster.log_p = -2;
  cheap.log_p = -1;
  const std::vector<Candidate> all = {cheap, no_faster, fast, slow};
  EXPECT_EQ(fixed_sequence(all, true), (std::vector<std::size_t>{3, 2, 0}));
  EXPECT_EQ(fixed_sequence(all), (std::vector<std::size_t>{3, 0}));
}

TEST(Certify, CertificateSaysWhatWasCounted) {
  const ScorePool tune = easy_pool(3, 1500), certify = easy_pool(4, 2000);
  CertificationOptions options = usual_options(2, 2000);
  options.not_claimed = {"maybe"};
  const auto plan = CertificationPlan::make(tune_of(tune), options);
  ASSERT_TRUE(plan.ok());
  const Held held = held_of(certify);
  const auto outcome = test_plan(*plan, held.rows);
  ASSERT_TRUE(outcome.ok());
  ASSERT_TRUE(outcome->chosen.has_value());
  const Certificate& c = outcome->certificate;
  EXPECT_TRUE(c.certified);
  EXPECT_FALSE(outcome->refusal.has_value());
  // Recounted by hand from the decisions.
  std::uint64_t answered = 0, errors = 0;
  for (std::size_t i = 0; i < certify.size(); ++i) {
    if (outcome->decisions[i].escalated) continue;
    ++answered;
    errors += outcome->decisions[i].label != certify.labels[i] ? 1 : 0;
  }
  EXPECT_EQ(c.n_units, 2000u);
  EXPECT_EQ(c.n_answered, answered);
  EXPECT_EQ(c.errors, errors);
  EXPECT_NEAR(c.p_value, binomial_cdf(errors, answered, 1 - 0.95), 1e-12);
  EXPECT_LE(c.p_value, 0.05);
  EXPECT_DOUBLE_EQ(c.lower_bound, 0.95);
  EXPECT_EQ(c.risk, "selective");
  EXPECT_EQ(c.not_claimed, options.not_claimed);
  EXPECT_NE(c.statement.find("With 95 % confidence, for rows drawn like the certified ones, at least 95 % of the "
                             "answers given locally are right (2,000 units (unit: distinct text)"),
            std::string::npos)
      << c.statement;
  EXPECT_GE(c.assumptions.size(), 4u);
  // Everything before the last test passed; the chosen one is the last that did, hence the cheapest.
  for (std::size_t k = 0; k + 1 < outcome->tests.size(); ++k) EXPECT_TRUE(outcome->tests[k].passed);
  const std::size_t last = outcome->tests.back().passed ? outcome->tests.size() - 1 : outcome->tests.size() - 2;
  EXPECT_EQ(outcome->tests[last].candidate, *outcome->chosen);
}

TEST(Certify, RefusesWithReasonsAndNumbers) {
  ScorePool tune = boundary_pool(1, 4), certify = boundary_pool(1, 4);  // 160 rows, every policy wrong in 5 %
  CertificationOptions options = usual_options(1, 160);
  options.accuracy = 0.98;
  const auto plan = CertificationPlan::make(tune_of(tune), options);
  ASSERT_TRUE(plan.ok());
  const Held held = held_of(certify);
  const auto outcome = test_plan(*plan, held.rows);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->chosen.has_value());
  EXPECT_FALSE(outcome->certificate.certified);
  ASSERT_TRUE(outcome->refusal.has_value());
  const RefusalFacts& refusal = *outcome->refusal;
  EXPECT_EQ(refusal.reason, RefusalFacts::Reason::kNotCertified);
  const Tally& first = outcome->tests[0].tally;
  EXPECT_DOUBLE_EQ(*refusal.certifiable_accuracy,
                   clopper_pearson_lower(first.answered - first.errors, first.answered, 0.025));
  EXPECT_EQ(outcome->certificate.lower_bound, *refusal.certifiable_accuracy);
  EXPECT_FALSE(refusal.further.has_value());  // an error rate above alpha never passes
  ASSERT_FALSE(refusal.lower_targets.empty());
  EXPECT_LT(refusal.lower_targets[0].accuracy, 0.98);
  EXPECT_EQ(outcome->certificate.statement.rfind("Not certified. ", 0), 0u);
  EXPECT_GE(refusal.advice.size(), 2u);
  EXPECT_EQ(outcome->decisions.size(), 160u);
}

TEST(Certify, OffersNoTargetThatTheCertifyCountsRefute) {
  // Tune is flattering: no policy errs there; on the certify rows each is wrong in a fifth.
  ScorePool tune = boundary_pool(1, 8), certify = boundary_pool(1, 8);
  for (std::size_t i = 0; i < tune.size(); ++i) tune.labels[i] = tune.scores[2 * i] > tune.scores[2 * i + 1] ? 0 : 1;
  certify.labels = tune.labels;
  for (std::size_t i = 0; i < certify.size(); i += 5) certify.labels[i] = 1 - certify.labels[i];
  const auto plan = CertificationPlan::make(tune_of(tune), usual_options(1, certify.size()));
  ASSERT_TRUE(plan.ok());
  const Held held = held_of(certify);
  const auto outcome = test_plan(*plan, held.rows);
  ASSERT_TRUE(outcome.ok());
  ASSERT_TRUE(outcome->refusal.has_value());
  const double shown = *outcome->refusal->certifiable_accuracy;
  EXPECT_LT(shown, 0.85);
  for (const auto& lower : outcome->refusal->lower_targets) EXPECT_LE(lower.accuracy, shown);
  EXPECT_FALSE(outcome->refusal->further.has_value());
  EXPECT_NE(outcome->refusal->advice[0].find("on tune rows and held-out rows together the most promising policy is not "
                                             "better than the target"),
            std::string::npos)
      << outcome->refusal->advice[0];
}

// The first of hundreds of candidates is chosen for its few errors on tune; that it has more on the certify rows says
// little of the others.
TEST(Certify, LowerTargetsAreNotFarBelowWhatTheyAnswer) {
  double offered = 0, answered = 0;
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const ScorePool tune = easy_pool(2 * seed, 600), certify = easy_pool(2 * seed + 1, 250);
    CertificationOptions options = usual_options(2, certify.size());
    options.accuracy = 0.985;
    const auto plan = CertificationPlan::make(tune_of(tune), options);
    const Held held = held_of(certify);
    const auto outcome = test_plan(*plan, held.rows);
    ASSERT_TRUE(outcome.ok());
    if (!outcome->refusal || outcome->refusal->lower_targets.empty()) continue;
    const auto& lower = outcome->refusal->lower_targets.front();
    options.accuracy = lower.accuracy;
    const auto again = test_plan(*CertificationPlan::make(tune_of(tune), options), held.rows);
    if (!again->chosen) continue;
    ++refused;
    offered += lower.coverage;
    answered += again->certificate.coverage;
  }
  ASSERT_GT(refused, 10);
  EXPECT_GT(offered, 0.93 * answered) << refused;
  EXPECT_LT(offered, 1.07 * answered) << refused;
}

TEST(Certify, AnotherCandidateThatPassedMayBeTaken) {
  const ScorePool tune = easy_pool(3, 1500), certify = easy_pool(4, 2000);
  const auto plan = CertificationPlan::make(tune_of(tune), usual_options(2, 2000));
  ASSERT_TRUE(plan.ok());
  const Held held = held_of(certify);
  const auto original = test_plan(*plan, held.rows);
  ASSERT_TRUE(original.ok() && original->chosen && original->tests.size() > 2 && original->tests[1].passed);
  CertificationOutcome outcome = *original;
  outcome.certificate.data_sha256 = "abc";
  outcome.certificate.attempts = 7;
  choose_test(*plan, held.rows, 1, outcome);
  EXPECT_EQ(outcome.chosen, outcome.tests[1].candidate);
  const Certificate& c = outcome.certificate;
  EXPECT_TRUE(c.certified);
  EXPECT_EQ(c.n_answered, outcome.tests[1].tally.answered);
  EXPECT_EQ(c.errors, outcome.tests[1].tally.errors);
  EXPECT_EQ(c.p_value, outcome.tests[1].p_value);
  EXPECT_EQ(c.tested, original->certificate.tested);
  EXPECT_EQ(c.data_sha256, "abc");
  EXPECT_EQ(c.attempts, 7u);
  std::uint64_t answered = 0;
  for (const Decision& decision : outcome.decisions) answered += decision.escalated ? 0 : 1;
  EXPECT_EQ(answered, c.n_answered) << "the decisions are those of the candidate taken";

  withdraw_choice(*plan, held.rows, "Too slow.", outcome);
  EXPECT_FALSE(outcome.chosen.has_value());
  EXPECT_FALSE(outcome.certificate.certified);
  EXPECT_EQ(outcome.certificate.statement, "Not certified. Too slow.");
  EXPECT_EQ(outcome.refusal->sentence, "Too slow.");
  EXPECT_EQ(outcome.certificate.n_answered, outcome.tests[0].tally.answered);
}

// A test file takes the place of the data's own certify part, which counts for nothing then.
TEST(Certify, SaysHowManyUnitsATestFileMustHave) {
  const ScorePool tune = easy_pool(1, 1500), certify = easy_pool(2, 100);
  CertificationOptions options = usual_options(2, certify.size());
  options.accuracy = 0.97;
  std::uint64_t needed = 0;
  for (const bool test_file : {false, true}) {
    options.test_file = test_file;
    const auto plan = CertificationPlan::make(tune_of(tune), options);
    ASSERT_TRUE(plan.ok());
    const Held held = held_of(certify);
    const auto outcome = test_plan(*plan, held.rows);
    ASSERT_TRUE(outcome.ok() && outcome->refusal && outcome->refusal->further);
    const auto& further = *outcome->refusal->further;
    ASSERT_GT(further.units_certify, certify.size());
    if (test_file) {
      EXPECT_EQ(further.units_certify, needed);
      EXPECT_EQ(further.units_further, needed - certify.size());
    } else {
      needed = further.units_certify;
      EXPECT_EQ(further.units_further, needed);
    }
    const std::string said =
        test_file ? "More labels: about " + with_commas(needed - 100) + " further units in the --test file would pass"
                  : "More labels: a separate --test file of about " + with_commas(needed) + " units, or about " +
                        with_commas(units_in_file(needed)) + " in the whole file, would pass";
    EXPECT_EQ(outcome->refusal->advice[0].rfind(said, 0), 0U) << outcome->refusal->advice[0];
  }
}

TEST(Certify, EarlyRefusalWhenZeroErrorsCannotPass) {
  CertificationOptions options = usual_options(1, 58);
  auto refusal = refuse_early(options, std::vector<std::uint64_t>{29, 29});
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->units_needed_at_least, 59u);
  EXPECT_EQ(refusal->sentence,
            "58 units are left for certification; even without a single error, 95 % accuracy at 95 % confidence needs "
            "59.");
  EXPECT_EQ(refusal->advice[0].rfind("Label more rows: 148 units in the file at the very least", 0), 0U);
  options.test_file = true;
  EXPECT_EQ(refuse_early(options, std::vector<std::uint64_t>{29, 29})
                ->advice[0]
                .rfind("Label more rows: 59 units in the --test file at the very least", 0),
            0U);
  options.units_certify = 59;
  EXPECT_FALSE(refuse_early(options, std::vector<std::uint64_t>{30, 29}).has_value());
  options.targets = {{LabelTarget::Kind::kRecall, 1, 0.98}};
  refusal = refuse_early(options, std::vector<std::uint64_t>{1000, 148});
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->units_needed_at_least, 149u);
  EXPECT_NE(refusal->sentence.find("148 units of \"yes\""), std::string::npos) << refusal->sentence;
  EXPECT_FALSE(refuse_early(options, std::vector<std::uint64_t>{1000, 149}).has_value());
}

TEST(Certify, TalliesFollowTheCountingRules) {
  const std::vector<LabelTarget> wanted = {{LabelTarget::Kind::kRecall, 1, 0.9},
                                           {LabelTarget::Kind::kPrecision, 1, 0.9}};
  Tally tally;
  tally.targets.resize(2);
  tally.add_answer(1, 1, wanted);          // found
  tally.add_answer(1, 0, wanted);          // missed
  tally.add_answer(0, 1, wanted);          // wrong answer with the label
  tally.add_escalation(1, false, wanted);  // counts as found
  tally.add_escalation(0, true, wanted);   // the large model errs
  EXPECT_EQ(tally.units, 5u);
  EXPECT_EQ(tally.answered, 3u);
  EXPECT_EQ(tally.errors, 2u);
  EXPECT_EQ(tally.escalated_errors, 1u);
  EXPECT_EQ(tally.targets[0].n, 3u);
  EXPECT_EQ(tally.targets[0].hits, 2u);
  EXPECT_EQ(tally.targets[0].n_local, 2u);
  EXPECT_EQ(tally.targets[0].hits_local, 1u);
  EXPECT_EQ(tally.targets[1].n, 2u);
  EXPECT_EQ(tally.targets[1].hits, 1u);
  Criteria criteria;
  EXPECT_NEAR(std::exp(log_p_accuracy(tally, criteria)), binomial_cdf(2, 3, 0.05), 1e-12);
  criteria.risk_all = true;
  EXPECT_NEAR(std::exp(log_p_accuracy(tally, criteria)), binomial_cdf(3, 5, 0.05), 1e-12);
  criteria.targets = wanted;
  EXPECT_NEAR(std::exp(log_p_value(tally, criteria)), 1, 0.02);  // the largest of the three decides
  Tally nothing;
  nothing.targets.resize(2);
  nothing.add_escalation(1, false, wanted);
  EXPECT_EQ(log_p_accuracy(nothing, criteria), 0);  // nobody answered: never passes
  EXPECT_EQ(log_p_target(nothing.targets[1], wanted[1]), 0);
}

TEST(Certify, LabelTargetsMakeTheChoiceStricter) {
  const ScorePool tune = easy_pool(5, 3000), certify = easy_pool(6, 3000);
  const Held held = held_of(certify);
  CertificationOptions options = usual_options(2, 3000);
  options.accuracy = 0.9;
  const auto plain = CertificationPlan::make(tune_of(tune), options);
  options.targets = {{LabelTarget::Kind::kRecall, 1, 0.97}, {LabelTarget::Kind::kPrecision, 0, 0.96}};
  const auto strict = CertificationPlan::make(tune_of(tune), options);
  ASSERT_TRUE(plain.ok() && strict.ok());
  const auto a = test_plan(*plain, held.rows), b = test_plan(*strict, held.rows);
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_TRUE(a->chosen && b->chosen);
  EXPECT_LT(b->certificate.coverage, a->certificate.coverage);
  ASSERT_EQ(b->certificate.targets.size(), 2u);
  for (const auto& target : b->certificate.targets) {
    EXPECT_LE(target.p_value, 0.05);
    EXPECT_LE(target.p_value, b->certificate.p_value);
    EXPECT_GE(static_cast<double>(target.hits) / static_cast<double>(target.n), target.target);
  }
  EXPECT_EQ(b->certificate.targets[0].label, "yes");
  EXPECT_NE(b->certificate.statement.find("at least 97 % of the units of \"yes\" are found"), std::string::npos);
}

TEST(Certify, AllRowsRiskNeedsAndCountsTheLargeModel) {
  const ScorePool pool = easy_pool(7, 2000);
  CertificationOptions options = usual_options(2, 2000);
  options.risk_all = true;
  TuneRows tune = tune_of(pool);
  const auto missing = CertificationPlan::make(tune, options);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind(), ErrorKind::kUsage);
  EXPECT_NE(missing.error().message().find("--large-answers"), std::string::npos);

  std::vector<std::uint8_t> right(pool.size(), 1), mostly_wrong(pool.size(), 0);
  tune.large_correct = right;
  const auto good = CertificationPlan::make(tune, options);
  ASSERT_TRUE(good.ok());
  Held held = held_of(pool);
  EXPECT_FALSE(test_plan(*good, held.rows).ok());  // certify rows without the large model's answers
  held.rows.large_correct = right;
  const auto outcome = test_plan(*good, held.rows);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->chosen.has_value());
  EXPECT_EQ(outcome->certificate.risk, "all");
  held.rows.large_correct = mostly_wrong;
  EXPECT_FALSE(test_plan(*good, held.rows)->chosen.has_value());
}

TEST(Certify, CoverageMinimumAndCeilingsAreKept) {
  const ScorePool tune = easy_pool(8, 2000), certify = easy_pool(9, 2000);
  CertificationOptions options = usual_options(2, 2000);
  options.coverage_min = 0.8;
  options.candidates.allowed = [](const Candidate& c) { return c.rungs == std::vector<std::size_t>{0}; };
  const auto plan = CertificationPlan::make(tune_of(tune), options);
  ASSERT_TRUE(plan.ok());
  for (const Candidate& c : plan->candidates()) {
    EXPECT_GE(c.coverage, 0.8);
    EXPECT_EQ(c.rungs, std::vector<std::size_t>{0});
  }
  options.candidates.allowed = [](const Candidate&) { return false; };
  const auto none = CertificationPlan::make(tune_of(tune), options);
  ASSERT_TRUE(none.ok());
  const Held held = held_of(certify);
  const auto outcome = test_plan(*none, held.rows);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->refusal->reason, RefusalFacts::Reason::kNoCandidate);
}

TEST(Certify, RepeatedUnitsAreRefused) {
  const ScorePool pool = easy_pool(10, 500);
  const auto plan = CertificationPlan::make(tune_of(pool), usual_options(2, 500));
  Held held = held_of(pool);
  held.units[3] = held.units[77];
  held.rows.units = held.units;
  const auto outcome = test_plan(*plan, held.rows);
  ASSERT_FALSE(outcome.ok());
  EXPECT_NE(outcome.error().message().find("two rows of one unit"), std::string::npos);
}

TEST(Certify, BadNumbersAreUsageErrors) {
  const ScorePool pool = easy_pool(11, 200);
  const auto kind = [&](auto change) {
    CertificationOptions options = usual_options(2, 200);
    change(options);
    const auto plan = CertificationPlan::make(tune_of(pool), options);
    return plan.ok() ? ErrorKind::kInternal : plan.error().kind();
  };
  EXPECT_EQ(kind([](auto& o) { o.accuracy = 1; }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](auto& o) { o.confidence = std::nan(""); }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](auto& o) { o.cost.large_usd_per_row = 0; }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](auto& o) { o.cost.usd_per_row.pop_back(); }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](auto& o) { o.coverage_min = 1.5; }), ErrorKind::kUsage);
  EXPECT_EQ(kind([](auto& o) { o.targets = {{LabelTarget::Kind::kRecall, 9, 0.5}}; }), ErrorKind::kUsage);
}

TEST(Certify, TuneCountsOneRowAUnit) {
  const std::vector<std::uint32_t> units = {4, 4, 4, 9, 9, 1};
  std::vector<std::size_t> seen(6, 0);
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto rows = one_row_per_unit(units, seed);
    ASSERT_EQ(rows.size(), 3u);
    for (const std::uint32_t row : rows) ++seen[row];
  }
  EXPECT_EQ(seen[5], 300u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(static_cast<double>(seen[i]), 100, 40);
  EXPECT_EQ(seen[3] + seen[4], 300u);
}

TEST(Certify, UnitsForPowerIsTheSmallest) {
  const auto n = units_for_power(0.025, 0.05, 0.05, 0.8);
  ASSERT_TRUE(n.has_value());
  const auto power = [](std::uint64_t units) {
    std::uint64_t k = 0;
    return errors_allowed(units, 0.05, 0.05, k) ? binomial_cdf(k, units, 0.025) : 0.0;
  };
  EXPECT_GE(power(*n), 0.8);
  for (std::uint64_t smaller = 1; smaller < *n; ++smaller) EXPECT_LT(power(smaller), 0.8) << smaller;
  EXPECT_EQ(units_for_power(0, 0.05, 0.05, 0.8), 59u);
  EXPECT_FALSE(units_for_power(0.05, 0.05, 0.05, 0.8).has_value());
  EXPECT_EQ(units_in_file(59), 148u);
  EXPECT_EQ(units_in_file(400), 1000u);
  EXPECT_EQ(units_in_file(401), 2005u);
}

// The table "How many units" of docs/certificates.md, computed again.
TEST(Certify, DocumentedUnitsAreComputed) {
  std::ifstream in(std::string(SMIDGEN_SOURCE_DIR) + "/docs/certificates.md");
  std::size_t rows = 0;
  for (std::string line; std::getline(in, line);) {
    double accuracy = 0;
    unsigned none = 0, quarter = 0, half = 0, most = 0;
    if (std::sscanf(line.c_str(), "| %lf | %u | %u | %u | %u |", &accuracy, &none, &quarter, &half, &most) != 5)
      continue;
    ++rows;
    const double alpha = 1 - accuracy;
    EXPECT_EQ(trials_for_zero_errors(alpha, 0.05), none);
    EXPECT_EQ(units_for_power(alpha * 0.25, alpha, 0.05, 0.8), quarter);
    EXPECT_EQ(units_for_power(alpha * 0.5, alpha, 0.05, 0.8), half);
    EXPECT_EQ(units_for_power(alpha * 0.75, alpha, 0.05, 0.8), most);
  }
  EXPECT_EQ(rows, 4u);
}

TEST(Certify, PercentNeverRoundsUp) {
  EXPECT_EQ(percent(0.95), "95 %");
  EXPECT_EQ(percent(1 - 0.05), "95 %");
  EXPECT_EQ(percent(0.949999), "94.9999 %");
  EXPECT_EQ(percent(0.9499999), "94.99 %");
  EXPECT_EQ(percent(0.99999), "99.999 %");
  EXPECT_EQ(percent(0.9999999), "99.99 %");
  EXPECT_EQ(percent(1.0 / 3), "33.33 %");
  EXPECT_EQ(percent(1), "100 %");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(999), "999");
}

// The proof by simulation, small (bench/certify_simulation.cc runs it in full).
TEST(CertifySimulation, HoldsOnTheBoundaryWhereTheNegativeControlFails) {
  SimulationOptions options;
  options.draws = 300;
  options.units_tune = 200;
  options.units_certify = 700;
  options.control = true;
  options.certification = usual_options(2, 0);
  options.certification.candidates.calibration.bias = false;
  ThreadPool threads(2);
  const SimulationResult result = simulate(boundary_pool(2, 12), options, &threads);
  const std::uint64_t limit = violations_limit(300, 0.05);
  EXPECT_LE(result.violations, limit);
  EXPECT_GT(result.control_violations, limit);
  EXPECT_FALSE(result.easy);
  EXPECT_EQ(violations_limit(1000, 0.05), 67u);
}

TEST(CertifySimulation, AnswersWhereItCan) {
  SimulationOptions options;
  options.draws = 100;
  options.units_tune = 300;
  options.units_certify = 800;
  options.certification = usual_options(2, 0);
  options.certification.candidates.calibration.bias = false;
  ThreadPool threads(2);
  const SimulationResult result = simulate(easy_pool(3, 6000), options, &threads);
  EXPECT_TRUE(result.easy);
  EXPECT_LE(result.refused, 10u);
  EXPECT_LE(result.violations, violations_limit(100, 0.05));
}

TEST(Certify, PValuesInWordsAreNeverSmallerThanTheyAre) {
  EXPECT_EQ(p_in_words(0.0272098), "0.0273");
  EXPECT_EQ(p_in_words(0.05), "0.05");
  EXPECT_EQ(p_in_words(0.0499999), "0.05");
  EXPECT_EQ(p_in_words(0.0500001), "0.0501");
  EXPECT_EQ(p_in_words(2.834e-11), "2.84e-11");
  EXPECT_EQ(p_in_words(0.99999), "1");
  EXPECT_EQ(p_in_words(0), "0");
}

}  // namespace
}  // namespace smidgen
