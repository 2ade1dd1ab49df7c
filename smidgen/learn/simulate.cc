#include "smidgen/learn/simulate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "smidgen/base/random.h"
#include "smidgen/base/statistics.h"

namespace smidgen {
namespace {

struct Sample {
  std::vector<std::uint32_t> labels, units;
  std::vector<float> scores;
};

Sample redraw(const ScorePool& pool, std::size_t count, Random& random) {
  Sample sample;
  const std::size_t width = pool.rungs * pool.label_count;
  sample.scores.reserve(count * width);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = random.below(pool.size());
    sample.labels.push_back(pool.labels[row]);
    sample.units.push_back(static_cast<std::uint32_t>(i));
    const auto from = pool.scores.begin() + static_cast<std::ptrdiff_t>(row * width);
    sample.scores.insert(sample.scores.end(), from, from + static_cast<std::ptrdiff_t>(width));
  }
  return sample;
}

TuneRows as_tune(const ScorePool& pool, const Sample& sample) {
  return {.scored = {.scores = sample.scores,
                     .labels = sample.labels,
                     .units = sample.units,
                     .rungs = pool.rungs,
                     .label_count = pool.label_count},
          .large_correct = {}};
}

struct Truth {
  double risk = 0, coverage = 0;
};

Truth truth_of(const Candidate& candidate, const ScorePool& pool) {
  const CertifyRows world = {.scores = pool.scores, .labels = pool.labels, .units = {}, .large_correct = {}};
  const Tally tally = tally_candidate(candidate, world, pool.rungs, pool.label_count, {});
  Truth truth;
  truth.coverage = static_cast<double>(tally.answered) / static_cast<double>(tally.units);
  if (tally.answered > 0) truth.risk = static_cast<double>(tally.errors) / static_cast<double>(tally.answered);
  return truth;
}

// A risk of exactly alpha counts: it is the hardest case the test must hold against.
bool violates(const Truth& truth, double alpha) {
  return truth.risk >= alpha * (1 - 1e-9);
}

struct Draw {
  bool certified = false, violation = false, control_violation = false;
  double coverage = 0, tested = 0;
};

bool control_violates(const CertificationPlan& plan, const CertifyRows& rows, const ScorePool& pool) {
  for (const Candidate& candidate : plan.candidates()) {  // rising cost: the first that passes is the cheapest
    const Tally tally = tally_candidate(candidate, rows, pool.rungs, pool.label_count, {});
    if (log_p_value(tally, plan.criteria()) > std::log(plan.criteria().delta)) continue;
    return violates(truth_of(candidate, pool), plan.criteria().alpha);
  }
  return false;
}

Draw one_draw(const ScorePool& pool, const SimulationOptions& options, std::uint64_t number) {
  Random random(options.seed * 0x9e3779b97f4a7c15ULL + number);
  const Sample tune = redraw(pool, options.units_tune, random), held = redraw(pool, options.units_certify, random);
  CertificationOptions certification = options.certification;
  certification.units_certify = options.units_certify;
  certification.candidates.seed = certification.candidates.calibration.seed = number;
  const auto plan = CertificationPlan::make(as_tune(pool, tune), certification);
  SMIDGEN_CHECK(plan.ok());
  const CertifyRows rows = {.scores = held.scores, .labels = held.labels, .units = held.units, .large_correct = {}};
  const auto outcome = test_plan(*plan, rows);
  SMIDGEN_CHECK(outcome.ok());
  Draw draw;
  draw.tested = static_cast<double>(outcome->tests.size());
  draw.certified = outcome->chosen.has_value();
  if (draw.certified) {
    const Truth truth = truth_of(plan->candidates()[*outcome->chosen], pool);
    draw.violation = violates(truth, plan->criteria().alpha);
    draw.coverage = truth.coverage;
  }
  if (options.control) draw.control_violation = control_violates(*plan, rows, pool);
  return draw;
}

// Is there a policy with at most half the errors allowed? The whole pool serves as tune.
bool is_easy(const ScorePool& pool, const SimulationOptions& options) {
  CertificationOptions certification = options.certification;
  certification.units_certify = options.units_certify;
  Sample all;
  all.labels = pool.labels;
  all.scores = pool.scores;
  all.units.resize(pool.size());
  std::iota(all.units.begin(), all.units.end(), 0u);
  const auto plan = CertificationPlan::make(as_tune(pool, all), certification);
  SMIDGEN_CHECK(plan.ok());
  return std::any_of(plan->candidates().begin(), plan->candidates().end(), [&](const Candidate& candidate) {
    const Truth truth = truth_of(candidate, pool);
    return truth.risk <= plan->criteria().alpha / 2 &&
           truth.coverage * static_cast<double>(options.units_certify) >= 500;
  });
}

// One row: every rung gives `answer` with its own probability.
void add_row(ScorePool& pool, std::uint32_t truth, std::uint32_t answer, std::span<const double> confidences) {
  pool.labels.push_back(truth);
  for (const double confidence : confidences) {
    for (std::uint32_t l = 0; l < 2; ++l) {
      pool.scores.push_back(static_cast<float>(std::log(l == answer ? confidence : 1 - confidence)));
    }
  }
}

}  // namespace

SimulationResult simulate(const ScorePool& pool, const SimulationOptions& options, ThreadPool* threads) {
  std::vector<Draw> draws(options.draws);
  const auto body = [&](std::size_t i, std::size_t) { draws[i] = one_draw(pool, options, i); };
  if (threads != nullptr) {
    threads->parallel_for(draws.size(), body);
  } else {
    for (std::size_t i = 0; i < draws.size(); ++i) body(i, 0);
  }
  SimulationResult result;
  result.draws = options.draws;
  for (const Draw& draw : draws) {
    result.certified += draw.certified ? 1 : 0;
    result.violations += draw.violation ? 1 : 0;
    result.control_violations += draw.control_violation ? 1 : 0;
    result.coverage += draw.coverage;
    result.tested += draw.tested;
  }
  result.refused = result.draws - result.certified;
  result.coverage /= static_cast<double>(std::max<std::uint64_t>(1, result.certified));
  result.tested /= static_cast<double>(std::max<std::uint64_t>(1, result.draws));
  result.easy = is_easy(pool, options);
  return result;
}

std::uint64_t violations_limit(std::uint64_t draws, double delta) {
  std::uint64_t k = 0;
  while (binomial_cdf(k, draws, delta) < 0.99) ++k;
  return k;
}

ScorePool boundary_pool(std::size_t rungs, std::size_t levels) {
  SMIDGEN_CHECK(rungs >= 1 && rungs <= 3 && levels >= 2);
  ScorePool pool;
  pool.rungs = rungs;
  pool.label_count = 2;
  std::size_t cells = 1;
  for (std::size_t r = 0; r < rungs; ++r) cells *= levels;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    std::vector<double> confidences;
    for (std::size_t r = 0, rest = cell; r < rungs; ++r, rest /= levels) {
      confidences.push_back(0.9 + 0.09 * static_cast<double>(rest % levels) / static_cast<double>(levels - 1));
    }
    for (std::uint32_t k = 0; k < 40; ++k) {  // 20 rows of each answer, one of them wrong
      const std::uint32_t answer = k % 2;
      add_row(pool, k < 2 ? 1 - answer : answer, answer, confidences);
    }
  }
  return pool;
}

ScorePool easy_pool(std::uint64_t seed, std::size_t rows) {
  ScorePool pool;
  pool.rungs = 2;
  pool.label_count = 2;
  Random random(seed);
  for (std::size_t i = 0; i < rows; ++i) {
    const bool hard = random.uniform() < 0.2;
    const auto truth = static_cast<std::uint32_t>(random.below(2));
    const bool wrong = random.uniform() < (hard ? 0.3 : 0.02);
    const double first = std::clamp((hard ? 0.75 : 0.93) + 0.06 * random.normal(), 0.52, 0.995);
    const double second = std::clamp((hard ? 0.70 : 0.97) + 0.03 * random.normal(), 0.52, 0.995);
    const double confidences[] = {first, second};
    add_row(pool, truth, wrong ? 1 - truth : truth, confidences);
  }
  return pool;
}

}  // namespace smidgen
