#include "smidgen/learn/exits.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <utility>

#include "smidgen/learn/head_trainer.h"

namespace smidgen {

namespace {

constexpr std::size_t kTextsPerItem = 32;
constexpr double kTeacherTolerance = 1e-4;  // nats a row: a target need not be known better
constexpr float kShareMin = 1e-3F;          // less of a label is left to the others
constexpr std::size_t kWorseMax = 2;        // C in a row, before no larger one is tried

using Rows = std::vector<std::uint32_t>;

Rows rows_where(const TrainingRows& rows, auto fold_is_wanted) {
  Rows some;
  for (std::uint32_t i = 0; i < rows.size(); ++i)
    if (fold_is_wanted(rows.fold_of[i])) some.push_back(i);
  return some;
}

// The labels of each row mixed with what the teacher says (rows, labels).
FitTargets mix(const TrainingRows& rows, std::span<const float> teacher, double teacher_share) {
  FitTargets targets;
  targets.weights = rows.targets.weights;
  std::vector<float> shares(rows.label_count);
  std::vector<SoftLabel> entries;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t l = 0; l < shares.size(); ++l)
      shares[l] = static_cast<float>(teacher_share) * std::exp(teacher[row * shares.size() + l]);
    const auto own = static_cast<float>(1 - teacher_share);
    if (rows.targets.soft.rows() > 0) {
      for (const SoftLabel& entry : rows.targets.soft.of(row)) shares[entry.label] += own * entry.share;
    } else {
      shares[rows.labels[row]] += own;
    }
    entries.clear();
    float sum = 0;
    for (std::uint32_t l = 0; l < shares.size(); ++l) {
      if (shares[l] < kShareMin) continue;
      entries.push_back({l, shares[l]});
      sum += shares[l];
    }
    for (SoftLabel& entry : entries) entry.share /= sum;
    targets.soft.add_row(entries);
  }
  return targets;
}

// What the teacher says of the rows outside fold k to the exit that will score fold k, for each k: (rows, labels), that
// of fold k itself left at ignorance, all labels alike. A fit without two folds serves both, so there must be three.
Result<std::vector<std::vector<float>>> teachers_of_folds(const TrainingRows& rows, const ExitTeacher& teacher,
                                                          ThreadPool& pool, const Watcher& watcher) {
  SMIDGEN_CHECK(rows.folds >= 3);
  SMIDGEN_ASSIGN(const HeadTrainer trainer,
                 HeadTrainer::create(teacher.embeddings.values, teacher.embeddings.dimensions, rows.labels,
                                     rows.label_count, pool));
  std::vector<std::vector<float>> said(
      rows.folds, std::vector<float>(rows.size() * rows.label_count, -std::log(static_cast<float>(rows.label_count))));
  HeadOptions options;
  options.tolerance = kTeacherTolerance;
  options.targets = &rows.targets;
  for (std::size_t j = 0; j < rows.folds; ++j) {
    for (std::size_t k = j + 1; k < rows.folds; ++k) {
      const Rows on = rows_where(rows, [&](std::size_t fold) { return fold != j && fold != k; });
      if (on.empty()) continue;
      SMIDGEN_ASSIGN(const HeadFit fit, trainer.fit(on, teacher.c, watcher, nullptr, options));
      for (const auto& [scored, held] : {std::pair(j, k), std::pair(k, j)}) {
        const Rows of = rows_where(rows, [&, fold_wanted = scored](std::size_t fold) { return fold == fold_wanted; });
        std::vector<float> scores(of.size() * rows.label_count);
        trainer.score(fit, of, scores);
        place_scores(scores, of, rows.label_count, said[held]);
      }
    }
  }
  return said;
}

// Out-of-fold scores (rows, labels) of fits on the targets of each fold.
Result<std::vector<float>> scores_of_folds(const TrainingRows& rows, const HeadTrainer& trainer, double c,
                                           std::span<const FitTargets> of_folds, const Watcher& watcher) {
  std::vector<float> out(rows.size() * rows.label_count);
  HeadOptions options;
  for (std::size_t fold = 0; fold < of_folds.size(); ++fold) {
    const Rows on = rows_where(rows, [&](std::size_t other) { return other != fold; });
    const Rows off = rows_where(rows, [&](std::size_t other) { return other == fold; });
    if (on.empty() || off.empty()) continue;
    options.targets = &of_folds[fold];
    SMIDGEN_ASSIGN(const HeadFit part, trainer.fit(on, c, watcher, nullptr, options));
    std::vector<float> scores(off.size() * rows.label_count);
    trainer.score(part, off, scores);
    place_scores(scores, off, rows.label_count, out);
  }
  return out;
}

Result<TrainedExit> train_exit(const TrainingRows& rows, const EmbeddingMatrix& features,
                               std::span<const FitTargets> of_folds, const FitTargets& of_all, const ExitOptions& how,
                               ThreadPool& pool, const Watcher& watcher) {
  SMIDGEN_ASSIGN(const HeadTrainer trainer,
                 HeadTrainer::create(features.values, features.dimensions, rows.labels, rows.label_count, pool));
  const Rows all = all_rows(rows);
  const std::vector<double> grid = how.c_grid.empty() ? default_head_c_grid() : how.c_grid;
  SMIDGEN_ASSIGN(HeadSearch search,
                 trainer.cross_validate(all, rows.fold_of, rows.folds, grid, watcher, &rows.targets));
  TrainedExit exit;
  exit.c = search.c;
  exit.out_of_fold = std::move(search.out_of_fold);
  HeadOptions options;
  options.targets = &rows.targets;
  if (!of_folds.empty()) {
    SMIDGEN_ASSIGN(std::vector<float> taught, scores_of_folds(rows, trainer, exit.c, of_folds, watcher));
    const auto loss = [&](std::span<const float> scores) {
      return score_quality(scores, rows.labels, rows.label_count).log_loss;
    };
    exit.taught = how.always || loss(taught) < loss(exit.out_of_fold);
    if (exit.taught) {
      exit.out_of_fold = std::move(taught);
      options.targets = &of_all;
    }
  }
  SMIDGEN_ASSIGN(HeadFit fit, trainer.fit(all, exit.c, watcher, nullptr, options));
  exit.head = std::move(fit.head);
  return exit;
}

}  // namespace

std::vector<std::size_t> exit_layers(std::size_t layers) {
  std::vector<std::size_t> exits;
  for (const double share : {1.0 / 3, 2.0 / 3}) {
    const auto layer = static_cast<std::size_t>(std::lround(share * static_cast<double>(layers)));
    if (layer > 0 && layer < layers && (exits.empty() || layer > exits.back())) exits.push_back(layer);
  }
  return exits;
}

Result<std::vector<EmbeddingMatrix>> embed_exits(const Encoder& encoder, std::span<const std::string_view> texts,
                                                 std::span<const std::size_t> exits, ThreadPool& pool,
                                                 const Watcher& watcher) {
  const std::size_t n = encoder.dimensions();
  std::vector<EmbeddingMatrix> out(exits.size());
  for (EmbeddingMatrix& matrix : out) {
    matrix.rows = texts.size();
    matrix.dimensions = n;
    matrix.values.resize(texts.size() * n);
  }
  struct Worker {
    Encoder::Scratch scratch;
    Encoder::Climb climb;
    std::vector<std::vector<std::int32_t>> ids;
  };
  std::vector<Worker> workers(pool.threads());
  std::atomic<bool> stopped = false;
  std::mutex watching;
  const std::size_t items = (texts.size() + kTextsPerItem - 1) / kTextsPerItem;
  pool.parallel_for(items, [&](std::size_t item, std::size_t worker) {
    if (stopped) return;
    Worker& own = workers[worker];
    const std::size_t first = item * kTextsPerItem, count = std::min(kTextsPerItem, texts.size() - first);
    own.ids.assign(count, {});
    for (std::size_t i = 0; i < count; ++i)
      encoder.tokenizer().encode(texts[first + i], encoder.tokens_max(), own.ids[i]);
    const std::vector<std::span<const std::int32_t>> sequences(own.ids.begin(), own.ids.end());
    encoder.start(sequences, own.climb);
    for (std::size_t e = 0; e < exits.size(); ++e)
      encoder.climb(exits[e], own.scratch, own.climb, out[e].values.data() + first * n);
    const std::lock_guard lock(watching);
    watcher.report("embedding for exits", static_cast<double>(item) / static_cast<double>(items));
    if (watcher.stop_requested()) stopped = true;
  });
  if (stopped) return Error::cancelled();
  return out;
}

Result<std::vector<TrainedExit>> train_exits(const TrainingRows& rows, std::span<const EmbeddingMatrix> features,
                                             const ExitTeacher& teacher, const ExitOptions& options, ThreadPool& pool,
                                             const Watcher& watcher) {
  std::vector<FitTargets> of_folds;
  FitTargets of_all = rows.targets;
  if (options.teacher_share > 0) {
    SMIDGEN_ASSIGN(const std::vector<std::vector<float>> said, teachers_of_folds(rows, teacher, pool, watcher));
    for (const std::vector<float>& scores : said) of_folds.push_back(mix(rows, scores, options.teacher_share));
    of_all = mix(rows, teacher.out_of_fold, options.teacher_share);
  }
  std::vector<TrainedExit> exits;
  for (const EmbeddingMatrix& matrix : features) {
    SMIDGEN_ASSIGN(TrainedExit exit, train_exit(rows, matrix, of_folds, of_all, options, pool, watcher));
    exits.push_back(std::move(exit));
  }
  return exits;
}

Result<TunedExit> fit_tuned_exit(const TrainingRows& rows, const EmbeddingMatrix& features,
                                 std::span<const std::uint32_t> on, std::span<const std::uint32_t> off,
                                 std::optional<double> c, ThreadPool& pool, const Watcher& watcher) {
  SMIDGEN_CHECK(c || !off.empty());
  SMIDGEN_ASSIGN(const HeadTrainer trainer,
                 HeadTrainer::create(features.values, features.dimensions, rows.labels, rows.label_count, pool));
  std::vector<std::uint32_t> truth;
  for (const std::uint32_t row : off) truth.push_back(rows.labels[row]);
  HeadOptions options;
  options.targets = &rows.targets;
  std::optional<HeadFit> start;
  TunedExit best;
  double least = std::numeric_limits<double>::infinity();
  std::size_t worse = 0;
  for (const double tried : c ? std::vector<double>{*c} : default_head_c_grid()) {
    SMIDGEN_ASSIGN(HeadFit fit, trainer.fit(on, tried, watcher, start ? &*start : nullptr, options));
    std::vector<float> scores(off.size() * rows.label_count);
    trainer.score(fit, off, scores);
    const double loss = score_quality(scores, truth, rows.label_count).log_loss;
    if (loss < least) {
      best = {fit.head, tried, std::move(scores)};
      least = loss;
      worse = 0;
    } else if (++worse == kWorseMax) {
      break;
    }
    start = std::move(fit);
  }
  return best;
}

}  // namespace smidgen
