#include "smidgen/learn/tuned_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

#include "smidgen/learn/head_trainer.h"

namespace smidgen {

namespace {

constexpr std::size_t kEpochsMin = 2, kEpochsMax = 8;
constexpr double kRowsSeen = 45000;  // epochs times rows that are enough for most tasks
constexpr std::size_t kTrialBatches = 6;

using Rows = std::vector<std::uint32_t>;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Tuning {
 public:
  Tuning(const TrainingRows& rows, const Encoder& encoder, const HeadTrainer& heads, const TuneOptions& options,
         ThreadPool& pool, const Watcher& watcher)
      : rows_(rows), encoder_(encoder), heads_(heads), options_(options), pool_(pool), watcher_(watcher) {
    ids_.resize(rows.size());
    pool.parallel_for(rows.size(), [&](std::size_t i, std::size_t) {
      encoder.tokenizer().encode(rows.texts[i], encoder.tokens_max(), ids_[i]);
    });
  }

  // Rows a second, from steps on a copy; the first batch pays for memory and is not counted.
  Result<double> speed() {
    Rows first;
    for (std::uint32_t i = 0; i < std::min<std::size_t>(rows_.size(), FineTuneOptions{}.batch_rows); ++i)
      first.push_back(i);
    Rows some;
    const std::size_t count = std::min(rows_.size(), kTrialBatches * FineTuneOptions{}.batch_rows);
    for (std::size_t i = 0; i < count; ++i) some.push_back(static_cast<std::uint32_t>(i * rows_.size() / count));
    SMIDGEN_ASSIGN(TrainableEncoder copy, load());
    SoftmaxHead head{rows_.label_count, encoder_.dimensions(),
                     std::vector<float>(rows_.label_count * encoder_.dimensions()),
                     std::vector<float>(rows_.label_count)};
    FineTuneOptions options;
    options.epochs = 1;
    Watcher quiet;
    quiet.cancelled = watcher_.cancelled;
    SMIDGEN_TRY(fine_tune(copy, head, tokens(first), options, quiet));
    SMIDGEN_ASSIGN(const FineTuneReport report, fine_tune(copy, head, tokens(some), options, quiet));
    return report.rows_per_second;
  }

  struct Fitted {
    TrainableEncoder encoder;
    SoftmaxHead head;
  };
  Result<Fitted> fit(const Rows& on, const TunePlan& plan, const std::string& stage) {
    SMIDGEN_ASSIGN(HeadFit start, heads_.fit(on, options_.c, watcher_));
    SMIDGEN_ASSIGN(TrainableEncoder trainable, load());
    FineTuneOptions options;
    options.epochs = plan.epochs;
    options.seed = options_.seed;
    Watcher inner = watcher_;
    if (watcher_.progress)
      inner.progress = [&](const ProgressEvent& event) { watcher_.progress({stage, event.fraction, event.detail}); };
    SMIDGEN_TRY(fine_tune(trainable, start.head, tokens(on), options, inner));
    return Fitted{std::move(trainable), std::move(start.head)};
  }

  Result<std::vector<float>> out_of_fold(const TunePlan& plan) {
    std::vector<float> scores(rows_.size() * rows_.label_count);
    for (std::size_t fold = 0; fold < plan.folds; ++fold) {
      Rows on, off;
      for (std::uint32_t i = 0; i < rows_.size(); ++i)
        (rows_.fold_of[i] * plan.folds / rows_.folds == fold ? off : on).push_back(i);
      if (on.empty() || off.empty()) continue;
      SMIDGEN_ASSIGN(Fitted fitted, fit(on, plan, fmt::format("fine-tuning, part {} of {}", fold + 1, plan.folds + 1)));
      const std::vector<float> part = score_rows(fitted.encoder, fitted.head, tokens(off).ids);
      for (std::size_t i = 0; i < off.size(); ++i)
        std::copy_n(part.begin() + static_cast<std::ptrdiff_t>(i * rows_.label_count), rows_.label_count,
                    scores.begin() + static_cast<std::ptrdiff_t>(off[i] * rows_.label_count));
    }
    return scores;
  }

  // The encoder's files with the moved weights.
  Status write(TrainableEncoder& trainable) {
    std::error_code code;
    std::filesystem::create_directories(options_.folder, code);
    if (code) return Error(ErrorKind::kCannotCreate, "cannot create folder: " + code.message()).in(options_.folder);
    SMIDGEN_TRY(encoder_.save(options_.folder));
    return trainable.save_weights(options_.folder + "/" + trainable.config().body_prefix + "model.safetensors");
  }

  TokenRows tokens(const Rows& of) const {
    TokenRows out;
    for (const std::uint32_t row : of) {
      out.ids.push_back(ids_[row]);
      out.labels.push_back(rows_.labels[row]);
    }
    return out;
  }

 private:
  Result<TrainableEncoder> load() const {
    return TrainableEncoder::load(encoder_.folder(), TrainableEncoder::fast_precision(encoder_.kernels()),
                                  encoder_.kernels(), pool_);
  }

  const TrainingRows& rows_;
  const Encoder& encoder_;
  const HeadTrainer& heads_;
  const TuneOptions& options_;
  ThreadPool& pool_;
  const Watcher& watcher_;
  std::vector<std::vector<std::int32_t>> ids_;
};

}  // namespace

// Fits on k folds cost k - 1 passes over the rows for each epoch, the last fit one more.
TunePlan plan_tuning(std::size_t rows, double rows_per_second, double seconds_max) {
  const double epoch = static_cast<double>(rows) / rows_per_second;
  const double wanted = std::round(kRowsSeen / static_cast<double>(rows));
  const auto enough = static_cast<std::size_t>(
      std::clamp(wanted, static_cast<double>(kEpochsMin) + 1, static_cast<double>(kEpochsMax)));
  const auto cost = [&](std::size_t epochs, std::size_t folds) { return static_cast<double>(epochs * folds) * epoch; };
  if (cost(enough, 3) <= seconds_max) return {enough, 3, cost(enough, 3)};
  for (std::size_t epochs = enough; epochs >= kEpochsMin; --epochs)
    if (cost(epochs, 2) <= seconds_max) return {epochs, 2, cost(epochs, 2)};
  return {0, 0, cost(kEpochsMin, 2)};
}

Result<std::optional<TunedEncoder>> tune_encoder(const TrainingRows& rows, const Encoder& encoder,
                                                 const EmbeddingMatrix& embeddings, const TuneOptions& options,
                                                 ThreadPool& pool, const Watcher& watcher, std::string& why_not) {
  const auto start = std::chrono::steady_clock::now();
  SMIDGEN_ASSIGN(const HeadTrainer heads,
                 HeadTrainer::create(embeddings.values, embeddings.dimensions, rows.labels, rows.label_count, pool));
  Tuning tuning(rows, encoder, heads, options, pool, watcher);
  watcher.report("timing", 0);
  SMIDGEN_ASSIGN(const double speed, tuning.speed());
  TunedEncoder tuned;
  tuned.plan = plan_tuning(rows.size(), speed, options.seconds_max - seconds_since(start));
  if (tuned.plan.epochs == 0) {
    why_not = fmt::format(
        "The encoder was not fine-tuned: the least that makes sense takes about {:.1f} minutes here, {:.1f} were left.",
        tuned.plan.seconds / 60, std::max(0.0, options.seconds_max - seconds_since(start)) / 60);
    return std::optional<TunedEncoder>();
  }
  SMIDGEN_ASSIGN(tuned.out_of_fold, tuning.out_of_fold(tuned.plan));
  Rows all(rows.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  SMIDGEN_ASSIGN(Tuning::Fitted fitted,
                 tuning.fit(all, tuned.plan,
                            fmt::format("fine-tuning, part {} of {}", tuned.plan.folds + 1, tuned.plan.folds + 1)));
  SMIDGEN_TRY(tuning.write(fitted.encoder));
  tuned.head = std::move(fitted.head);
  EncoderOptions as_before;
  as_before.tokens_max = encoder.tokens_max();
  as_before.kernels = &encoder.kernels();
  as_before.precision = encoder.precision();
  SMIDGEN_ASSIGN(Encoder loaded, Encoder::load(options.folder, as_before));
  tuned.encoder = std::make_shared<const Encoder>(std::move(loaded));
  tuned.seconds = seconds_since(start);
  return std::optional<TunedEncoder>(std::move(tuned));
}

}  // namespace smidgen
