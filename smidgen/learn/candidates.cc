#include "smidgen/learn/candidates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <tuple>

#include "smidgen/base/result.h"
#include "smidgen/base/statistics.h"
#include "smidgen/learn/split.h"

namespace smidgen {
namespace {

// Shares of all units that a policy of the grid answers, falling: steps of 1 % down to a half, then of 5 %.
std::vector<double> coverage_grid() {
  std::vector<double> grid = {1.0, 0.995};
  for (int percent = 99; percent >= 50; --percent) grid.push_back(percent / 100.0);
  for (int percent = 45; percent >= 5; percent -= 5) grid.push_back(percent / 100.0);
  return grid;
}
constexpr double kGridCombinationsMax = 130;  // threshold combinations of the stages before the last
constexpr double kGridLevelsMax = 20;         // thresholds of one of them

// What one stage (a subset of rungs) says about every counted unit: by cross-fitted probabilities, which judge a
// candidate, and by the final stage, which will run. The folds' parameters differ a little, so a threshold is carried
// over by rank: the final stage's threshold keeps as many tune units as the cross-fitted one did.
struct Votes {
  std::vector<std::uint32_t> label;
  std::vector<float> confidence, final_confidence;
  std::vector<std::uint32_t> order, final_order;  // units by falling confidence, equal ones by number
};

struct Threshold {
  double judged = kNeverLeave;  // for cross-fitted confidences
  double runs = kNeverLeave;    // for the policy
};

// A candidate before it is worth building its policy.
struct Draft {
  std::uint32_t subset = 0;
  std::array<Threshold, kLadderRungsMax> thresholds{};  // of its stages in order
  Candidate facts;                                      // everything but the policy
};

struct Context {
  const TuneRows& rows;
  const Criteria& criteria;
  const LadderCost& cost;
  const CandidateOptions& options;
  std::vector<std::uint32_t> unit_rows;
  std::vector<Votes> votes;  // by subset
  std::vector<double> coverages;
};

std::vector<std::size_t> rungs_of(std::uint32_t subset) {
  std::vector<std::size_t> rungs;
  for (std::size_t r = 0; r < kLadderRungsMax; ++r) {
    if (subset >> r & 1) rungs.push_back(r);
  }
  return rungs;
}

// The subset of the first j + 1 rungs of `rungs`.
std::uint32_t prefix(std::span<const std::size_t> rungs, std::size_t j) {
  std::uint32_t subset = 0;
  for (std::size_t i = 0; i <= j; ++i) subset |= 1u << rungs[i];
  return subset;
}

std::vector<std::uint32_t> falling_order(const std::vector<float>& confidence) {
  std::vector<std::uint32_t> order(confidence.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return confidence[a] > confidence[b]; });
  return order;
}

Votes make_votes(const ScoredRows& rows, std::span<const std::size_t> rungs, const Calibration& calibration,
                 std::span<const std::uint32_t> unit_rows) {
  const std::size_t labels = rows.label_count;
  Votes votes;
  std::vector<float> scores(rungs.size() * labels), final_probabilities(labels);
  for (const std::uint32_t row : unit_rows) {
    const auto p = std::span(calibration.probabilities).subspan(row * labels, labels);
    votes.label.push_back(top_label(p));
    votes.confidence.push_back(p[votes.label.back()]);
    for (std::size_t j = 0; j < rungs.size(); ++j) {
      const auto own = rows.scores.subspan((row * rows.rungs + rungs[j]) * labels, labels);
      std::copy(own.begin(), own.end(), scores.begin() + static_cast<std::ptrdiff_t>(j * labels));
    }
    blend_stage(calibration.stage, scores, final_probabilities);
    votes.final_confidence.push_back(final_probabilities[top_label(final_probabilities)]);
  }
  votes.order = falling_order(votes.confidence);
  votes.final_order = falling_order(votes.final_confidence);
  return votes;
}

// Thresholds of a stage that is not the last: never, then those that would keep equal steps of all units.
std::vector<Threshold> early_thresholds(const Votes& votes, std::size_t levels) {
  std::vector<Threshold> thresholds(1);
  const std::size_t n = votes.order.size();
  for (std::size_t k = 1; k < levels; ++k) {
    const std::size_t kept = std::max<std::size_t>(1, k * n / levels);
    const double judged = votes.confidence[votes.order[kept - 1]];
    if (judged >= thresholds.back().judged) continue;
    thresholds.push_back({judged, votes.final_confidence[votes.final_order[kept - 1]]});
  }
  return thresholds;
}

std::size_t grid_levels(std::size_t early_stages) {
  if (early_stages == 0) return 1;
  const double levels = std::pow(kGridCombinationsMax, 1.0 / static_cast<double>(early_stages));
  return static_cast<std::size_t>(std::min(kGridLevelsMax, levels));
}

bool large_wrong(const Context& context, std::uint32_t row) {
  return !context.rows.large_correct.empty() && context.rows.large_correct[row] == 0;
}

void finish_draft(const Context& context, Draft& draft, const std::vector<std::uint64_t>& reached) {
  Candidate& c = draft.facts;
  const double n = static_cast<double>(c.tune.units);
  c.rungs = rungs_of(draft.subset);
  c.reach.clear();
  c.coverage = static_cast<double>(c.tune.answered) / n;
  const std::uint64_t wrong = c.tune.errors + (context.criteria.risk_all ? c.tune.escalated_errors : 0);
  const std::uint64_t judged = context.criteria.risk_all ? c.tune.units : c.tune.answered;
  c.error_rate = judged == 0 ? 0 : static_cast<double>(wrong) / static_cast<double>(judged);
  double usd = (1 - c.coverage) * context.cost.large_usd_per_row, seconds = 0;
  for (std::size_t j = 0; j < c.rungs.size(); ++j) {
    c.reach.push_back(static_cast<double>(reached[j]) / n);
    usd += c.reach[j] * context.cost.usd_per_row[c.rungs[j]];
    seconds += c.reach[j] * context.cost.seconds_per_row[c.rungs[j]];
    if (j == 0 || !share_climb(context.cost, c.rungs[j - 1], c.rungs[j])) continue;
    usd -= c.reach[j] * context.cost.usd_per_row[c.rungs[j - 1]];
    seconds -= c.reach[j] * context.cost.seconds_per_row[c.rungs[j - 1]];
  }
  c.usd_per_million = usd * 1e6;
  c.seconds_per_row = seconds;
  c.log_p = log_p_predicted(c.tune, context.criteria);
}

void keep_if_allowed(const Context& context, Draft& draft, const std::vector<std::uint64_t>& reached,
                     std::vector<Draft>& drafts) {
  finish_draft(context, draft, reached);
  if (draft.facts.tune.answered == 0 || draft.facts.coverage < context.criteria.coverage_min) return;
  if (context.options.allowed && !context.options.allowed(draft.facts)) return;
  drafts.push_back(draft);
}

// All last-stage thresholds for fixed earlier ones: one pass down the last stage's confidences, turning escalated units
// into answered ones.
void sweep_last_stage(const Context& context, Draft draft, std::span<const std::size_t> rungs,
                      std::vector<Draft>& drafts) {
  const std::size_t n = context.unit_rows.size(), last = rungs.size() - 1;
  const auto& targets = context.criteria.targets;
  const std::span<const std::uint32_t> truth = context.rows.scored.labels;
  std::vector<std::uint64_t> reached(rungs.size(), 0);
  std::vector<std::uint8_t> at_last(n, 0);
  std::vector<const Votes*> stage_votes;
  for (std::size_t j = 0; j <= last; ++j) stage_votes.push_back(&context.votes[prefix(rungs, j)]);
  Tally& tally = draft.facts.tune;
  tally = {};
  tally.targets.resize(targets.size());
  for (std::uint32_t u = 0; u < n; ++u) {
    std::size_t j = 0;
    for (; j < last; ++j) {
      ++reached[j];
      if (leaves(draft.thresholds[j].judged, stage_votes[j]->confidence[u])) break;
    }
    const std::uint32_t row = context.unit_rows[u];
    if (j < last) {
      tally.add_answer(truth[row], stage_votes[j]->label[u], targets);
    } else {
      ++reached[last];
      at_last[u] = 1;
      tally.add_escalation(truth[row], large_wrong(context, row), targets);
    }
  }
  const Votes& votes = *stage_votes[last];
  const std::vector<double>& grid = context.coverages;
  std::size_t next = grid.size();  // grid[next - 1] is the smallest coverage not yet made
  const auto made = [&] { return static_cast<double>(tally.answered) / static_cast<double>(n); };
  while (next > 0 && grid[next - 1] < made() - 1e-12) --next;
  std::vector<float> final_confidences;  // of the units at the last stage, falling
  for (const std::uint32_t u : votes.final_order) {
    if (at_last[u]) final_confidences.push_back(votes.final_confidence[u]);
  }
  std::size_t kept = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint32_t u = votes.order[k];
    if (!at_last[u]) continue;
    const std::uint32_t row = context.unit_rows[u];
    tally.add_escalation(truth[row], large_wrong(context, row), targets, -1);
    tally.add_answer(truth[row], votes.label[u], targets);
    ++kept;
    const bool tied = k + 1 < n && votes.confidence[votes.order[k + 1]] == votes.confidence[u];
    if (tied || tally.answered == n || next == 0 || made() + 1e-12 < grid[next - 1]) continue;
    draft.thresholds[last] = {votes.confidence[u], final_confidences[kept - 1]};
    keep_if_allowed(context, draft, reached, drafts);
    while (next > 0 && grid[next - 1] <= made() + 1e-12) --next;
  }
  draft.thresholds[last] = {0,
                            0};  // answer everything; a last stage nobody reached adds nothing to the shorter cascade
  if (reached[last] > 0) keep_if_allowed(context, draft, reached, drafts);
}

void draft_subset(const Context& context, std::uint32_t subset, std::vector<Draft>& drafts) {
  const std::vector<std::size_t> rungs = rungs_of(subset);
  const std::size_t early = rungs.size() - 1, levels = grid_levels(early);
  std::vector<std::vector<Threshold>> grids;
  for (std::size_t j = 0; j < early; ++j) grids.push_back(early_thresholds(context.votes[prefix(rungs, j)], levels));
  std::vector<std::size_t> at(early, 0);
  for (;;) {
    Draft draft;
    draft.subset = subset;
    for (std::size_t j = 0; j < early; ++j) draft.thresholds[j] = grids[j][at[j]];
    sweep_last_stage(context, draft, rungs, drafts);
    std::size_t j = 0;
    while (j < early && ++at[j] == grids[j].size()) at[j++] = 0;
    if (j == early) return;
  }
}

auto cost_key(const Candidate& c) {
  return std::tuple(c.usd_per_million, c.seconds_per_row, c.error_rate, -c.coverage, c.rungs.size());
}

// With label targets the predicted p-value counts as well: a policy may be worth its cost for its recall alone.
bool dominates(const Candidate& a, const Candidate& b, bool targets) {
  return a.error_rate <= b.error_rate && a.coverage >= b.coverage && (!targets || a.log_p <= b.log_p);
}

// Pareto-optimal drafts, rising cost. Sorted by cost, so only earlier ones can dominate.
std::vector<Draft> pareto(std::vector<Draft>& drafts, bool targets) {
  std::vector<std::uint32_t> order(drafts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return cost_key(drafts[a].facts) < cost_key(drafts[b].facts); });
  std::vector<std::uint32_t> kept;
  for (const std::uint32_t i : order) {
    const bool beaten = std::any_of(kept.rbegin(), kept.rend(),
                                    [&](auto k) { return dominates(drafts[k].facts, drafts[i].facts, targets); });
    if (!beaten) kept.push_back(i);
  }
  std::vector<Draft> result;
  for (const std::uint32_t i : kept) result.push_back(std::move(drafts[i]));
  return result;
}

// `count` of the positions 0..size-1, evenly, both ends included.
std::vector<std::size_t> evenly(std::size_t size, std::size_t count) {
  std::vector<std::size_t> result;
  if (count >= size) {
    result.resize(size);
    std::iota(result.begin(), result.end(), std::size_t{0});
    return result;
  }
  for (std::size_t k = 0; k < count; ++k) result.push_back(count == 1 ? 0 : k * (size - 1) / (count - 1));
  return result;
}

// At most `limit`: the fixed sequence first, since only its members can be tested, the rest spread over the cost.
std::vector<Candidate> thin(std::vector<Candidate> all, std::size_t limit, bool time_counts) {
  if (all.size() <= limit) return all;
  const std::vector<std::size_t> walk = fixed_sequence(all, time_counts);
  std::vector<std::uint8_t> keep(all.size(), 0), walked(all.size(), 0);
  for (const std::size_t i : walk) walked[i] = 1;
  std::size_t kept = 0;
  for (const std::size_t k : evenly(walk.size(), std::min(walk.size(), std::max<std::size_t>(2, limit * 3 / 4)))) {
    keep[walk[k]] = 1;
    ++kept;
  }
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!walked[i]) others.push_back(i);
  }
  for (const std::size_t k : evenly(others.size(), limit > kept ? limit - kept : 0)) keep[others[k]] = 1;
  std::vector<Candidate> result;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (keep[i]) result.push_back(std::move(all[i]));
  }
  return result;
}

}  // namespace

bool share_climb(const LadderCost& cost, std::size_t first, std::size_t second) {
  return !cost.climbs.empty() && cost.climbs[first] > 0 && cost.climbs[first] == cost.climbs[second];
}

void Tally::add_answer(std::uint32_t truth, std::uint32_t answer, std::span<const LabelTarget> wanted, int sign) {
  const auto one = static_cast<std::uint64_t>(static_cast<std::int64_t>(sign));
  const bool right = truth == answer;
  units += one;
  answered += one;
  if (!right) errors += one;
  for (std::size_t t = 0; t < wanted.size(); ++t) {
    const bool counts = (wanted[t].kind == LabelTarget::Kind::kRecall ? truth : answer) == wanted[t].label;
    if (!counts) continue;
    targets[t].n += one;
    targets[t].n_local += one;
    if (right) targets[t].hits += one;
    if (right) targets[t].hits_local += one;
  }
}

void Tally::add_escalation(std::uint32_t truth, bool large_wrong, std::span<const LabelTarget> wanted, int sign) {
  const auto one = static_cast<std::uint64_t>(static_cast<std::int64_t>(sign));
  units += one;
  if (large_wrong) escalated_errors += one;
  for (std::size_t t = 0; t < wanted.size(); ++t) {
    if (wanted[t].kind != LabelTarget::Kind::kRecall || truth != wanted[t].label) continue;
    targets[t].n += one;
    targets[t].hits += one;
  }
}

double log_p_accuracy(const Tally& tally, const Criteria& criteria) {
  const std::uint64_t n = criteria.risk_all ? tally.units : tally.answered;
  const std::uint64_t k = tally.errors + (criteria.risk_all ? tally.escalated_errors : 0);
  return tally.answered == 0 ? 0 : log_binomial_lower_tail(k, n, criteria.alpha);
}

double log_p_target(const Tally::Target& counts, const LabelTarget& target) {
  return counts.n == 0 ? 0 : log_binomial_lower_tail(counts.n - counts.hits, counts.n, 1 - target.target);
}

double log_p_value(const Tally& tally, const Criteria& criteria) {
  double largest = log_p_accuracy(tally, criteria);
  for (std::size_t t = 0; t < criteria.targets.size(); ++t) {
    largest = std::max(largest, log_p_target(tally.targets[t], criteria.targets[t]));
  }
  return largest;
}

double log_p_predicted(const Tally& tally, const Criteria& criteria) {
  if (tally.answered == 0 || tally.units == 0) return 0;
  const double scale = static_cast<double>(criteria.units_certify) / static_cast<double>(tally.units);
  const auto tail = [&](std::uint64_t k, std::uint64_t n, double alpha) {
    return n == 0 ? 0.0
                  : log_binomial_lower_tail_real(static_cast<double>(k) * scale, static_cast<double>(n) * scale, alpha);
  };
  const std::uint64_t k = tally.errors + (criteria.risk_all ? tally.escalated_errors : 0);
  double largest = tail(k, criteria.risk_all ? tally.units : tally.answered, criteria.alpha);
  for (std::size_t t = 0; t < criteria.targets.size(); ++t) {
    const Tally::Target& counts = tally.targets[t];
    largest = std::max(largest, tail(counts.n - counts.hits, counts.n, 1 - criteria.targets[t].target));
  }
  return largest;
}

bool cheaper(const Candidate& a, const Candidate& b) {
  return std::tie(a.usd_per_million, a.seconds_per_row) < std::tie(b.usd_per_million, b.seconds_per_row);
}

bool cheaper_by_a_step(const Candidate& a, const Candidate& b, bool time_counts) {
  if (a.usd_per_million == b.usd_per_million) return a.seconds_per_row < b.seconds_per_row;
  return a.usd_per_million < (1 - kCostStep) * b.usd_per_million ||
         (time_counts && a.usd_per_million < b.usd_per_million &&
          a.seconds_per_row < (1 - kTimeStep) * b.seconds_per_row);
}

std::vector<std::size_t> fixed_sequence(std::span<const Candidate> candidates, bool time_counts) {
  std::vector<std::size_t> order(candidates.size()), walk;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    if (candidates[a].log_p != candidates[b].log_p) return candidates[a].log_p < candidates[b].log_p;
    return cheaper(candidates[a], candidates[b]);
  });
  for (const std::size_t i : order) {
    if (walk.empty() || cheaper_by_a_step(candidates[i], candidates[walk.back()], time_counts)) walk.push_back(i);
  }
  return walk;
}

CandidateSet make_candidates(const TuneRows& rows, const Criteria& criteria, const LadderCost& cost,
                             const CandidateOptions& options, ThreadPool* pool) {
  const ScoredRows& scored = rows.scored;
  SMIDGEN_CHECK(scored.size() > 0 && scored.rungs >= 1 && scored.rungs <= kLadderRungsMax);
  SMIDGEN_CHECK(cost.usd_per_row.size() == scored.rungs && cost.seconds_per_row.size() == scored.rungs);
  SMIDGEN_CHECK(cost.climbs.empty() || cost.climbs.size() == scored.rungs);
  Context context{rows, criteria, cost, options, {}, {}, coverage_grid()};
  if (scored.units.empty()) {
    context.unit_rows.resize(scored.size());
    std::iota(context.unit_rows.begin(), context.unit_rows.end(), 0u);
  } else {
    context.unit_rows = one_row_per_unit(scored.units, options.seed);
  }
  CandidateSet set;
  const std::uint32_t subsets = 1u << scored.rungs;
  set.calibrations.resize(subsets);
  context.votes.resize(subsets);
  for (std::uint32_t subset = 1; subset < subsets; ++subset) {
    set.calibrations[subset] = calibrate(scored, rungs_of(subset), options.calibration, pool);
    context.votes[subset] = make_votes(scored, rungs_of(subset), set.calibrations[subset], context.unit_rows);
  }
  std::vector<Draft> drafts;
  for (std::uint32_t subset = 1; subset < subsets; ++subset) draft_subset(context, subset, drafts);
  std::vector<Candidate> optimal;
  for (Draft& draft : pareto(drafts, !criteria.targets.empty())) {
    Candidate candidate = std::move(draft.facts);
    for (std::size_t j = 0; j < candidate.rungs.size(); ++j) {
      candidate.policy.stages.push_back(set.calibrations[prefix(candidate.rungs, j)].stage);
      candidate.policy.stages.back().threshold = draft.thresholds[j].runs;
    }
    optimal.push_back(std::move(candidate));
  }
  set.candidates = thin(std::move(optimal), options.candidates_max, !cost.climbs.empty());
  set.unit_rows = std::move(context.unit_rows);
  return set;
}

}  // namespace smidgen
