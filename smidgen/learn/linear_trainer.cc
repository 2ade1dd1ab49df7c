#include "smidgen/learn/linear_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <optional>

#include "smidgen/learn/linear_solver.h"
#include "smidgen/learn/score_quality.h"
#include "smidgen/tensor/linear_kernels.h"

namespace smidgen {
namespace {

// A fit with everything needed to use it, before it is packed.
struct FloatModel {
  LinearDesign design;
  std::vector<std::uint32_t> label_of_class;  // labels present in the training rows, rising
  SoftLabels y;                               // over classes, of each training row
  std::vector<float> row_weights;             // of each training row; empty: 1
  LinearFit fit;
  std::vector<float> weights;  // (columns, lanes of the classes)
};

// Watchers for several threads: calls are serialised and fractions counted in finished jobs.
class SharedWatcher {
 public:
  SharedWatcher(const Watcher& watcher, std::string_view stage, std::size_t jobs)
      : watcher_(watcher), stage_(stage), jobs_(jobs) {}
  Watcher view() {
    Watcher view;
    view.cancelled = [this] {
      const std::lock_guard lock(mutex_);
      return watcher_.stop_requested();
    };
    return view;
  }
  void finished() {
    const std::lock_guard lock(mutex_);
    ++done_;
    watcher_.report(stage_, static_cast<double>(done_) / static_cast<double>(jobs_));
  }

 private:
  const Watcher& watcher_;
  std::string_view stage_;
  std::size_t jobs_, done_ = 0;
  std::mutex mutex_;
};

void start_model(std::span<const NgramCounts* const> counts, std::span<const std::uint32_t> labels,
                 std::size_t label_count, std::span<const std::uint32_t> rows, const LinearSettings& settings,
                 FloatModel& model) {
  model.design = LinearDesign::build(counts, rows, settings.features);
  const FitTargets* targets = settings.targets;
  const bool soft = targets != nullptr && targets->soft.rows() > 0;
  std::vector<std::uint32_t> class_of_label(label_count, 0);
  for (const std::uint32_t row : rows) {
    class_of_label[labels[row]] = 1;
    if (soft)
      for (const SoftLabel& entry : targets->soft.of(row)) class_of_label[entry.label] = 1;
  }
  // Two labels are fitted as one output, three or more as many: so at least three stay of three or more.
  std::size_t present = static_cast<std::size_t>(std::count(class_of_label.begin(), class_of_label.end(), 1U));
  for (std::uint32_t label = 0; label < label_count && present < 3; ++label) {
    present += class_of_label[label] == 0;
    class_of_label[label] = 1;
  }
  for (std::uint32_t label = 0; label < label_count; ++label) {
    if (class_of_label[label] == 0) continue;
    class_of_label[label] = static_cast<std::uint32_t>(model.label_of_class.size());
    model.label_of_class.push_back(label);
  }
  for (const std::uint32_t row : rows) {
    const SoftLabel whole{labels[row], 1.0F};
    model.y.add_row(soft ? targets->soft.of(row) : std::span(&whole, 1));
    if (targets != nullptr && !targets->weights.empty()) model.row_weights.push_back(targets->weights[row]);
  }
  model.y.renumber(class_of_label);
}

Status run_fit(const LinearSettings& settings, const Watcher& watcher, FloatModel& model) {
  LinearSolverOptions options;
  options.c = settings.c;
  options.gap_max = settings.gap_max;
  options.seed = settings.seed;
  SMIDGEN_TRY(
      fit_linear(model.design, model.y, model.label_of_class.size(), model.row_weights, options, watcher, model.fit));
  model.weights = all_weights(model.design, model.y, model.row_weights, model.fit);
  return Ok{};
}

// Scores before the softmax of one row of the counts, (classes) or (1).
void float_scores(const FloatModel& model, std::size_t row, std::vector<std::uint32_t>& indices,
                  std::vector<float>& values, std::vector<float>& scores) {
  model.design.apply(row, indices, values);
  scores = model.fit.bias;
  linear_kernels().sparse_scores(indices.data(), values.data(), indices.size(), model.weights.data(), model.fit.lanes,
                                 scores.data());
}

// (rows, labels) scores on one scale for both forms; -1e30 for a label without a class.
std::vector<float> tune_scores(const FloatModel& model, std::span<const std::uint32_t> rows, std::size_t labels) {
  std::vector<float> out(rows.size() * labels, -1e30F), values, scores;
  std::vector<std::uint32_t> indices;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    float_scores(model, rows[i], indices, values, scores);
    if (model.fit.lanes == 1) scores = {0.0F, scores[0]};
    for (std::size_t k = 0; k < model.label_of_class.size(); ++k) {
      out[i * labels + model.label_of_class[k]] = scores[k];
    }
  }
  return out;
}

// Columns by what they move: |w| times the column's typical share of a text, times how often it stands in one.
std::vector<char> kept_columns(const FloatModel& model, double keep) {
  const std::size_t lanes = model.fit.lanes, n = model.design.columns;
  std::vector<float> importance(n);
  std::vector<float> idf(n);
  for (const LinearDesign::Block& block : model.design.blocks) {
    for (std::size_t f = 0; f < block.column.size(); ++f) {
      if (block.column[f] != kNoColumn) idf[block.column[f]] = block.idf[f];
    }
  }
  for (std::size_t c = 0; c < n; ++c) {
    double square = 0;
    for (std::size_t k = 0; k < lanes; ++k) square += std::pow(model.weights[c * lanes + k], 2);
    // idf = 1 + log((1 + n) / (1 + df)): the document frequency comes back from it.
    const double rows = (1.0 + static_cast<double>(model.design.rows)) * std::exp(1.0 - idf[c]);
    importance[c] = static_cast<float>(std::sqrt(square * rows) * idf[c]);
  }
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return importance[a] > importance[b]; });
  std::vector<char> kept(n, 0);
  const auto count = static_cast<std::size_t>(std::ceil(keep * static_cast<double>(n)));
  for (std::size_t i = 0; i < std::min(n, count); ++i) kept[order[i]] = importance[order[i]] > 0;
  return kept;
}

// Bias of labels that no training row has: such that their probability is about 1 in 2 (n + labels).
float absent_bias(const FloatModel& model) {
  double sum = 0;
  const float* bias = model.fit.bias.data();
  for (std::size_t k = 0; k < model.label_of_class.size(); ++k) sum += std::exp(static_cast<double>(bias[k]));
  return static_cast<float>(std::log(std::max(sum, 1e-30)) -
                            std::log(2.0 * static_cast<double>(model.design.rows + model.fit.labels)));
}

void pack_features(const FloatModel& model, const std::vector<std::uint32_t>& row_of_column, LinearParts& parts) {
  struct Feature {
    std::uint64_t hash;
    std::uint32_t row;
    std::uint8_t idf;
  };
  std::vector<Feature> features;
  parts.idf_max = 1;
  for (const auto& block : model.design.blocks) {
    for (std::size_t f = 0; f < block.column.size(); ++f) {
      if (block.column[f] != kNoColumn) parts.idf_max = std::max(parts.idf_max, block.idf[f]);
    }
  }
  const float steps = parts.idf_max > 1 ? 255.0F / (parts.idf_max - 1) : 0.0F;
  for (const auto& block : model.design.blocks) {
    for (std::size_t f = 0; f < block.column.size(); ++f) {
      if (block.column[f] == kNoColumn) continue;
      features.push_back({block.counts->hashes[f], row_of_column[block.column[f]],
                          static_cast<std::uint8_t>(std::lround((block.idf[f] - 1) * steps))});
    }
  }
  std::sort(features.begin(), features.end(), [](const Feature& a, const Feature& b) { return a.hash < b.hash; });
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (i > 0 && features[i].hash == features[i - 1].hash) continue;
    parts.feature_hash.push_back(features[i].hash);
    parts.feature_row.push_back(features[i].row);
    parts.feature_idf.push_back(features[i].idf);
  }
}

// Rounds one column's weights to int8 with a scale of its own and appends them as a row.
void pack_row(const FloatModel& model, std::size_t column, LinearParts& parts) {
  const std::size_t lanes = model.fit.lanes;
  const float* w = model.weights.data() + column * lanes;
  float largest = 0;
  for (std::size_t k = 0; k < lanes; ++k) largest = std::max(largest, std::fabs(w[k]));
  const std::size_t first = parts.weights.size();
  parts.weights.resize(first + parts.outputs(), 0);
  const std::size_t classes = lanes == 1 ? 1 : model.label_of_class.size();
  for (std::size_t k = 0; k < classes; ++k) {
    const std::size_t at = lanes == 1 ? 0 : model.label_of_class[k];
    parts.weights[first + at] = static_cast<std::int8_t>(std::lround(w[k] / largest * 127.0F));
  }
  parts.scales.push_back(largest / 127.0F / model.design.merged_root[column]);
}

LinearParts pack(const FloatModel& model, const LinearSettings& settings, std::size_t labels) {
  LinearParts parts;
  parts.labels = labels;
  parts.blocks = settings.features.blocks;
  const std::vector<char> kept = kept_columns(model, settings.keep);
  std::vector<std::uint32_t> row_of_column(kept.size(), LinearParts::kNoRow);
  for (std::size_t c = 0; c < kept.size(); ++c) {
    if (!kept[c]) continue;
    row_of_column[c] = static_cast<std::uint32_t>(parts.scales.size());
    pack_row(model, c, parts);
  }
  pack_features(model, row_of_column, parts);
  if (model.fit.lanes == 1) {
    parts.bias = {model.fit.bias[0]};
  } else {
    parts.bias.assign(labels, absent_bias(model));
    for (std::size_t k = 0; k < model.label_of_class.size(); ++k) {
      parts.bias[model.label_of_class[k]] = model.fit.bias[k];
    }
  }
  return parts;
}

// (rows, labels) log-probabilities.
std::vector<float> rung_scores(const LinearRung& rung, std::span<const std::string> texts,
                               std::span<const std::uint32_t> rows) {
  std::vector<float> out(rows.size() * rung.labels());
  const auto scratch = rung.make_scratch();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rung.score_text(texts[rows[i]], *scratch, std::span(out).subspan(i * rung.labels(), rung.labels()));
  }
  return out;
}

}  // namespace

std::vector<LinearFeatureSet> default_feature_sets(std::size_t rows) {
  std::vector<LinearFeatureSet> sets = {{{NgramBlock::kTokens, NgramBlock::kCharacters}},
                                        {{NgramBlock::kWords, NgramBlock::kTokens, NgramBlock::kCharacters}}};
  if (rows < kFewRows) sets.push_back({{NgramBlock::kWords, NgramBlock::kCharacters}});
  return sets;
}

std::vector<double> default_c_grid(std::size_t rows) {
  std::vector<double> grid = {4, 16, 64};
  if (rows < kFewRows) grid.push_back(256);
  return grid;
}

Result<LinearTrainer> LinearTrainer::create(std::span<const std::string> texts, std::span<const std::uint32_t> labels,
                                            std::size_t label_count, ThreadPool& pool, const Watcher& watcher) {
  SMIDGEN_CHECK(texts.size() == labels.size());
  if (label_count < 2) return Error::bad_data("a classifier needs at least two labels");
  if (texts.size() >= kNoColumn) return Error::bad_data("more than 4 billion rows");
  if (watcher.stop_requested()) return Error::cancelled();
  LinearTrainer trainer;
  trainer.texts_ = texts;
  trainer.labels_ = labels;
  trainer.label_count_ = label_count;
  trainer.pool_ = &pool;
  return trainer;
}

Status LinearTrainer::count_blocks(std::span<const LinearFeatureSet> sets, const Watcher& watcher) {
  std::vector<NgramBlock> missing;
  for (const LinearFeatureSet& set : sets) {
    SMIDGEN_CHECK(!set.blocks.empty());
    for (const NgramBlock block : set.blocks) {
      if (!counts_[static_cast<std::size_t>(block)] &&
          std::find(missing.begin(), missing.end(), block) == missing.end()) {
        missing.push_back(block);
      }
    }
  }
  SharedWatcher shared(watcher, "linear: reading n-grams", missing.size());
  pool_->parallel_for(missing.size(), [&](std::size_t i, std::size_t) {
    counts_[static_cast<std::size_t>(missing[i])] =
        std::make_unique<NgramCounts>(count_ngrams(texts_, missing[i], shared.view()));
    shared.finished();
  });
  if (watcher.stop_requested()) {
    for (const NgramBlock block : missing) counts_[static_cast<std::size_t>(block)].reset();
    return Error::cancelled();
  }
  return Ok{};
}

std::vector<const NgramCounts*> LinearTrainer::blocks_of(const LinearFeatureSet& set) const {
  std::vector<const NgramCounts*> blocks;
  for (const NgramBlock block : set.blocks) blocks.push_back(counts_[static_cast<std::size_t>(block)].get());
  return blocks;
}

// Rows of one fold and of all others.
struct LinearTrainer::Fold {
  std::vector<std::uint32_t> fitted, held, places;  // places: where the held rows stand in `rows`
};

std::vector<LinearTrainer::Fold> LinearTrainer::cut_folds(std::span<const std::uint32_t> rows,
                                                          std::span<const std::uint32_t> fold_of, std::size_t folds) {
  SMIDGEN_CHECK(rows.size() == fold_of.size() && folds >= 2);
  std::vector<Fold> cut(folds);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t fold = 0; fold < folds; ++fold)
      (fold_of[i] == fold ? cut[fold].held : cut[fold].fitted).push_back(rows[i]);
    cut[fold_of[i]].places.push_back(static_cast<std::uint32_t>(i));
  }
  return cut;
}

Result<std::vector<LinearTrial>> LinearTrainer::try_settings(std::span<const std::uint32_t> rows,
                                                             std::span<const std::uint32_t> fold_of, std::size_t folds,
                                                             const LinearSearchOptions& options,
                                                             const Watcher& watcher) const {
  std::vector<double> grid = options.c_grid;
  std::sort(grid.begin(), grid.end());
  const std::vector<LinearFeatureSet>& sets = options.feature_sets;
  std::vector<Fold> cut = cut_folds(rows, fold_of, folds);
  cut.resize(folds_judged(fold_of, folds));
  std::vector<std::uint32_t> truth;
  std::vector<std::size_t> first;  // of each fold's rows among all that are judged
  for (const Fold& fold : cut) {
    first.push_back(truth.size());
    for (const std::uint32_t row : fold.held) truth.push_back(labels_[row]);
  }
  std::vector<std::vector<float>> scores(sets.size() * grid.size(), std::vector<float>(truth.size() * label_count_));
  std::vector<std::optional<Error>> errors(sets.size() * cut.size());
  SharedWatcher shared(watcher, "linear: choosing features and C", errors.size() * grid.size());
  pool_->parallel_for(errors.size(), [&](std::size_t job, std::size_t) {
    const std::size_t set = job / cut.size(), fold = job % cut.size();
    if (cut[fold].held.empty()) return;
    FloatModel model;
    LinearSettings settings;
    settings.seed = options.seed;
    settings.gap_max = options.gap_max;
    settings.features = sets[set];
    settings.targets = options.targets;
    start_model(blocks_of(sets[set]), labels_, label_count_, cut[fold].fitted, settings, model);
    for (std::size_t c = 0; c < grid.size(); ++c) {
      settings.c = grid[c];
      const Status status = run_fit(settings, shared.view(), model);
      if (!status.ok()) {
        errors[job] = status.error();
        return;
      }
      const std::vector<float> held = tune_scores(model, cut[fold].held, label_count_);
      std::copy(held.begin(), held.end(),
                scores[set * grid.size() + c].begin() + static_cast<std::ptrdiff_t>(first[fold] * label_count_));
      shared.finished();
    }
  });
  for (const std::optional<Error>& error : errors)
    if (error) return *error;
  std::vector<LinearTrial> trials;
  for (std::size_t i = 0; i < scores.size(); ++i)
    trials.push_back({sets[i / grid.size()], grid[i % grid.size()], score_quality(scores[i], truth, label_count_)});
  return trials;
}

Status LinearTrainer::choose_pruning(std::span<const std::uint32_t> fit_rows, std::span<const std::uint32_t> tune_rows,
                                     const LinearSearchOptions& options, const Watcher& watcher,
                                     LinearChoice& choice) const {
  std::vector<std::uint32_t> truth;
  for (const std::uint32_t row : tune_rows) truth.push_back(labels_[row]);
  const LinearFeatureSet& features = choice.settings.features;
  FloatModel model;
  start_model(blocks_of(features), labels_, label_count_, fit_rows, choice.settings, model);
  SMIDGEN_TRY(run_fit(choice.settings, watcher, model));
  const ScoreQuality full = score_quality(tune_scores(model, tune_rows, label_count_), truth, label_count_);
  std::vector<double> keeps = options.keep_grid;
  std::sort(keeps.begin(), keeps.end(), std::greater<>());
  for (const double keep : keeps) {
    LinearSettings settings = choice.settings;
    settings.keep = keep;
    SMIDGEN_ASSIGN(const std::unique_ptr<LinearRung> rung, LinearRung::create(pack(model, settings, label_count_)));
    const ScoreQuality packed = score_quality(rung_scores(*rung, texts_, tune_rows), truth, label_count_);
    const bool allowed = packed.accuracy >= full.accuracy - options.accuracy_loss_max - 1e-12 &&
                         packed.log_loss <= options.log_loss_ratio_max * full.log_loss + 1e-4;
    if (keep != keeps.front() && !allowed) continue;
    choice.settings.keep = keep;
  }
  return Ok{};
}

Result<LinearChoice> LinearTrainer::choose(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> fold_of,
                                           std::size_t folds, std::span<const std::uint32_t> tune,
                                           const LinearSearchOptions& asked, const Watcher& watcher) {
  SMIDGEN_CHECK(rows.size() > tune.size() && !asked.keep_grid.empty());
  LinearSearchOptions options = asked;
  if (options.feature_sets.empty()) options.feature_sets = default_feature_sets(rows.size());
  if (options.c_grid.empty()) options.c_grid = default_c_grid(rows.size());
  SMIDGEN_TRY(count_blocks(options.feature_sets, watcher));
  LinearChoice choice;
  SMIDGEN_ASSIGN(choice.trials, try_settings(rows, fold_of, folds, options, watcher));
  const LinearTrial& best = *std::min_element(
      choice.trials.begin(), choice.trials.end(),
      [](const LinearTrial& a, const LinearTrial& b) { return a.quality.log_loss < b.quality.log_loss; });
  choice.settings.features = best.features;
  choice.settings.c = best.c;
  choice.settings.seed = options.seed;
  choice.settings.targets = options.targets;
  choice.accuracy = best.quality.accuracy;
  if (tune.empty() || rows.size() < options.rows_to_prune_min) return choice;
  std::vector<char> in_tune(texts_.size(), 0);
  for (const std::uint32_t row : tune) in_tune[row] = 1;
  std::vector<std::uint32_t> fit_rows;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(fit_rows), [&](auto row) { return in_tune[row] == 0; });
  SMIDGEN_TRY(choose_pruning(fit_rows, tune, options, watcher, choice));
  return choice;
}

Result<std::vector<float>> LinearTrainer::out_of_fold(std::span<const std::uint32_t> rows,
                                                      std::span<const std::uint32_t> fold_of_row, std::size_t folds,
                                                      const LinearSettings& settings, const Watcher& watcher) {
  SMIDGEN_TRY(count_blocks(std::span(&settings.features, 1), watcher));
  const std::vector<Fold> cut = cut_folds(rows, fold_of_row, folds);
  std::vector<float> out(rows.size() * label_count_);
  std::vector<std::optional<Error>> errors(folds);
  SharedWatcher shared(watcher, "linear: out-of-fold scores", folds);
  pool_->parallel_for(folds, [&](std::size_t fold, std::size_t) {
    const auto& [fitted, held, places] = cut[fold];
    FloatModel model;
    start_model(blocks_of(settings.features), labels_, label_count_, fitted, settings, model);
    const Status status = run_fit(settings, shared.view(), model);
    auto rung = status.ok() ? LinearRung::create(pack(model, settings, label_count_))
                            : Result<std::unique_ptr<LinearRung>>(status.error());
    if (!rung.ok()) {
      errors[fold] = rung.error();
      return;
    }
    const std::vector<float> scores = rung_scores(**rung, texts_, held);
    for (std::size_t i = 0; i < places.size(); ++i) {
      std::copy_n(scores.begin() + static_cast<std::ptrdiff_t>(i * label_count_), label_count_,
                  out.begin() + static_cast<std::ptrdiff_t>(places[i] * label_count_));
    }
    shared.finished();
  });
  for (const std::optional<Error>& error : errors) {
    if (error) return *error;
  }
  return out;
}

Result<std::unique_ptr<LinearRung>> LinearTrainer::fit(std::span<const std::uint32_t> rows,
                                                       const LinearSettings& settings, const Watcher& watcher) {
  SMIDGEN_CHECK(!rows.empty());
  SMIDGEN_TRY(count_blocks(std::span(&settings.features, 1), watcher));
  FloatModel model;
  start_model(blocks_of(settings.features), labels_, label_count_, rows, settings, model);
  SMIDGEN_TRY(run_fit(settings, watcher, model));
  return LinearRung::create(pack(model, settings, label_count_));
}

}  // namespace smidgen
