#include "smidgen/learn/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>
#include <string_view>
#include <system_error>

#include "smidgen/base/clock.h"
#include "smidgen/learn/calibrate.h"
#include "smidgen/learn/collect_words.h"
#include "smidgen/learn/distill.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/exits.h"
#include "smidgen/learn/few_labels.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/learn/linear_trainer.h"
#include "smidgen/learn/tuned_encoder.h"
#include "smidgen/model/encoder.h"
#include "smidgen/model/encoder_rung.h"
#include "smidgen/model/static.h"

namespace smidgen {

namespace {

// Progress of one rung under its own name: "head: choosing C" of the encoder reads "encoder: choosing C".
Watcher named(const Watcher& watcher, const std::string& rung) {
  Watcher inner = watcher;
  if (watcher.progress)
    inner.progress = [&watcher, rung](const ProgressEvent& event) {
      const std::size_t colon = event.stage.find(": ");
      const std::string_view step = colon == std::string_view::npos ? event.stage : event.stage.substr(colon + 2);
      watcher.progress({rung + ": " + std::string(step), event.fraction, event.detail});
    };
  return inner;
}

class Stopwatch {
 public:
  double seconds() const { return seconds_since(start_); }

 private:
  SteadyTime start_ = steady_now();
};

Result<TrainedRung> train_linear(const TrainingRows& rows, const LadderOptions& options, ThreadPool& pool,
                                 const Watcher& watcher) {
  const Stopwatch watch;
  SMIDGEN_ASSIGN(LinearTrainer trainer,
                 LinearTrainer::create(rows.texts, rows.labels, rows.label_count, pool, watcher));
  LinearSearchOptions search;
  search.seed = options.seed;
  search.targets = &rows.targets;
  const std::vector<std::uint32_t> all = all_rows(rows);
  SMIDGEN_ASSIGN(const LinearChoice choice, trainer.choose(all, rows.fold_of, rows.folds, rows.tune, search, watcher));
  TrainedRung trained;
  trained.name = "linear";
  SMIDGEN_ASSIGN(trained.out_of_fold, trainer.out_of_fold(all, rows.fold_of, rows.folds, choice.settings, watcher));
  SMIDGEN_ASSIGN(trained.rung, trainer.fit(all, choice.settings, watcher));
  trained.chosen =
      fmt::format("C {:g}, {:.0f} % of the n-grams' weights kept", choice.settings.c, 100 * choice.settings.keep);
  trained.train_seconds = watch.seconds();
  return trained;
}

// A head on dense features: C chosen by cross-validation, whose scores are the out-of-fold ones, then all rows.
struct TrainedHead {
  SoftmaxHead head;
  std::vector<float> out_of_fold;
  double c = 0;
};
Result<TrainedHead> train_head(const TrainingRows& rows, const EmbeddingMatrix& features, ThreadPool& pool,
                               const Watcher& watcher) {
  SMIDGEN_ASSIGN(const HeadTrainer trainer,
                 HeadTrainer::create(features.values, features.dimensions, rows.labels, rows.label_count, pool));
  const std::vector<std::uint32_t> all = all_rows(rows);
  SMIDGEN_ASSIGN(HeadSearch search,
                 trainer.cross_validate(all, rows.fold_of, rows.folds, default_head_c_grid(), watcher, &rows.targets));
  TrainedHead trained;
  trained.c = search.c;
  trained.out_of_fold = std::move(search.out_of_fold);
  HeadOptions head;
  head.targets = &rows.targets;
  SMIDGEN_ASSIGN(HeadFit fit, trainer.fit(all, search.c, watcher, nullptr, head));
  trained.head = std::move(fit.head);
  return trained;
}

TrainedRung finished(const std::string& name, std::unique_ptr<Rung> rung, TrainedHead head, const std::string& what,
                     const Stopwatch& watch) {
  TrainedRung trained;
  trained.name = name;
  trained.rung = std::move(rung);
  trained.out_of_fold = std::move(head.out_of_fold);
  trained.chosen = fmt::format("{}, head with C {:g}", what, head.c);
  trained.train_seconds = watch.seconds();
  return trained;
}

Result<TrainedRung> train_static(const TrainingRows& rows, const Encoder& encoder, const std::string& cache_folder,
                                 ThreadPool& pool, const Watcher& watcher) {
  const Stopwatch watch;
  DistillOptions distillation;
  distillation.cache_folder = cache_folder;
  SMIDGEN_ASSIGN(StaticTable table, distill(encoder, distillation, pool, watcher));
  SMIDGEN_ASSIGN(StaticModel created, StaticModel::create(std::move(table), encoder.folder()));
  const auto model = std::make_shared<const StaticModel>(std::move(created));
  const std::vector<std::string_view> texts(rows.texts.begin(), rows.texts.end());
  SMIDGEN_ASSIGN(const EmbeddingMatrix embeddings, embed_all(*model, texts, pool, watcher));
  SMIDGEN_ASSIGN(TrainedHead head, train_head(rows, embeddings, pool, watcher));
  SMIDGEN_ASSIGN(std::unique_ptr<Rung> rung, StaticRung::create(model, std::move(head.head)));
  return finished("static", std::move(rung), std::move(head), fmt::format("{} dimensions", embeddings.dimensions),
                  watch);
}

// The encoder rung in the precision of this encoder.
struct EncoderFit {
  std::shared_ptr<const Encoder> encoder;
  EmbeddingMatrix embeddings;
  TrainedHead head;
  double accuracy = 0;           // out-of-fold
  double embedding_seconds = 0;  // of all texts, in f32 unless a precision was asked for
};
Result<EmbeddingMatrix> embed(const TrainingRows& rows, const Encoder& encoder, const LadderOptions& options,
                              ThreadPool& pool, const Watcher& watcher) {
  const std::vector<std::string_view> texts(rows.texts.begin(), rows.texts.end());
  return options.embed ? options.embed(encoder, texts, pool, watcher) : embed_all(encoder, texts, pool, watcher);
}

// embeddings: of the rows by this encoder, where they are known already.
Result<EncoderFit> fit_encoder(const TrainingRows& rows, std::shared_ptr<const Encoder> encoder,
                               const LadderOptions& options, ThreadPool& pool, const Watcher& watcher,
                               std::optional<EmbeddingMatrix> embeddings = std::nullopt, double seconds = 0) {
  EncoderFit fit;
  const Stopwatch watch;
  if (!embeddings) {
    SMIDGEN_ASSIGN(embeddings, embed(rows, *encoder, options, pool, watcher));
  }
  fit.embeddings = std::move(*embeddings);
  fit.embedding_seconds = seconds + watch.seconds();
  fit.encoder = std::move(encoder);
  SMIDGEN_ASSIGN(fit.head, train_head(rows, fit.embeddings, pool, watcher));
  std::size_t right = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto scores = fit.head.out_of_fold.begin() + static_cast<std::ptrdiff_t>(row * rows.label_count);
    const auto best = std::max_element(scores, scores + static_cast<std::ptrdiff_t>(rows.label_count));
    right += static_cast<std::size_t>(best - scores) == rows.labels[row] ? 1 : 0;
  }
  fit.accuracy = static_cast<double>(right) / static_cast<double>(rows.size());
  return fit;
}

Result<std::shared_ptr<const Encoder>> in_precision(const std::shared_ptr<const Encoder>& f32,
                                                    const LadderOptions& options, Precision precision) {
  if (precision == Precision::kF32) return f32;
  SMIDGEN_ASSIGN(Encoder loaded,
                 Encoder::load(options.encoder_folder, {.tokens_max = options.tokens_max, .precision = precision}));
  return std::make_shared<const Encoder>(std::move(loaded));
}

// The encoder in the precision asked for, else f32, with what it says about the rows if that is known.
struct FirstEncoder {
  std::shared_ptr<const Encoder> encoder;
  std::optional<EmbeddingMatrix> embeddings;
  double embedding_seconds = 0;  // that they took
};

// In the fastest precision that costs next to nothing, unless one was asked for. f32 is also what the others start
// from.
Result<EncoderFit> choose_precision(const TrainingRows& rows, const std::shared_ptr<const Encoder>& f32,
                                    FirstEncoder first, const LadderOptions& options, ThreadPool& pool,
                                    const Watcher& watcher) {
  SMIDGEN_ASSIGN(EncoderFit reference, fit_encoder(rows, std::move(first.encoder), options, pool, watcher,
                                                   std::move(first.embeddings), first.embedding_seconds));
  if (options.precision) return reference;
  for (const Precision faster : {Precision::kInt8, Precision::kBf16}) {
    SMIDGEN_ASSIGN(std::shared_ptr<const Encoder> encoder, in_precision(f32, options, faster));
    SMIDGEN_ASSIGN(EncoderFit fit, fit_encoder(rows, std::move(encoder), options, pool, watcher));
    fit.embedding_seconds = reference.embedding_seconds;
    if (fit.accuracy >= reference.accuracy - kPrecisionCostMax) return fit;
  }
  return reference;
}

// Of out-of-fold scores: how two forms of a rung are compared.
Calibration calibrated(const TrainingRows& rows, const std::vector<float>& scores, std::uint64_t seed,
                       ThreadPool& pool) {
  const ScoredRows scored{scores, rows.labels, rows.units, 1, rows.label_count};
  return calibrate(scored, std::vector<std::size_t>{0}, {.seed = seed}, &pool);
}

// train_seconds: of all of them.
Status push_exits(const std::shared_ptr<const Encoder>& encoder, const std::vector<std::size_t>& layers,
                  std::vector<TrainedExit> exits, Precision precision, double train_seconds, Ladder& ladder) {
  const std::size_t of = encoder->config().body.layers;
  for (std::size_t i = 0; i < exits.size(); ++i) {
    TrainedRung exit;
    exit.name = fmt::format("exit_{}", layers[i]);
    SMIDGEN_ASSIGN(exit.rung, EncoderRung::create(encoder, std::move(exits[i].head), layers[i]));
    exit.out_of_fold = std::move(exits[i].out_of_fold);
    exit.precision = precision;
    exit.layers_share = static_cast<double>(layers[i]) / static_cast<double>(of);
    exit.chosen = fmt::format("after layer {} of {}, head with C {:g}{}", layers[i], of, exits[i].c,
                              exits[i].taught ? ", taught by the last layer's" : "");
    exit.train_seconds = train_seconds / static_cast<double>(exits.size());
    ladder.rungs.push_back(std::move(exit));
  }
  return Ok{};
}

// What moving the encoder in `seconds` has in common, whichever way.
TuneOptions options_to_move(const LadderOptions& options, double seconds) {
  TuneOptions tuning;
  tuning.seconds_max = seconds;
  if (options.precision) tuning.precision_cost_max = std::numeric_limits<double>::infinity();
  tuning.seed = options.seed;
  return tuning;
}

// The encoder moved, when `seconds` are enough and it then is better than `frozen`; else `frozen` as it is.
Status tune(const TrainingRows& rows, const Encoder& encoder, const EmbeddingMatrix& embeddings,
            const LadderOptions& options, double seconds, ThreadPool& pool, const Watcher& watcher, TrainedRung& rung,
            Ladder& ladder) {
  TuneOptions tuning = options_to_move(options, seconds);
  tuning.folder = options.tuned_folder;
  if (options.exits) tuning.exits = exit_layers(encoder.config().body.layers);
  tuning.state_folder = options.state_folder;
  tuning.state_key = options.state_key;
  std::string why_not;
  SMIDGEN_ASSIGN(std::optional<TunedEncoder> tuned,
                 tune_encoder(rows, encoder, embeddings, tuning, pool, watcher, why_not));
  if (!tuned) {
    ladder.notes.push_back(why_not);
    return Ok{};
  }
  if (!tuned->note.empty()) ladder.notes.push_back(tuned->note);
  if (!tuned->leftover.empty()) ladder.leftovers.push_back(tuned->leftover);
  const Evaluation frozen = calibrated(rows, rung.out_of_fold, options.seed, pool).after;
  const Evaluation moved = calibrated(rows, tuned->out_of_fold, options.seed, pool).after;
  ladder.notes.push_back(fmt::format(
      "Fine-tuning the encoder took {:.1f} minutes{}; its out-of-fold accuracy went from {:.3f} to {:.3f}.{}",
      tuned->seconds / 60, tuned->resumed ? " after a run that was stopped" : "", frozen.accuracy, moved.accuracy,
      moved.log_loss < frozen.log_loss ? "" : " Its probabilities got no better, so the encoder stays as it was."));
  rung.train_seconds += tuned->seconds - tuned->exit_seconds;
  if (!(moved.log_loss < frozen.log_loss)) return Ok{};
  rung.out_of_fold = std::move(tuned->out_of_fold);
  SMIDGEN_ASSIGN(rung.rung, EncoderRung::create(tuned->encoder, std::move(tuned->head)));
  rung.precision = tuned->encoder->precision();
  rung.chosen = fmt::format("fine-tuned for {} epochs, {}{}", tuned->plan.epochs,
                            tuned->fits > 1 ? fmt::format("mean of {} fits, ", tuned->fits) : "",
                            precision_name(tuned->encoder->precision()));
  return push_exits(tuned->encoder, tuning.exits, std::move(tuned->exits), rung.precision, tuned->exit_seconds, ladder);
}

// The encoder moved by contrast, when `seconds` are enough and nothing speaks against it (few_labels.h).
Status move_by_contrast(const TrainingRows& rows, const Encoder& encoder, const EmbeddingMatrix& embeddings,
                        const LadderOptions& options, double seconds, ThreadPool& pool, const Watcher& watcher,
                        TrainedRung& rung, std::vector<std::string>& notes) {
  TuneOptions tuning = options_to_move(options, seconds);
  tuning.folder = options.tuned_folder + "_by_contrast";
  std::string why_not;
  SMIDGEN_ASSIGN(std::optional<ContrastedEncoder> found,
                 contrast_encoder(rows, encoder, embeddings, tuning, pool, watcher, why_not));
  if (!found) {
    notes.push_back(why_not);
    return Ok{};
  }
  TunedEncoder* const moved = &found->moved;
  rung.train_seconds += moved->seconds;
  const Calibration frozen = calibrated(rows, found->frozen_out_of_fold, options.seed, pool);
  const Calibration contrasted = calibrated(rows, moved->out_of_fold, options.seed, pool);
  const bool kept = is_not_worse(losses_of(contrasted, rows.labels), losses_of(frozen, rows.labels), rows.units);
  notes.push_back(fmt::format(
      "Few labels: moving the encoder by contrast took {:.1f} minutes; judged on halves of the rows, its accuracy went "
      "from {:.3f} to {:.3f}.{}",
      moved->seconds / 60, frozen.after.accuracy, contrasted.after.accuracy,
      kept ? "" : " Its probabilities got worse, so the frozen encoder stays."));
  if (!kept) return Ok{};
  if (!moved->note.empty()) notes.push_back(moved->note);
  rung.out_of_fold = std::move(moved->out_of_fold);
  SMIDGEN_ASSIGN(rung.rung, EncoderRung::create(moved->encoder, std::move(moved->head)));
  rung.precision = moved->encoder->precision();
  rung.chosen = fmt::format("moved by contrast{}, {}",
                            moved->share < 1 ? fmt::format(" {:.0f} % of the way", 100 * moved->share) : "",
                            precision_name(moved->encoder->precision()));
  return Ok{};
}

// The exits of the frozen encoder, onto the ladder.
Status add_exits(const TrainingRows& rows, const EncoderFit& fit, const TrainedRung& last, ThreadPool& pool,
                 const Watcher& watcher, Ladder& ladder) {
  const Stopwatch watch;
  const std::vector<std::size_t> exits = exit_layers(fit.encoder->config().body.layers);
  const std::vector<std::string_view> texts(rows.texts.begin(), rows.texts.end());
  SMIDGEN_ASSIGN(const std::vector<EmbeddingMatrix> features, embed_exits(*fit.encoder, texts, exits, pool, watcher));
  SMIDGEN_ASSIGN(
      std::vector<TrainedExit> heads,
      train_exits(rows, features, {fit.embeddings, fit.head.c, last.out_of_fold}, ExitOptions(), pool, watcher));
  return push_exits(fit.encoder, exits, std::move(heads), last.precision, watch.seconds(), ladder);
}

Result<TrainedRung> train_encoder(const TrainingRows& rows, const std::shared_ptr<const Encoder>& f32,
                                  FirstEncoder first, const LadderOptions& options, const Stopwatch& of_ladder,
                                  ThreadPool& pool, const Watcher& watcher, Ladder& ladder) {
  const Stopwatch watch;
  SMIDGEN_ASSIGN(EncoderFit fit, choose_precision(rows, f32, std::move(first), options, pool, watcher));
  const Precision precision = fit.encoder->precision();
  SMIDGEN_ASSIGN(std::unique_ptr<Rung> rung, EncoderRung::create(fit.encoder, std::move(fit.head.head)));
  TrainedRung trained = finished("encoder", std::move(rung), std::move(fit.head),
                                 fmt::format("frozen, {}", precision_name(precision)), watch);
  trained.precision = precision;
  const Status trainable = TrainableEncoder::can_train(f32->config());
  if (options.seconds_max <= 0 && options.precision.value_or(Precision::kF32) == Precision::kF32 && trainable.ok())
    ladder.tuning_minutes =
        estimated_tuning_minutes(rows.size(), rows.label_count, fit.embedding_seconds, f32->kernels(),
                                 options.exits && !exit_layers(f32->config().body.layers).empty());
  if (options.seconds_max > 0 && !trainable.ok())
    ladder.notes.push_back("The encoder was not fine-tuned: " + trainable.error().what() + ".");
  const bool moves = options.seconds_max > 0 && trainable.ok();
  if (moves && contrast_pays(rows))
    SMIDGEN_TRY(move_by_contrast(rows, *fit.encoder, fit.embeddings, options, options.seconds_max - of_ladder.seconds(),
                                 pool, watcher, trained, ladder.notes));
  if (moves && tuning_pays(rows))
    SMIDGEN_TRY(tune(rows, *fit.encoder, fit.embeddings, options, options.seconds_max - of_ladder.seconds(), pool,
                     watcher, trained, ladder));
  if (!options.exits) return trained;
  const Encoder& kept = static_cast<const EncoderRung&>(*trained.rung).encoder();
  if (exit_layers(kept.config().body.layers).empty()) {
    ladder.notes.push_back("No exits were tried: the encoder has one layer.");
  } else if (&kept == fit.encoder.get()) {
    SMIDGEN_TRY(add_exits(rows, fit, trained, pool, watcher, ladder));
  } else if (kept.folder() != options.tuned_folder) {
    ladder.notes.push_back("No exits were tried: there are none of an encoder that few labels moved.");
  }
  return trained;
}

// Which form of a model's labels is fitted: judged by a head on the encoder's embeddings, else by `linear`.
Result<LabelTreatment> treat_by_head(const TrainingRows& rows, const EmbeddingMatrix& features, ThreadPool& pool,
                                     const Watcher& watcher) {
  SMIDGEN_ASSIGN(const HeadTrainer trainer,
                 HeadTrainer::create(features.values, features.dimensions, rows.labels, rows.label_count, pool));
  const std::vector<std::uint32_t> all = all_rows(rows);
  SMIDGEN_ASSIGN(const HeadSearch search,
                 trainer.cross_validate(all, rows.fold_of, rows.folds, default_head_c_grid(), watcher, &rows.targets));
  const CrossFit fit = [&](std::span<const std::uint32_t> on, std::span<const std::uint32_t> held,
                           const FitTargets& targets) -> Result<std::vector<float>> {
    HeadOptions options;
    options.tolerance = 1e-5;
    options.targets = &targets;
    SMIDGEN_ASSIGN(const HeadFit fitted, trainer.fit(on, search.c, watcher, nullptr, options));
    std::vector<float> scores(held.size() * rows.label_count);
    trainer.score(fitted, held, scores);
    return scores;
  };
  return treat_labels(rows, fit, watcher);
}

Result<LabelTreatment> treat_by_linear(const TrainingRows& rows, std::uint64_t seed, ThreadPool& pool,
                                       const Watcher& watcher) {
  SMIDGEN_ASSIGN(LinearTrainer trainer,
                 LinearTrainer::create(rows.texts, rows.labels, rows.label_count, pool, watcher));
  LinearSearchOptions search;
  search.seed = seed;
  search.targets = &rows.targets;
  search.keep_grid = {1};
  const std::vector<std::uint32_t> all = all_rows(rows);
  SMIDGEN_ASSIGN(const LinearChoice choice, trainer.choose(all, rows.fold_of, rows.folds, {}, search, watcher));
  const CrossFit fit = [&](std::span<const std::uint32_t> on, std::span<const std::uint32_t> held,
                           const FitTargets& targets) -> Result<std::vector<float>> {
    LinearSettings settings = choice.settings;
    settings.targets = &targets;
    SMIDGEN_ASSIGN(const std::unique_ptr<LinearRung> rung, trainer.fit(on, settings, watcher));
    std::vector<float> scores(held.size() * rows.label_count);
    const auto scratch = rung->make_scratch();
    for (std::size_t i = 0; i < held.size(); ++i)
      rung->score_text(rows.texts[held[i]], *scratch,
                       std::span(scores).subspan(i * rows.label_count, rows.label_count));
    return scores;
  };
  return treat_labels(rows, fit, watcher);
}

}  // namespace

std::vector<std::uint32_t> all_rows(const TrainingRows& rows) {
  std::vector<std::uint32_t> all(rows.size());
  std::iota(all.begin(), all.end(), 0U);
  return all;
}

void place_scores(std::span<const float> scores, std::span<const std::uint32_t> of, std::size_t labels,
                  std::span<float> out) {
  for (std::size_t i = 0; i < of.size(); ++i)
    std::copy_n(scores.begin() + static_cast<std::ptrdiff_t>(i * labels), labels,
                out.begin() + static_cast<std::ptrdiff_t>(of[i] * labels));
}

std::vector<float> Ladder::side_by_side(std::size_t label_count) const {
  SMIDGEN_CHECK(!rungs.empty());
  const std::size_t rows = rungs.front().out_of_fold.size() / label_count, width = rungs.size() * label_count;
  std::vector<float> scores(rows * width);
  for (std::size_t rung = 0; rung < rungs.size(); ++rung)
    for (std::size_t row = 0; row < rows; ++row)
      std::copy_n(rungs[rung].out_of_fold.begin() + static_cast<std::ptrdiff_t>(row * label_count), label_count,
                  scores.begin() + static_cast<std::ptrdiff_t>(row * width + rung * label_count));
  return scores;
}

void Ladder::remove_leftovers() const {
  std::error_code code;
  for (const std::string& folder : leftovers) std::filesystem::remove_all(folder, code);
}

Precision Ladder::encoder_precision() const {
  for (const TrainedRung& trained : rungs)
    if (trained.rung->kind() == RungKind::kEncoder) return trained.precision;
  return Precision::kF32;
}

Result<Ladder> train_ladder(const TrainingRows& given, const LadderOptions& options, ThreadPool& pool,
                            const Watcher& watcher) {
  const Stopwatch watch;
  Ladder ladder;
  std::shared_ptr<const Encoder> encoder;
  if (options.static_vectors || options.encoder) {
    SMIDGEN_ASSIGN(Encoder loaded, Encoder::load(options.encoder_folder, {.tokens_max = options.tokens_max}));
    encoder = std::make_shared<const Encoder>(std::move(loaded));
  }
  FirstEncoder first;
  if (options.encoder) {
    SMIDGEN_ASSIGN(first.encoder, in_precision(encoder, options, options.precision.value_or(Precision::kF32)));
  }
  std::optional<TrainingRows> treated;
  if (!given.from_model.empty()) {
    const Watcher of_labels = named(watcher, "labels");
    if (options.encoder) {
      const Stopwatch embedding;
      SMIDGEN_ASSIGN(first.embeddings, embed(given, *first.encoder, options, pool, of_labels));
      first.embedding_seconds = embedding.seconds();
    }
    SMIDGEN_ASSIGN(ladder.labels, first.embeddings ? treat_by_head(given, *first.embeddings, pool, of_labels)
                                                   : treat_by_linear(given, options.seed, pool, of_labels));
    ladder.notes.push_back(ladder.labels->in_words());
    treated = given;
    treated->targets = std::move(ladder.labels->targets);
  }
  const TrainingRows& rows = treated ? *treated : given;
  if (options.linear) {
    SMIDGEN_ASSIGN(TrainedRung trained, train_linear(rows, options, pool, named(watcher, "linear")));
    ladder.rungs.push_back(std::move(trained));
  }
  if (options.static_vectors) {
    SMIDGEN_ASSIGN(TrainedRung trained,
                   train_static(rows, *encoder, options.cache_folder, pool, named(watcher, "static")));
    ladder.rungs.push_back(std::move(trained));
  }
  if (options.encoder) {
    SMIDGEN_ASSIGN(TrainedRung trained, train_encoder(rows, encoder, std::move(first), options, watch, pool,
                                                      named(watcher, "encoder"), ladder));
    ladder.rungs.push_back(std::move(trained));
  }
  if (ladder.rungs.empty()) return Error::usage("no rung to train");
  if (options.repair_typos && options.linear && encoder != nullptr) {
    ladder.speller = make_speller(rows.texts, encoder->tokenizer());
    if (ladder.speller == nullptr)
      ladder.notes.push_back("Typos are not repaired: the rows have too many different words for that.");
  }
  return ladder;
}

}  // namespace smidgen
