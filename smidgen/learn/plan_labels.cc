#include "smidgen/learn/plan_labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <unordered_set>
#include <utility>

#include "smidgen/base/random.h"
#include "smidgen/learn/label_plan.h"
#include "smidgen/learn/split.h"
#include "smidgen/text/column_names.h"

namespace smidgen {

namespace {

constexpr std::size_t kCurveFolds = 5, kCurveSizes = 6, kRepeatsMax = 5;
constexpr double kCurveRowsWanted = 1500;  // judged: rows times repeats
constexpr std::size_t kLabelBytesShown = 40;

// The share of all units that is kept for random rows: hashes below this, of 64 bits.
constexpr std::uint64_t kReserveBelow = std::uint64_t{1} << 62;
constexpr char kReserveSalt[] = "smidgen-plan-1";

using Rows = std::vector<std::uint32_t>;

std::uint64_t reserve_hash(std::string_view unit) {
  return unit_hash(kReserveSalt, "random", unit);
}

// Texts that may be labelled: the first of each unit, without units that are labelled already and without empty ones.
// Those of the reserve, in the order of their hash, may be drawn at random; only the others may be chosen. Which is
// which hangs on the unit alone, so what was chosen in earlier rounds, and why, has no part in who is random.
struct OpenRows {
  Rows reserve, others;
  std::size_t count() const { return reserve.size() + others.size(); }
};
OpenRows open_rows(const Dataset* labelled, std::span<const std::string> texts) {
  std::unordered_set<std::string> seen;
  if (labelled != nullptr)
    for (const std::string& text : labelled->texts) seen.insert(unit_key(text));
  OpenRows open;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> reserve;
  for (std::uint32_t row = 0; row < texts.size(); ++row) {
    if (trim_ascii(texts[row]).empty()) continue;
    std::string key = unit_key(texts[row]);
    const std::uint64_t hash = reserve_hash(key);
    if (!seen.insert(std::move(key)).second) continue;
    if (hash < kReserveBelow)
      reserve.emplace_back(hash, row);
    else
      open.others.push_back(row);
  }
  std::sort(reserve.begin(), reserve.end());
  for (const auto& [hash, row] : reserve) open.reserve.push_back(row);
  return open;
}

// Chosen rows of another hand among the texts kept for random rows: those left are the ones it did not want.
void warn_of_chosen_reserve(const Dataset* labelled, LabelPlan& plan) {
  if (labelled == nullptr) return;
  std::size_t rows = 0;
  for (std::size_t row = 0; row < labelled->chosen.size(); ++row)
    if (labelled->chosen[row] != 0 && reserve_hash(unit_key(labelled->texts[row])) < kReserveBelow) ++rows;
  if (rows > 0)
    plan.notes.push_back(fmt::format(
        "{} labelled rows sampled as \"chosen\" were not chosen by this `plan`, but among the texts it keeps "
        "for random rows: certify on a file of its own (--test), since the random rows lack them.",
        rows));
}

Result<EmbeddingMatrix> embed(const Encoder& encoder, const std::vector<std::string_view>& texts, ThreadPool& pool,
                              const Watcher& watcher) {
  EmbeddingMatrix none;
  none.dimensions = encoder.dimensions();
  return texts.empty() ? Result<EmbeddingMatrix>(std::move(none)) : embed_all(encoder, texts, pool, watcher);
}

// "a 0.41, b 0.38": the two likeliest labels.
std::string two_likeliest(std::span<const float> probabilities, const std::vector<std::string>& names) {
  std::vector<std::uint32_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0U);
  std::partial_sort(order.begin(), order.begin() + 2, order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return probabilities[a] != probabilities[b] ? probabilities[a] > probabilities[b] : a < b;
  });
  const auto shown = [&](std::uint32_t label) {
    std::string name = names[label].substr(0, kLabelBytesShown);
    while (!name.empty() && name.size() < names[label].size() &&
           (static_cast<unsigned char>(names[label][name.size()]) & 0xC0) == 0x80)
      name.pop_back();  // not in the middle of a character
    return fmt::format("{} {:.2f}", name, probabilities[label]);
  };
  return "unsure: " + shown(order[0]) + ", " + shown(order[1]);
}

// Everything plan_labels knows on its way.
struct Story {
  const Dataset* labelled;  // those to learn from
  std::span<const std::string> texts;
  const PlanRequest& request;
  ThreadPool& pool;
  const Watcher& watcher;
  EmbeddingMatrix known, open;   // of the labelled rows, and of `candidates`
  Rows candidates;               // rows of `texts`
  std::size_t units_random = 0;  // of all that are labelled, those that may certify
};

struct Head {
  HeadTrainer trainer;
  HeadFit fit;
};
Result<Head> fit_head(const Story& story) {
  const Dataset& data = *story.labelled;
  SMIDGEN_ASSIGN(HeadTrainer trainer, HeadTrainer::create(story.known.values, story.known.dimensions, data.labels,
                                                          data.label_names.size(), story.pool));
  Rows all(data.size());
  std::iota(all.begin(), all.end(), 0U);
  const std::vector<std::uint8_t> folds = assign_folds(data, all, kCurveFolds, story.request.seed);
  const Rows fold_of(folds.begin(), folds.end());
  const FitTargets targets{data.soft, {}};
  HeadOptions options;
  options.targets = &targets;
  SMIDGEN_ASSIGN(const HeadSearch search,
                 trainer.cross_validate(all, fold_of, kCurveFolds, default_head_c_grid(), story.watcher, &targets));
  SMIDGEN_ASSIGN(HeadFit fit, trainer.fit(all, search.c, story.watcher, nullptr, options));
  return Head{std::move(trainer), std::move(fit)};
}

// The chosen rows, best first.
std::vector<PlannedRow> choose(const Story& story, const std::optional<Head>& head, std::size_t count, bool typical) {
  const EmbeddingMatrix& open = story.open;
  std::vector<PlannedRow> rows;
  if (open.rows == 0) return rows;
  if (typical) {
    for (const TypicalRow& one : typical_rows(open, story.known, count, story.request.seed, story.pool, story.watcher))
      rows.push_back(
          {story.candidates[one.row], true,
           one.cluster_rows == 1 ? "unlike any other row" : fmt::format("typical of {} rows", one.cluster_rows)});
    return rows;
  }
  const std::size_t labels = story.labelled->label_names.size();
  std::vector<float> probabilities(open.rows * labels);
  story.pool.parallel_for(open.rows, [&](std::size_t row, std::size_t) {
    const std::span<float> out = std::span(probabilities).subspan(row * labels, labels);
    head->fit.head.log_probabilities(open.row(row), out);
    for (float& p : out) p = std::exp(p);
  });
  for (const std::uint32_t row :
       uncertain_rows(open, probabilities, labels, count, story.request.seed, story.pool, story.watcher))
    rows.push_back(
        {story.candidates[row], true,
         two_likeliest(std::span(probabilities).subspan(row * labels, labels), story.labelled->label_names)});
  return rows;
}

// Random rows spread evenly, so that whoever stops half way has labelled a share of them.
std::vector<PlannedRow> interleave(std::vector<PlannedRow> chosen, std::vector<PlannedRow> random) {
  std::vector<PlannedRow> rows;
  const double every =
      static_cast<double>(chosen.size() + random.size()) / static_cast<double>(std::max<std::size_t>(1, random.size()));
  std::size_t c = 0, r = 0;
  while (c < chosen.size() || r < random.size()) {
    const bool due =
        r < random.size() && static_cast<double>(rows.size() + 1) >= every * static_cast<double>(r + 1) - 1e-9;
    if (due || c == chosen.size())
      rows.push_back(std::move(random[r++]));
    else
      rows.push_back(std::move(chosen[c++]));
  }
  return rows;
}

// By unit: whether `pick` with its defaults may certify on it, now or when labels were added: people's, where there are
// some, and none that was chosen.
std::vector<bool> units_that_may_certify(const Dataset& labelled) {
  const std::vector<bool> chosen = chosen_units(labelled);
  const LabelSources sources = label_sources(labelled);
  std::vector<bool> may(labelled.unit_keys.size());
  for (std::uint32_t row = 0; row < labelled.size(); ++row)
    if (sources.human_rows.empty() || sources.model_rows == 0 ||
        labelled.source_names[labelled.sources[row]] == kHumanSource)
      may[labelled.units[row]] = !chosen[labelled.units[row]];
  return may;
}

// All that the plan may learn from, since what it chooses is trained on: not the units that `pick` certifies on, nor
// those of labels that are too rare for it today. Which these are their hash says, whatever their labels; as rows are
// added fewer are. Where there are too few rows to split, the chosen ones remain.
Result<Rows> rows_to_learn_from(const Dataset& labelled, std::uint64_t seed) {
  const auto split = make_split(labelled, {.seed = seed});
  if (!split.ok() && split.error().kind() != ErrorKind::kBadData) return split.error();
  const std::vector<bool> may_certify = units_that_may_certify(labelled), chosen = chosen_units(labelled);
  Rows rows;
  for (std::uint32_t row = 0; row < labelled.size(); ++row) {
    const std::uint32_t unit = labelled.units[row];
    const bool out =
        split.ok() ? may_certify[unit] && below_certify_share(labelled.unit_keys[unit], split->shares) : !chosen[unit];
    if (!out) rows.push_back(row);
  }
  return rows;
}

// How many of the rows asked for are to be random ones.
std::size_t random_wanted(const PlanRequest& request, const LabelPlan& plan) {
  const std::size_t wanted = std::min(request.rows, plan.open);
  const double share = request.random_share * static_cast<double>(wanted);
  return std::min(wanted, std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(share))));
}

// More than asked for where too few others are left.
std::vector<PlannedRow> random_of(const OpenRows& from, const PlanRequest& request, LabelPlan& plan) {
  const std::size_t rows_wanted = std::min(request.rows, plan.open), wanted = random_wanted(request, plan);
  const std::size_t found =
      std::min(from.reserve.size(), std::max(wanted, rows_wanted - std::min(rows_wanted, from.others.size())));
  if (found < wanted)
    plan.notes.push_back(
        fmt::format("Only {} of {} random rows: a fixed quarter of the texts is kept for them, and no more of it is "
                    "unlabelled; more unlabelled texts bring more.",
                    found, wanted));
  std::vector<PlannedRow> rows;
  for (std::size_t i = 0; i < found; ++i) rows.push_back({from.reserve[i], false, "random"});
  return rows;
}

// The candidates in random order, so that the seed decides what is looked at, and no more of them than allowed.
void look_at_some(Story& story, LabelPlan& plan) {
  Random random(story.request.seed);
  random.shuffle(std::span(story.candidates));
  if (story.candidates.size() <= story.request.pool_max) return;
  plan.notes.push_back(fmt::format("Of {} texts that may be chosen {} were looked at, drawn at random.",
                                   story.candidates.size(), story.request.pool_max));
  story.candidates.resize(story.request.pool_max);
}

Status estimate(const Story& story, const std::optional<Head>& head, LabelPlan& plan) {
  const Dataset& data = *story.labelled;
  const std::size_t chosen = static_cast<std::size_t>(std::count(data.chosen.begin(), data.chosen.end(), 1));
  if (!head || data.size() - chosen < kRowsMinToEstimate) {
    plan.notes.push_back(fmt::format(
        "No estimate: it takes {} labelled rows drawn at random that `pick` would not certify on, and there "
        "are {}.",
        kRowsMinToEstimate, data.size() - chosen));
    return Ok{};
  }
  SMIDGEN_ASSIGN(const CurvePoints points,
                 measure_curve(head->trainer, data, head->fit.c, story.request.seed, story.watcher));
  // Of all random units a share certifies and is not learned from; it falls as they become more.
  const auto random = static_cast<std::size_t>(
      std::count_if(plan.rows.begin(), plan.rows.end(), [](const PlannedRow& row) { return !row.chosen; }));
  const auto learned = [](std::size_t units) {
    return (1 - default_split_shares(units).certify) * static_cast<double>(units);
  };
  const double now = static_cast<double>(data.size());
  const double more = static_cast<double>(plan.rows.size() - random) + learned(story.units_random + random) -
                      learned(story.units_random);
  const double ask[] = {now, now + std::floor(more + 1e-9)};
  ForecastOptions options;
  options.target = story.request.accuracy;
  options.seed = story.request.seed;
  const std::vector<CurveForecast> found = forecast(points, ask, options);
  plan.now = found[0];
  plan.then = found[1];
  return Ok{};
}

}  // namespace

Result<CurvePoints> measure_curve(const HeadTrainer& heads, const Dataset& data, double c, std::uint64_t seed,
                                  const Watcher& watcher) {
  Rows judged;
  for (std::uint32_t row = 0; row < data.size(); ++row)
    if (data.chosen.empty() || data.chosen[row] == 0) judged.push_back(row);
  const FitTargets targets{data.soft, {}};
  HeadOptions options;
  options.targets = &targets;
  CurvePoints points;
  points.rows = judged.size();
  points.repeats = std::clamp<std::size_t>(
      static_cast<std::size_t>(kCurveRowsWanted / static_cast<double>(std::max<std::size_t>(1, judged.size()))), 1,
      kRepeatsMax);
  const double largest = static_cast<double>(data.size()) * (kCurveFolds - 1) / kCurveFolds;
  for (std::size_t s = 0; s < kCurveSizes; ++s)
    points.sizes.push_back(std::floor(largest * std::pow(2, -0.5 * static_cast<double>(kCurveSizes - 1 - s))));
  points.right.assign(kCurveSizes, std::vector<float>(points.rows * points.repeats));
  points.confidence = points.right;
  Rows all(data.size());
  std::iota(all.begin(), all.end(), 0U);
  const std::size_t labels = data.label_names.size(), rounds = points.repeats * kCurveFolds;
  std::vector<float> scores;
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t repeat = round / kCurveFolds, fold = round % kCurveFolds;
    const std::vector<std::uint8_t> folds = assign_folds(data, all, kCurveFolds, seed + repeat);
    Rows on, off, place;
    for (const std::uint32_t row : all)
      if (folds[row] != fold) on.push_back(row);
    for (std::uint32_t i = 0; i < judged.size(); ++i)
      if (folds[judged[i]] == fold) off.push_back(judged[i]), place.push_back(i);
    Random random(seed * 1000 + round);
    random.shuffle(std::span(on));
    for (std::size_t s = 0; s < kCurveSizes && !off.empty(); ++s) {
      const std::size_t size = std::min(on.size(), static_cast<std::size_t>(points.sizes[s]));
      SMIDGEN_ASSIGN(const HeadFit fit, heads.fit(std::span(on).first(size), c, watcher, nullptr, options));
      scores.resize(off.size() * labels);
      heads.score(fit, off, scores);
      for (std::size_t i = 0; i < off.size(); ++i) {
        const auto first = scores.begin() + static_cast<std::ptrdiff_t>(i * labels);
        const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(labels));
        const std::size_t at = place[i] * points.repeats + repeat;
        points.right[s][at] = static_cast<std::uint32_t>(best - first) == data.labels[off[i]] ? 1 : 0;
        points.confidence[s][at] = std::exp(*best);
      }
    }
    watcher.report("learning curve", static_cast<double>(round + 1) / static_cast<double>(rounds));
  }
  return points;
}

Result<LabelPlan> plan_labels(const Dataset* labelled, std::span<const std::string> texts, const Encoder& encoder,
                              const PlanRequest& request, ThreadPool& pool, const Watcher& watcher) {
  LabelPlan plan;
  OpenRows from = open_rows(labelled, texts);
  plan.open = from.count();
  plan.labelled = labelled != nullptr ? labelled->size() : 0;
  if (plan.open == 0)
    return Error::bad_data("no text that is not labelled already").hint("give a file of rows without labels");
  warn_of_chosen_reserve(labelled, plan);
  std::vector<PlannedRow> random_rows = random_of(from, request, plan);
  std::optional<Dataset> learned;
  if (labelled != nullptr) {
    SMIDGEN_ASSIGN(const Rows rows, rows_to_learn_from(*labelled, request.seed));
    learned = select_rows(*labelled, rows);
  }
  Story story{learned ? &*learned : nullptr, texts, request, pool, watcher, {}, {}, std::move(from.others)};
  if (labelled != nullptr) {
    const std::vector<bool> may = units_that_may_certify(*labelled);
    story.units_random = static_cast<std::size_t>(std::count(may.begin(), may.end(), true));
  }
  look_at_some(story, plan);
  std::vector<std::string_view> open_texts, known_texts;
  for (const std::uint32_t row : story.candidates) open_texts.emplace_back(texts[row]);
  if (learned) known_texts.assign(learned->texts.begin(), learned->texts.end());
  SMIDGEN_ASSIGN(story.open, embed(encoder, open_texts, pool, watcher));
  SMIDGEN_ASSIGN(story.known, embed(encoder, known_texts, pool, watcher));
  std::optional<Head> head;
  if (learned && std::set(learned->units.begin(), learned->units.end()).size() >= kCurveFolds) {
    SMIDGEN_ASSIGN(head, fit_head(story));
  }
  const bool typical = !head || static_cast<double>(learned->size()) <
                                    kRowsPerLabelToTrust * static_cast<double>(learned->label_names.size());
  plan.method = typical ? "typical" : "uncertain";
  watcher.report("choosing rows", 0);
  const std::size_t wanted = std::min(request.rows, plan.open);
  const std::size_t to_choose = wanted - std::min(wanted, random_wanted(request, plan));
  plan.rows = interleave(choose(story, head, to_choose, typical), std::move(random_rows));
  if (watcher.stop_requested()) return Error::cancelled();
  if (learned) SMIDGEN_TRY(estimate(story, head, plan));
  return plan;
}

}  // namespace smidgen
