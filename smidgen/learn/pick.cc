#include "smidgen/learn/pick.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "smidgen/base/clock.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/sha256.h"
#include "smidgen/base/version.h"
#include "smidgen/base/work_folder.h"
#include "smidgen/learn/attempts.h"
#include "smidgen/learn/certify.h"
#include "smidgen/learn/certify_set.h"
#include "smidgen/learn/pick_findings.h"
#include "smidgen/learn/pick_measure.h"
#include "smidgen/learn/prices.h"
#include "smidgen/learn/refusal.h"
#include "smidgen/learn/split.h"
#include "smidgen/learn/training_rows.h"
#include "smidgen/learn/write_rungs.h"
#include "smidgen/model/classifier.h"
#include "smidgen/model/encoder_rung.h"
#include "smidgen/text/column_names.h"
#include "smidgen/text/spelling.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPeopleUnitsToJudge = 200;
constexpr std::size_t kTimedRowsMax = 400;
constexpr double kTimingSecondsMax = 3;
constexpr double kReservedSeconds = 15;  // of --minutes-max: for measuring, planning and certifying

using Rows = std::vector<std::uint32_t>;

// "card, loan and 75 more"
std::string some_names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  const std::size_t shown = std::min(kShown, names.size());
  std::string words;
  for (std::size_t i = 0; i < shown; ++i) words += (i == 0 ? "" : ", ") + names[i];
  if (shown < names.size()) words += fmt::format(" and {} more", names.size() - shown);
  return words;
}

std::string unit_in_words(const Dataset& data, const PickRequest& request) {
  std::string words = data.grouped ? "value of column `" + request.group_column + "`" : "distinct text";
  if (!data.times.empty() && request.test == nullptr) words += ", the newest by column `" + request.time_column + "`";
  return words;
}

void describe(const Dataset& data, const PickRequest& request, const PickServices& services, ThreadPool& pool,
              PickReport& report) {
  report.data = report_on(data);
  report.data_path = data.path;
  report.data_sha256 = data.sha256;
  report.seed = request.ladder.seed;
  report.threads = pool.threads();
  report.machine = services.machine;
  report.version = kVersion;
  report.unit = unit_in_words(data, request);
  report.accuracy_target = request.accuracy;
  report.confidence = request.confidence;
  report.risk = request.risk_all ? "all" : "selective";
  const LabelSources sources = label_sources(request.test != nullptr ? *request.test : data);
  if (!sources.human_rows.empty()) return;
  report.labels_from = sources.models;
  report.notes.push_back(
      fmt::format("All labels that certify are from {0}: every accuracy here is agreement with {0}, not with people.",
                  sources.models));
}

// What was found out about labels of models, in terms of the file.
void report_labels(const Dataset& data, const Ladder& ladder, const TrainingRows& training, PickReport& report) {
  report.label_treatment = ladder.labels;
  if (!ladder.labels) return;
  for (const LabelDoubt& doubt : ladder.labels->doubts)
    report.label_doubts.push_back({training.lines[doubt.row],
                                   {},
                                   data.label_names[doubt.label],
                                   data.label_names[doubt.likelier],
                                   static_cast<double>(doubt.p_likelier),
                                   static_cast<double>(doubt.p_label)});
}

void describe_split(const Dataset& data, const Split& split, const CertifySet& certify, const PickRequest& request,
                    PickReport& report) {
  report.rows_fit = split.fit.size();
  report.rows_tune = split.tune.size();
  report.rows_certify = certify.texts.size();
  report.units_fit = split.units_fit;
  report.units_tune = split.units_tune;
  report.units_certify = certify.texts.size();
  report.split_salt = certify.salt;
  report.certify_path = request.test != nullptr ? request.test->path : "";
  report.rows_unused = request.test != nullptr ? request.test->size() - certify.texts.size() : split.rows_unused;
  if (request.test == nullptr)  // with an own file the rare labels are certified on there
    for (const std::uint32_t label : split.labels_too_few) report.labels_too_few.push_back(data.label_names[label]);
  if (split.units_chosen > 0)
    report.notes.push_back(
        fmt::format("{} of {} units were chosen by `plan`: they are fitted on, never certified on, and the shares are "
                    "of the others.",
                    with_commas(split.units_chosen), with_commas(data.unit_keys.size())));
  if (!split.labels_not_learned.empty()) {
    std::vector<std::string> names;
    for (const std::uint32_t label : split.labels_not_learned) names.push_back(data.label_names[label]);
    report.notes.push_back("No row to learn from: " + some_names(names) +
                           ". What units that certify hold beside the row that counts is not trained on.");
  }
}

// What an escalated row costs, and how that was worked out. The price decides which candidate is cheaper, so the rows
// that certify have no say in it.
Status price(const Dataset& data, const Split& split, const PickRequest& request, PickReport& report) {
  PickCost& cost = report.cost;
  cost.usd_per_core_hour = request.usd_per_core_hour;
  double text_tokens = 0, label_tokens = 0;
  for (const Rows* rows : {&split.fit, &split.tune})
    for (const std::uint32_t row : *rows) text_tokens += tokens_of(data.texts[row]);
  for (const std::string& label : data.label_names) label_tokens += tokens_of(label);
  const RequestTokens tokens = request_tokens(text_tokens / static_cast<double>(split.fit.size() + split.tune.size()),
                                              label_tokens, data.label_names.size());
  cost.tokens_in_per_row = tokens.in;
  cost.tokens_out_per_row = tokens.out;
  if (request.large_usd_per_row) {
    cost.large_model = "--large-usd-per-1k-rows";
    cost.large_usd_per_row = *request.large_usd_per_row;
  } else {
    SMIDGEN_ASSIGN(const LargeModelPrice list, find_price(request.large_model, request.prices_text));
    cost.large_model = list.model;
    cost.price_date = list.date;
    cost.large_usd_per_row = usd_per_row(list, tokens);
  }
  if (!(cost.large_usd_per_row > 0))
    return Error::usage("the large model's price a row must be above 0")
        .hint(
            "with a free large model the cheapest policy answers nothing; state a price with --large-usd-per-1k-rows");
  cost.large_usd_per_million = cost.large_usd_per_row * 1e6;
  return Ok{};
}

Result<std::vector<LabelTarget>> label_targets(const Dataset& data, const PickRequest& request) {
  std::vector<LabelTarget> targets;
  for (const NamedTarget& named : request.targets) {
    const auto at = std::find(data.label_names.begin(), data.label_names.end(), named.label);
    if (at == data.label_names.end()) {
      const std::string_view near = nearest_name(named.label, data.label_names);
      return Error::usage("no label \"" + named.label + "\" in the data")
          .hint((near.empty() ? "" : "did you mean \"" + std::string(near) + "\"? ") + "the labels are " +
                some_names(data.label_names));
    }
    targets.push_back({named.recall ? LabelTarget::Kind::kRecall : LabelTarget::Kind::kPrecision,
                       static_cast<std::uint32_t>(at - data.label_names.begin()), named.value});
  }
  return targets;
}

Result<CertificationOptions> certification_options(const Dataset& data, const CertifySet& certify,
                                                   const PickRequest& request) {
  CertificationOptions options;
  options.accuracy = request.accuracy;
  options.confidence = request.confidence;
  options.risk_all = request.risk_all;
  SMIDGEN_ASSIGN(options.targets, label_targets(data, request));
  options.coverage_min = request.coverage_min;
  options.units_certify = certify.texts.size();
  options.test_file = request.test != nullptr;
  options.label_names = data.label_names;
  const LabelSources sources = label_sources(request.test != nullptr ? *request.test : data);
  if (sources.human_rows.empty()) options.labels_from = sources.models;
  options.people_only = !sources.human_rows.empty() && sources.model_rows > 0;
  options.unit = unit_in_words(data, request);
  for (std::size_t label = 0; label < data.label_names.size(); ++label)
    if (certify.label_units[label] == 0) options.not_claimed.push_back(data.label_names[label]);
  options.candidates.seed = request.ladder.seed;
  options.candidates.calibration.seed = request.ladder.seed;
  return options;
}

// A bundle that runs the given rungs of the ladder and answers everything at the last one.
Status save_rungs(const std::string& folder, const Dataset& data, const std::vector<TrainedRung>& ladder,
                  const std::vector<std::size_t>& chosen, std::shared_ptr<const Speller> speller = nullptr) {
  std::vector<NamedRung> rungs;
  Precision precision = Precision::kF32;
  for (const std::size_t index : chosen) {
    rungs.push_back({ladder[index].name, ladder[index].rung.get()});
    if (ladder[index].rung->kind() == RungKind::kEncoder) precision = ladder[index].precision;
  }
  return write_rungs(folder, true, data.label_names, precision, rungs, answer_at_the_end(rungs.size()), std::nullopt,
                     "Intermediate bundle of a pick.\n", std::move(speller));
}

// Rows that were fitted on have no word that a speller does not know; new rows have about as many as these have words
// that stand in all of them once (Good, "The population frequencies of species", 1953). Those get two letters swapped,
// so that what repairs take is in the time.
void hide_rare_words(const TrainingRows& training, std::vector<std::string>& texts) {
  std::unordered_map<std::uint64_t, std::size_t> count;
  const auto hash_of = [](std::string_view text, std::size_t begin, std::size_t end) {
    return spelling_hash(text.substr(begin, end - begin));
  };
  for (const std::string& text : training.texts)
    for_each_letter_run(text, [&](std::size_t begin, std::size_t end) { ++count[hash_of(text, begin, end)]; });
  for (std::string& text : texts)
    for_each_letter_run(text, [&](std::size_t begin, std::size_t end) {
      if (end - begin >= 4 && count[hash_of(text, begin, end)] == 1) std::swap(text[begin + 1], text[begin + 2]);
    });
}

// At most kTimedRowsMax of them, evenly.
template <class Text>
std::vector<Text> some_texts(const std::vector<Text>& texts) {
  const std::size_t step = (texts.size() + kTimedRowsMax - 1) / kTimedRowsMax;
  std::vector<Text> some;
  for (std::size_t at = 0; at < texts.size(); at += step) some.push_back(texts[at]);
  return some;
}

// Of a rung alone, which does the same for every row: rows it was fitted on will do.
std::vector<std::string> rung_texts(const TrainingRows& training, bool speller) {
  std::vector<std::string> texts = some_texts(training.texts);
  if (speller) hide_rare_words(training, texts);
  return texts;
}

// Texts that a cost is measured on: here, and in a process of its own from the file.
struct TimedTexts {
  std::vector<std::string_view> texts;
  std::string jsonl;
};

Result<TimedTexts> timed_texts(const WorkFolder& work, const std::string& name, std::vector<std::string_view> texts) {
  std::string lines;
  for (const std::string_view text : texts) {
    lines += "{\"text\":";
    append_json_string(lines, text);
    lines += "}\n";
  }
  const std::string path = work.file(name);
  SMIDGEN_TRY(write_file_atomic(path, lines));
  return TimedTexts{std::move(texts), path};
}

Result<double> memory_of(const std::string& bundle, const std::string& jsonl, const PickServices& services,
                         const Watcher& watcher) {
  auto megabytes = services.run_memory_mb(bundle, jsonl);
  if (!megabytes.ok() && watcher.stop_requested()) return Error::cancelled();  // Ctrl-C reached the child as well
  return megabytes;
}

// Time, size and memory of a bundle that was just written to `folder`, which is removed.
Result<BundleCost> measure_bundle(const std::string& folder, const RowTiming& timing, const TimedTexts& timed,
                                  const PickServices& services, const Watcher& watcher) {
  BundleCost cost{timing, 0, 0};
  SMIDGEN_ASSIGN(cost.bytes, folder_bytes(folder));
  SMIDGEN_ASSIGN(cost.memory_mb, memory_of(folder, timed.jsonl, services, watcher));
  std::error_code code;
  fs::remove_all(folder, code);
  return cost;
}

// a + b - c, not below a
double more_by(double a, double b, double c) {
  return a + std::max(0.0, b - c);
}

// Of each rung, as its own bundle on disk gives them. What the speller takes the first of them shows, with it and
// without: it is the same before all, and beside an encoder nobody would see it.
Result<std::vector<RungCost>> measure_rungs(const Dataset& data, const Ladder& ladder, const WorkFolder& work,
                                            const TimedTexts& timed, const PickServices& services,
                                            const Watcher& watcher) {
  std::vector<RungCost> costs;
  for (std::size_t index = 0; index < ladder.rungs.size(); ++index) {
    const TrainedRung& trained = ladder.rungs[index];
    watcher.report("measuring " + trained.name, static_cast<double>(index) / static_cast<double>(ladder.rungs.size()));
    if (watcher.stop_requested()) return Error::cancelled();
    const std::string folder = work.file(trained.name);
    RungCost cost;
    cost.train_seconds = trained.train_seconds;
    SMIDGEN_TRY(save_rungs(folder, data, ladder.rungs, {index}));
    SMIDGEN_ASSIGN(cost.behind, measure_bundle(folder, time_rung(*trained.rung, timed.texts, kTimingSecondsMax), timed,
                                               services, watcher));
    cost.alone = cost.behind;
    if (ladder.speller && costs.empty()) {
      SMIDGEN_TRY(save_rungs(folder, data, ladder.rungs, {index}, ladder.speller));
      RowTiming timing;
      {
        SMIDGEN_ASSIGN(const Classifier bundle, Classifier::open(folder));
        timing = time_classifier(bundle, timed.texts, kTimingSecondsMax);
      }
      SMIDGEN_ASSIGN(cost.alone, measure_bundle(folder, timing, timed, services, watcher));
    } else if (ladder.speller) {
      const auto& [with, without, seconds] = costs.front();
      RowTiming& timing = cost.alone.timing;
      timing.us_p50 = more_by(timing.us_p50, with.timing.us_p50, without.timing.us_p50);
      timing.us_p99 = more_by(timing.us_p99, with.timing.us_p99, without.timing.us_p99);
      timing.us_batched = more_by(timing.us_batched, with.timing.us_batched, without.timing.us_batched);
      cost.alone.bytes += with.bytes - without.bytes;
      cost.alone.memory_mb = more_by(cost.alone.memory_mb, with.memory_mb, without.memory_mb);
    }
    costs.push_back(cost);
  }
  return costs;
}

// Ceilings on a candidate before it is built: a row's p99 is at most the sum over the stages that 1 % of rows reach,
// memory at most the sum. Of rungs that share a climb only the last counts. The speller reads texts once.
std::function<bool(const Candidate&)> ceilings(const PickRequest& request, std::vector<RungCost> costs,
                                               LadderCost shared) {
  if (!request.latency_ms_max && !request.memory_mb_max) return {};
  return [request, costs = std::move(costs), shared = std::move(shared)](const Candidate& draft) {
    const RungCost& first = costs[draft.rungs.front()];
    double us = first.alone.timing.us_p99 - first.behind.timing.us_p99,
           megabytes = first.alone.memory_mb - first.behind.memory_mb;
    const auto reached = [&](std::size_t stage) { return stage >= draft.reach.size() || draft.reach[stage] > 0.01; };
    for (std::size_t stage = 0; stage < draft.rungs.size(); ++stage) {
      const bool goes_on =
          stage + 1 < draft.rungs.size() && share_climb(shared, draft.rungs[stage], draft.rungs[stage + 1]);
      if (reached(stage) && !(goes_on && reached(stage + 1))) us += costs[draft.rungs[stage]].behind.timing.us_p99;
      if (!goes_on) megabytes += costs[draft.rungs[stage]].behind.memory_mb;
    }
    return (!request.latency_ms_max || us <= 1000 * *request.latency_ms_max) &&
           (!request.memory_mb_max || megabytes <= *request.memory_mb_max);
  };
}

// Rows whose labels judge candidates, thresholds and calibration, their out-of-fold scores (rows, rungs, labels), and
// whether a large model is right on them, or nothing.
struct JudgedRows {
  TrainingRows rows;
  std::vector<float> scores;
  std::vector<std::uint8_t> large_correct;
};

// Where people's labels certify, a model's say little of what will pass: those of people judge alone, if there are
// enough. Nothing: all rows trained on judge.
std::optional<JudgedRows> judged_by_people(const TrainingRows& all, std::span<const float> scores,
                                           std::span<const std::uint8_t> large_correct, PickReport& report) {
  std::vector<std::uint32_t> kept;
  std::unordered_set<std::uint32_t> units;
  for (std::uint32_t row = 0; row < all.from_model.size(); ++row)
    if (all.from_model[row] == 0) {
      kept.push_back(row);
      units.insert(all.units[row]);
    }
  if (kept.size() == all.from_model.size()) return std::nullopt;
  if (units.size() < kPeopleUnitsToJudge) {
    report.notes.push_back(fmt::format(
        "Candidates were judged by all labels of the rows trained on, those of {} among them: people labelled {} units "
        "of these, and it takes {} to judge by theirs alone. Wrong labels leave more rows to the large model.",
        all.models, units.size(), kPeopleUnitsToJudge));
    return std::nullopt;
  }
  JudgedRows judged;
  judged.rows.label_count = all.label_count;
  judged.rows.label_names = all.label_names;
  const std::size_t of_row = scores.size() / all.size();
  for (const std::uint32_t row : kept) {
    judged.rows.texts.push_back(all.texts[row]);
    judged.rows.labels.push_back(all.labels[row]);
    judged.rows.units.push_back(all.units[row]);
    judged.rows.lines.push_back(all.lines[row]);
    const auto from = scores.subspan(row * of_row, of_row);
    judged.scores.insert(judged.scores.end(), from.begin(), from.end());
    if (!large_correct.empty()) judged.large_correct.push_back(large_correct[row]);
  }
  report.notes.push_back(
      fmt::format("Candidates, thresholds and calibration were judged by the {} rows trained on that people labelled.",
                  kept.size()));
  return judged;
}

// LadderCost::climbs of a rung: 1 + the ladder's first rung of its climb; 0 of one that shares its work with none.
std::uint32_t climb_of(const Ladder& ladder, std::size_t rung) {
  const auto goes_on = [&](std::size_t at) {
    return at > 0 && at < ladder.rungs.size() && ladder.rungs[at].rung->goes_on_from(*ladder.rungs[at - 1].rung);
  };
  if (!goes_on(rung) && !goes_on(rung + 1)) return 0;
  while (goes_on(rung)) --rung;
  return static_cast<std::uint32_t>(rung + 1);
}

Result<CertificationPlan> make_plan(const TrainingRows& training, const Ladder& ladder,
                                    const std::vector<float>& scores, const std::vector<std::uint8_t>& large_correct,
                                    const PickRequest& request, const std::vector<RungCost>& costs,
                                    const PickReport& report, CertificationOptions options, ThreadPool& pool) {
  double tokens = 0;
  for (const std::string& text : training.texts) tokens += tokens_of(text);
  for (std::size_t rung = 0; rung < ladder.rungs.size(); ++rung) {
    options.rung_names.push_back(ladder.rungs[rung].name);
    const Rung& trained = *ladder.rungs[rung].rung;
    const double us = ladder.rungs[rung].layers_share *
                      usual_us(trained.kind(), costs[rung].behind.bytes, tokens / static_cast<double>(training.size()));
    options.cost.seconds_per_row.push_back(us / 1e6);
    options.cost.usd_per_row.push_back(usd_per_million(us, request.usd_per_core_hour) / 1e6);
    options.cost.climbs.push_back(climb_of(ladder, rung));
  }
  if (std::count(options.cost.climbs.begin(), options.cost.climbs.end(), 0U) ==
      static_cast<std::ptrdiff_t>(ladder.rungs.size()))
    options.cost.climbs.clear();
  options.cost.large_usd_per_row = report.cost.large_usd_per_row;
  options.candidates.allowed = ceilings(request, costs, options.cost);
  TuneRows tune;
  tune.scored = {scores, training.labels, training.units, ladder.rungs.size(), training.label_count};
  tune.large_correct = large_correct;
  return CertificationPlan::make(tune, std::move(options), &pool);
}

// Scores of the certify rows through the reloaded bundle, all threads, in row order: (n, rungs, labels).
std::vector<float> score_rows(const Classifier& classifier, std::span<const std::string_view> texts, ThreadPool& pool,
                              const Watcher& watcher, PickReport& report) {
  constexpr std::size_t kChunk = 64;
  const std::size_t width = classifier.bundle().rungs.size() * classifier.bundle().info.labels.size();
  const std::size_t chunks = (texts.size() + kChunk - 1) / kChunk;
  std::vector<float> scores(texts.size() * width);
  std::vector<Classifier::Session> sessions;
  for (std::size_t worker = 0; worker < pool.threads(); ++worker) sessions.push_back(classifier.session());
  pool.parallel_for(chunks, [&](std::size_t chunk, std::size_t worker) {
    const std::size_t first = chunk * kChunk, count = std::min(kChunk, texts.size() - first);
    std::vector<float> part;
    sessions[worker].score_all(texts.subspan(first, count), part);
    std::copy(part.begin(), part.end(), scores.begin() + static_cast<std::ptrdiff_t>(first * width));
    if (worker == 0) watcher.report("scoring held-out rows", static_cast<double>(chunk) / static_cast<double>(chunks));
  });
  report.rows_cut = 0;
  for (const auto& session : sessions) report.rows_cut += session.rows_cut();
  return scores;
}

Precision policy_precision(const BundleInfo& ladder, const Candidate& candidate) {
  std::vector<BundleRung> rungs;
  for (const std::size_t rung : candidate.rungs) rungs.push_back(ladder.rungs[rung]);
  return bundle_precision(rungs, ladder.precision);
}

// Writes the policy's bundle to `folder`, with only the rungs it needs.
Status save_policy(const std::string& folder, bool replace, const Classifier& ladder, const Candidate& candidate,
                   const std::optional<Certificate>& certificate, const std::string& card) {
  const Bundle& bundle = ladder.bundle();
  std::vector<NamedRung> rungs;
  for (const std::size_t rung : candidate.rungs)
    rungs.push_back({bundle.info.rungs[rung].name, bundle.rungs[rung].get()});
  return write_rungs(folder, replace, bundle.info.labels, bundle.info.precision, rungs, candidate.policy, certificate,
                     card, bundle.info.speller);
}

// The written bundle, loaded again, must decide every certify row as it was certified to: anything else is our bug.
Status check_decisions(const Classifier& written, std::span<const std::string_view> texts,
                       std::span<const Decision> wanted) {
  auto session = written.session();
  constexpr std::size_t kChunk = 50;  // not the chunk of scoring: answers must not depend on neighbours
  for (std::size_t first = 0; first < texts.size(); first += kChunk) {
    const std::size_t count = std::min(kChunk, texts.size() - first);
    const auto answers = session.classify(texts.subspan(first, count));
    for (std::size_t i = 0; i < count; ++i) {
      const Decision& got = answers[i].decision;
      const Decision& want = wanted[first + i];
      if (got.label != want.label || got.escalated != want.escalated || got.stage != want.stage)
        return Error::internal(
            fmt::format("the written bundle decides held-out row {} differently from what was certified", first + i));
    }
  }
  return Ok{};
}

struct Story {
  const Dataset& data;
  const PickRequest& request;
  const PickServices& services;
  ThreadPool& pool;
  const Watcher& watcher;
};

// A policy as its bundle on disk gives it: reloaded, checked and measured, under a temporary name. Timed are rows that
// certify: of those it was fitted on its rungs are too sure, and too few would go on to the expensive ones.
struct Draft {
  BundleCost cost;
  std::string sha256;  // of its bundle.json
};

Result<Draft> draft_policy(const Story& story, const WorkFolder& work, const Classifier& ladder,
                           const Candidate& candidate, const CertificationOutcome& outcome,
                           std::span<const std::string_view> certify_texts, const TimedTexts& timed) {
  const std::string folder = work.file("policy");
  SMIDGEN_TRY(save_policy(folder, true, ladder, candidate, outcome.certificate, "draft\n"));
  SMIDGEN_ASSIGN(const Classifier written, Classifier::open(folder));
  SMIDGEN_TRY(check_decisions(written, certify_texts, outcome.decisions));
  Draft draft;
  draft.cost.timing = time_classifier(written, timed.texts, kTimingSecondsMax);
  SMIDGEN_ASSIGN(draft.cost.bytes, folder_bytes(folder));
  SMIDGEN_ASSIGN(draft.cost.memory_mb, memory_of(folder, timed.jsonl, story.services, story.watcher));
  draft.sha256 = written.bundle().sha256;
  return draft;
}

// Writes the policy under its final name with certificate and card.
Status write_policy(const Story& story, const Classifier& ladder, const Candidate& candidate, const Draft& draft,
                    const PickFindings& findings, Certificate certificate, PickReport& report) {
  report_policy(findings, candidate, draft.cost, report);
  report.bundle = story.request.out;
  certificate.bundle_sha256 = draft.sha256;
  certificate.precision = precision_name(policy_precision(ladder.bundle().info, candidate));
  report.certificate = certificate;
  SMIDGEN_TRY(save_policy(story.request.out, story.request.force, ladder, candidate, certificate,
                          story.services.model_card(report)));
  // bundle.json holds the hash of every other file: equal here means equal to what was loaded and checked before.
  SMIDGEN_ASSIGN(const std::string sha256, sha256_file(story.request.out + "/bundle.json"));
  if (sha256 != certificate.bundle_sha256)
    return Error::internal("the bundle is not byte for byte the one that was checked; do not use it")
        .in(story.request.out);
  return Ok{};
}

// "Measured here: linear 0.012 ms (p99) and 43 MB; encoder ...": what a ceiling that nothing keeps should have been.
std::string measured_in_words(const std::vector<std::string>& rung_names, const std::vector<RungCost>& costs,
                              bool speller) {
  std::string words;
  for (std::size_t rung = 0; rung < costs.size(); ++rung)
    words +=
        fmt::format("{}{} {:.3g} ms a row (p99) and {:.0f} MB", words.empty() ? "Measured here: " : "; ",
                    rung_names[rung], costs[rung].alone.timing.us_p99 / 1000, std::ceil(costs[rung].alone.memory_mb));
  if (speller) words += ", repairing typos included, which --typos keep leaves out";
  return words + ".";
}

bool within(const PickRequest& request, const BundleCost& cost) {
  return (!request.latency_ms_max || cost.timing.us_p99 <= 1000 * *request.latency_ms_max) &&
         (!request.memory_mb_max || cost.memory_mb <= *request.memory_mb_max);
}

// Runs at least as many rungs on at least as many rows: it would be no faster and no smaller.
bool no_lighter(const Candidate& candidate, const Candidate& than) {
  if (candidate.rungs != than.rungs) return false;
  for (std::size_t stage = 0; stage < candidate.reach.size() && stage < than.reach.size(); ++stage)
    if (candidate.reach[stage] < than.reach[stage]) return false;
  return true;
}

std::string over_ceilings(const PickRequest& request, const std::string& policy, const BundleCost& cost) {
  std::string measured, asked;
  if (request.latency_ms_max) {
    measured = fmt::format("{:.3g} ms a row (p99)", cost.timing.us_p99 / 1000);
    asked = fmt::format("{:g} ms", *request.latency_ms_max);
  }
  if (request.memory_mb_max) {
    measured += fmt::format("{}{:.0f} MB", measured.empty() ? "" : " and ", std::ceil(cost.memory_mb));
    asked += fmt::format("{}{:g} MB", asked.empty() ? "" : " and ", *request.memory_mb_max);
  }
  return fmt::format(
      "A policy that met the target, {}, takes {} as measured here; at most {} were asked, and no other "
      "policy that met the target keeps within.",
      policy, measured, asked);
}

// Holds what was chosen to the ceilings, as measured. Its rungs' own figures let it into the plan; what it takes as a
// whole is known only now. Every policy that passed is certified at once (the chance of error is spent once for the
// whole sequence), so another of them may be taken for any reason: the cheapest that keeps within. Where none does, the
// pick is refused.
Result<std::optional<Draft>> keep_to_ceilings(const Story& story, const WorkFolder& work, const Classifier& ladder,
                                              const CertificationPlan& plan, const CertifyRows& rows,
                                              const CertifySet& certify, const TimedTexts& timed,
                                              const std::vector<std::string>& rung_names,
                                              CertificationOutcome& outcome) {
  if (!outcome.chosen) return std::optional<Draft>();
  std::vector<const Candidate*> heavy;
  BundleCost first;
  for (std::size_t test = outcome.tests.size(); test-- > 0;) {  // cheapest last
    if (!outcome.tests[test].passed || !outcome.tests[test].enough_coverage) continue;
    const Candidate& candidate = plan.candidates()[outcome.tests[test].candidate];
    if (std::any_of(heavy.begin(), heavy.end(), [&](const Candidate* than) { return no_lighter(candidate, *than); }))
      continue;
    if (story.watcher.stop_requested()) return Error::cancelled();
    story.watcher.report("measuring the policy", 0);
    choose_test(plan, rows, test, outcome);
    SMIDGEN_ASSIGN(const Draft draft, draft_policy(story, work, ladder, candidate, outcome, certify.texts, timed));
    if (within(story.request, draft.cost)) return std::optional<Draft>(draft);
    if (heavy.empty()) first = draft.cost;
    heavy.push_back(&candidate);
  }
  withdraw_choice(plan, rows, over_ceilings(story.request, policy_name(*heavy.front(), rung_names), first), outcome);
  outcome.refusal->advice = {
      "Raise --latency-ms-max or --memory-mb-max, or ask for less accuracy: lighter policies may "
      "do then."};
  return std::optional<Draft>();
}

void complete(const Story& story, const CertifySet& certify, const Ladder& ladder, const PickReport& report,
              bool counted, Certificate& certificate) {
  certificate.data_sha256 = story.data.sha256;
  if (story.request.test != nullptr) certificate.test_sha256 = story.request.test->sha256;
  certificate.split_salt = certify.salt;
  certificate.version = kVersion;
  certificate.attempts = report.attempts;
  certificate.assumptions.insert(certificate.assumptions.end(), certify.reservations.begin(),
                                 certify.reservations.end());
  for (const TrainedRung& rung : ladder.rungs) {
    if (rung.rung->kind() != RungKind::kEncoder) continue;
    certificate.assumptions.push_back(
        fmt::format("it runs on a processor whose kernels are {}: those of others round otherwise, which in int8 may "
                    "change about one "
                    "answer in a hundred, in f32 hardly any",
                    static_cast<const EncoderRung&>(*rung.rung).encoder().kernels().name));
    break;
  }
  certificate.assumptions.push_back(
      counted ? "each attempt on the same rows is counted in `attempts`"
              : "earlier attempts on these rows could not be counted; `attempts` is that of this run alone");
  if (certify.salt != kDefaultSplitSalt)
    certificate.assumptions.push_back("the certified rows were drawn anew with the salt " + certify.salt +
                                      "; attempts on other draws of the same file are not in `attempts`");
}

// Counts this look at the certify rows. A count that cannot be kept is said, not hidden.
bool count_attempt(const std::string& state_folder, const CertifySet& certify, PickReport& report) {
  if (state_folder.empty()) return false;
  AttemptLog log(state_folder);
  const auto attempts = log.record(certify.split_id);
  if (attempts.ok()) {
    report.attempts = *attempts;
    if (!log.warning().empty()) report.notes.push_back(log.warning());
  } else {
    report.notes.push_back("Earlier attempts on this split could not be counted: " + attempts.error().message() + ".");
  }
  return attempts.ok() && !log.lost();
}

// The part that touches certify rows: from the fixed plan to the written bundle.
Status certify_and_write(const Story& story, const CertificationPlan& plan, const CertifySet& certify,
                         const Ladder& ladder, const TrainingRows& training, const std::vector<RungCost>& costs,
                         const WorkFolder& work, PickReport& report) {
  std::vector<std::size_t> all(ladder.rungs.size());
  for (std::size_t rung = 0; rung < all.size(); ++rung) all[rung] = rung;
  // With the speller, whatever rungs a policy keeps in the end: its rows are scored as it reads them.
  SMIDGEN_TRY(save_rungs(work.file("ladder"), story.data, ladder.rungs, all, ladder.speller));
  SMIDGEN_ASSIGN(const Classifier reloaded, Classifier::open(work.file("ladder")));
  const std::vector<float> scores = score_rows(reloaded, certify.texts, story.pool, story.watcher, report);
  const bool counted = count_attempt(story.request.state_folder, certify, report);
  const CertifyRows rows{scores, certify.labels, certify.units, certify.large_correct};
  SMIDGEN_ASSIGN(CertificationOutcome outcome, test_plan(plan, rows));
  std::vector<std::string> rung_names;
  for (const TrainedRung& rung : ladder.rungs) rung_names.push_back(rung.name);
  complete(story, certify, ladder, report, counted, outcome.certificate);
  outcome.certificate.precision = precision_name(ladder.encoder_precision());
  SMIDGEN_ASSIGN(const TimedTexts timed, timed_texts(work, "policy.jsonl", some_texts(certify.texts)));
  SMIDGEN_ASSIGN(std::optional<Draft> draft,
                 keep_to_ceilings(story, work, reloaded, plan, rows, certify, timed, rung_names, outcome));
  report.local_recalls = local_recalls(outcome.certificate);

  const PickFindings findings{
      plan, outcome, rows, training.labels, costs, rung_names, story.data.label_names, story.request.usd_per_core_hour};
  report_rungs(findings, report);
  if (outcome.refusal) report.refusal = to_refusal(*outcome.refusal);
  if (outcome.tests.empty() && (story.request.latency_ms_max || story.request.memory_mb_max))
    report.refusal->advice.push_back(measured_in_words(rung_names, costs, ladder.speller != nullptr));
  std::optional<std::size_t> written = outcome.chosen;
  if (!written && story.request.allow_uncertified && !plan.order().empty()) written = plan.order().front();
  const std::uint32_t subset = written ? subset_of(plan.candidates()[*written]) : (1U << all.size()) - 1;
  report_curves(findings, subset, report);
  report_notable_rows(findings, subset, training.lines,
                      story.request.no_texts ? std::span<const std::string>() : training.texts, report);
  report.certificate = outcome.certificate;
  if (!written) return Ok{};
  const Candidate& candidate = plan.candidates()[*written];
  if (!draft) {
    SMIDGEN_ASSIGN(draft, draft_policy(story, work, reloaded, candidate, outcome, certify.texts, timed));
  }
  report.certified = outcome.chosen.has_value();  // before the card of the bundle, which says so, is written
  return write_policy(story, reloaded, candidate, *draft, findings, outcome.certificate, report);
}

// Before any work: the library is called by programs, too, and a target of 1 would never end.
Status check_request(const PickRequest& request) {
  const auto share = [](double x) { return x > 0 && x < 1; };
  if (!share(request.accuracy)) return Error::usage("the accuracy to certify must lie between 0 and 1");
  if (!share(request.confidence)) return Error::usage("the confidence must lie between 0 and 1");
  if (!(request.coverage_min >= 0 && request.coverage_min <= 1))
    return Error::usage("the least coverage must lie between 0 and 1");
  for (const NamedTarget& target : request.targets)
    if (!share(target.value)) return Error::usage("a recall or precision target must lie between 0 and 1");
  return Ok{};
}

}  // namespace

Result<PickReport> pick(const Dataset& given, const PickRequest& request, const PickServices& services,
                        ThreadPool& pool, const Watcher& watcher) {
  const auto start = steady_now();
  PickReport report;
  SMIDGEN_TRY(check_request(request));
  SMIDGEN_TRY(check_bundle_target(request.out, request.force));
  SMIDGEN_ASSIGN(const WorkFolder work, WorkFolder::create(request.out));
  describe(given, request, services, pool, report);
  std::optional<Dataset> without;
  if (request.test != nullptr) {
    SMIDGEN_ASSIGN(without, leave_to_test(given, *request.test, report));
  }
  const Dataset& data = without ? *without : given;
  SplitOptions split_options = request.split;
  split_options.certify_elsewhere = request.test != nullptr;
  SMIDGEN_ASSIGN(const Split split, make_split(data, split_options));
  SMIDGEN_TRY(price(data, split, request, report));
  auto certify_result = request.test != nullptr ? certify_set_of_test(data, *request.test, request, report)
                                                : certify_set_of_split(data, split, request);
  SMIDGEN_ASSIGN(CertifySet certify, std::move(certify_result));
  describe_split(data, split, certify, request, report);
  add_reservations(data, split, request, certify);
  certify.label_units.assign(data.label_names.size(), 0);
  for (const std::uint32_t label : certify.labels) ++certify.label_units[label];
  SMIDGEN_ASSIGN(CertificationOptions options, certification_options(data, certify, request));
  if (const auto refusal = refuse_early(options, certify.label_units); refusal && !request.allow_uncertified) {
    report.refusal = to_refusal(*refusal);
    report.seconds = seconds_since(start);
    return report;
  }

  if (certify.texts.empty())
    return Error::usage("no unit is left to certify on").hint("give --split a third share above 0, or a --test file");

  SMIDGEN_ASSIGN(const TrainingRows training, cut_training_rows(data, split, request.ladder.seed));
  std::vector<std::uint8_t> large_correct;
  if (request.risk_all) {
    SMIDGEN_ASSIGN(large_correct, large_correct_of(data, training.dataset_rows));
  }
  LadderOptions ladder_options = request.ladder;
  ladder_options.tuned_folder = work.file("tuned");
  ladder_options.state_key = std::to_string(ladder_options.seconds_max);
  if (ladder_options.seconds_max > 0)  // what comes after training gets its time first
    ladder_options.seconds_max =
        std::max(1.0, 0.9 * (ladder_options.seconds_max - seconds_since(start)) - kReservedSeconds);
  SMIDGEN_ASSIGN(const Ladder ladder, train_ladder(training, ladder_options, pool, watcher));
  report.notes.insert(report.notes.end(), ladder.notes.begin(), ladder.notes.end());
  report.repairs_typos = ladder.speller != nullptr;
  if (ladder.tuning_minutes > 0)
    report.notes.push_back(fmt::format(
        "The encoder was not fine-tuned. `--minutes-max {:.0f}` would be enough for it here: an estimate from "
        "the time the texts took to embed. What it would gain is not known before.",
        std::ceil(1.2 * ladder.tuning_minutes + 1)));
  report_labels(data, ladder, training, report);
  for (const TrainedRung& rung : ladder.rungs)
    report.tokens_max = std::max<std::uint64_t>(report.tokens_max, rung.rung->tokens_max());
  const std::vector<std::string> trained_on = rung_texts(training, ladder.speller != nullptr);
  SMIDGEN_ASSIGN(const TimedTexts timed, timed_texts(work, "rungs.jsonl", {trained_on.begin(), trained_on.end()}));
  SMIDGEN_ASSIGN(const std::vector<RungCost> costs, measure_rungs(data, ladder, work, timed, services, watcher));
  watcher.report("calibrating and listing candidates", 0);
  const std::vector<float> scores = ladder.side_by_side(training.label_count);
  std::optional<JudgedRows> people;
  if (options.labels_from.empty()) people = judged_by_people(training, scores, large_correct, report);
  const TrainingRows& judged = people ? people->rows : training;
  SMIDGEN_ASSIGN(const CertificationPlan plan, make_plan(judged, ladder, people ? people->scores : scores,
                                                         people ? people->large_correct : large_correct, request, costs,
                                                         report, std::move(options), pool));
  if (watcher.stop_requested()) return Error::cancelled();
  SMIDGEN_TRY(
      certify_and_write({data, request, services, pool, watcher}, plan, certify, ladder, judged, costs, work, report));
  ladder.remove_leftovers();
  report.seconds = seconds_since(start);
  return report;
}

}  // namespace smidgen
