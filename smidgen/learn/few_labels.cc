#include "smidgen/learn/few_labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "smidgen/base/clock.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/learn/moved_encoder.h"
#include "smidgen/learn/score_quality.h"
#include "smidgen/learn/training_rows.h"

namespace smidgen {

namespace {

constexpr std::size_t kHalves = 2, kStepsMin = 25, kStepsMax = 600, kPasses = 8;
constexpr std::size_t kStepsToJudge = 3;  // after these the time of the whole is known well enough,
constexpr double kFirstStepsCost = 2;     // before them within this: the first step pays for memory
constexpr double kHeadC = 4;
constexpr double kNamesGainMin = 0.25;      // of what the most frequent label leaves wrong
constexpr std::size_t kNameCopies = 4;      // rows that the name of a label is worth
constexpr std::array kShares = {1.0, 0.5};  // of the way from frozen to moved, where the encoder may stay

using Rows = std::vector<std::uint32_t>;

double rows_a_label(const TrainingRows& rows) {
  return static_cast<double>(rows.size()) / static_cast<double>(std::max<std::size_t>(1, rows.label_count));
}

// "card_payment" is read as two words.
std::vector<std::string> texts_of_names(const TrainingRows& rows) {
  std::vector<std::string> texts = rows.label_names;
  for (std::string& text : texts) std::replace(text.begin(), text.end(), '_', ' ');
  return texts;
}

class Contrast {
 public:
  // names: texts of one row more for each label, or none.
  Contrast(const TrainingRows& rows, const std::vector<std::string>& names, const Encoder& encoder,
           const TuneOptions& options, ThreadPool& pool, const Watcher& watcher)
      : rows_(rows),
        encoder_(encoder),
        options_(options),
        pool_(pool),
        watcher_(watcher),
        ids_(rows.size()),
        name_ids_(names.size()) {
    for (std::size_t label = 0; label < names.size(); ++label)
      encoder.tokenizer().encode(names[label], encoder.tokens_max(), name_ids_[label]);
    pool.parallel_for(rows.size(), [&](std::size_t i, std::size_t) {
      encoder.tokenizer().encode(rows.texts[i], encoder.tokens_max(), ids_[i]);
    });
    const Rows all = all_rows(rows);
    parts_.push_back(all);
    for (std::size_t half = 0; half < kHalves; ++half) {
      Rows on;
      for (const std::uint32_t row : all)
        if (half_of(row) != half) on.push_back(row);
      parts_.push_back(std::move(on));
    }
    for (const Rows& part : parts_) work_ += work_of(fitted(part).size() + kNameCopies * names.size());
  }

  // An encoder on its way: its weights before and after contrast on some rows.
  struct Moved {
    TokenRows on;
    TrainableEncoder encoder;
    std::vector<float> start, end;
  };

  // A half with fewer than two labels teaches nothing.
  bool possible() const {
    return std::all_of(parts_.begin(), parts_.end(), [&](const Rows& whole) {
      const Rows part = fitted(whole);
      return std::any_of(part.begin(), part.end(),
                         [&](std::uint32_t row) { return rows_.labels[row] != rows_.labels[part.front()]; });
    });
  }
  // What the whole takes, judged by what was done so far; over_budget(): it was stopped for that.
  double seconds_expected() const { return seconds_expected_; }
  bool over_budget() const { return over_budget_; }

  // Of the share of the way that has the lower loss at its best temperature, which share() then is, in the precision
  // that will run: where that of the frozen encoder costs too much, in the slower one.
  Result<std::vector<float>> out_of_fold() {
    const std::size_t labels = rows_.label_count;
    std::vector<Precision> precisions = {encoder_.precision()};
    if (const std::optional<Precision> slower = slower_precision(encoder_)) precisions.push_back(*slower);
    std::vector<std::vector<float>> scores(precisions.size() * kShares.size(),
                                           std::vector<float>(rows_.size() * labels));
    for (std::size_t half = 0; half < kHalves; ++half) {
      Rows off;
      for (const std::uint32_t row : parts_[0])
        if (half_of(row) == half) off.push_back(row);
      SMIDGEN_ASSIGN(Moved moved, move(1 + half));
      const double before = seconds();
      for (std::size_t which = 0; which < kShares.size(); ++which) {
        SMIDGEN_ASSIGN(const SoftmaxHead head, settle(moved, kShares[which]));
        const TemporaryFolder copy(options_.folder + "_of_half");
        SMIDGEN_TRY(write_moved(encoder_, moved.encoder, copy.path()));
        for (std::size_t i = 0; i < precisions.size(); ++i) {
          SMIDGEN_ASSIGN(const auto written, load_moved(encoder_, copy.path(), precisions[i]));
          SMIDGEN_ASSIGN(const auto part, score_as_run(*written, head, tokens(off).ids, pool_, watcher_));
          place_scores(part, off, labels, scores[i * kShares.size() + which]);
        }
      }
      seconds_scoring_ += seconds() - before;
      ++halves_scored_;
    }
    std::vector<ScoreQuality> quality;
    for (const std::vector<float>& one : scores) quality.push_back(score_quality(one, rows_.labels, labels));
    const auto best_in = [&](std::size_t precision) {
      const auto first = quality.begin() + static_cast<std::ptrdiff_t>(precision * kShares.size());
      const auto best = std::min_element(first, first + static_cast<std::ptrdiff_t>(kShares.size()),
                                         [](const auto& a, const auto& b) { return a.log_loss < b.log_loss; });
      return static_cast<std::size_t>(best - quality.begin());
    };
    std::size_t best = best_in(0);
    if (const std::size_t slower = best_in(precisions.size() - 1);
        quality[slower].accuracy - quality[best].accuracy > options_.precision_cost_max)
      best = slower;
    share_ = kShares[best % kShares.size()];
    runs_in_ = precisions[best / kShares.size()];
    return std::move(scores[best]);
  }
  double share() const { return share_; }
  Precision runs_in() const { return runs_in_; }

  // The same of heads on the frozen encoder's embeddings; names (labels, dimensions): of the names, when they count.
  Result<std::vector<float>> frozen_out_of_fold(const EmbeddingMatrix& embeddings, const EmbeddingMatrix& names) {
    const std::size_t labels = rows_.label_count;
    std::vector<float> values = embeddings.values;
    std::vector<std::uint32_t> all_labels = rows_.labels;
    FitTargets targets = rows_.targets;
    Rows of_names;
    for (std::size_t i = 0; i < kNameCopies * name_ids_.size(); ++i) {
      const std::size_t label = i % name_ids_.size();
      of_names.push_back(static_cast<std::uint32_t>(all_labels.size()));
      values.insert(values.end(), names.row(label).begin(), names.row(label).end());
      add_name(static_cast<std::uint32_t>(label), all_labels, targets);
    }
    SMIDGEN_ASSIGN(const HeadTrainer heads,
                   HeadTrainer::create(values, embeddings.dimensions, all_labels, labels, pool_));
    std::vector<float> scores(rows_.size() * labels);
    for (std::size_t half = 0; half < kHalves; ++half) {
      HeadOptions head;
      head.targets = &targets;
      Rows on = fitted(parts_[1 + half]);
      on.insert(on.end(), of_names.begin(), of_names.end());
      SMIDGEN_ASSIGN(const HeadFit fit, heads.fit(on, options_.c, watcher_, nullptr, head));
      for (const std::uint32_t row : parts_[0])
        if (half_of(row) == half)
          fit.head.log_probabilities(embeddings.row(row), std::span(scores).subspan(row * labels, labels));
    }
    return scores;
  }

  // part 0: all rows; else all but a half.
  Result<Moved> move(std::size_t part) {
    SMIDGEN_ASSIGN(TrainableEncoder trainable,
                   TrainableEncoder::load(encoder_.folder(), TrainableEncoder::fast_precision(encoder_.kernels()),
                                          encoder_.kernels(), pool_));
    TokenRows on = with_names(tokens(fitted(parts_[part])));
    std::vector<float> start = trainable.weights();
    const ContrastOptions options = contrast_options(on.ids.size(), options_.seed);
    const double before = work_done_, share = work_of(on.ids.size()) / static_cast<double>(options.steps);
    if (before == 0) seconds_before_ = seconds();
    std::size_t steps = 0;
    Watcher inner = watcher_;
    inner.cancelled = [&] { return over_budget_ || watcher_.stop_requested(); };
    inner.progress = [&](const ProgressEvent& event) {
      work_done_ = before + share * static_cast<double>(++steps);
      const double aside = seconds_before_ + seconds_scoring_, halves = static_cast<double>(halves_scored_);
      const double scoring_to_come = halves > 0 ? seconds_scoring_ * (kHalves - halves) / halves : 0;
      seconds_expected_ = aside + (seconds() - aside) * work_ / work_done_ + scoring_to_come;
      const double at_most = before > 0 || steps >= kStepsToJudge ? 1 : kFirstStepsCost;
      over_budget_ = seconds_expected_ > at_most * options_.seconds_max;
      watcher_.report("contrasting", work_done_ / work_, event.detail);
    };
    SMIDGEN_TRY(contrast(trainable, on, rows_.label_count, options, inner));
    std::vector<float> end = trainable.weights();
    return Moved{std::move(on), std::move(trainable), std::move(start), std::move(end)};
  }

  // Leaves the encoder at this share of the way it was moved (Wortsman et al., "Robust fine-tuning of zero-shot
  // models", 2021) and fits a head there.
  Result<SoftmaxHead> settle(Moved& moved, double share) {
    std::vector<float> weights = moved.end;
    if (share < 1) {
      const auto part = static_cast<float>(share);
      for (std::size_t i = 0; i < weights.size(); ++i)
        weights[i] = moved.start[i] + part * (moved.end[i] - moved.start[i]);
    }
    moved.encoder.take_weights(weights);
    const std::vector<float> embeddings = embed_rows(moved.encoder, moved.on.ids);
    SMIDGEN_ASSIGN(const HeadTrainer heads, HeadTrainer::create(embeddings, moved.encoder.dimensions(), moved.on.labels,
                                                                rows_.label_count, pool_));
    Rows all(moved.on.labels.size());
    std::iota(all.begin(), all.end(), 0U);
    HeadOptions options;
    options.targets = &moved.on.targets;
    SMIDGEN_ASSIGN(HeadFit head, heads.fit(all, kHeadC, watcher_, nullptr, options));
    return std::move(head.head);
  }

  double seconds() const { return seconds_since(start_); }

 private:
  std::size_t half_of(std::uint32_t row) const { return rows_.fold_of[row] * kHalves / rows_.folds; }
  // Rows that pass through the encoder.
  static double work_of(std::size_t rows) {
    const ContrastOptions options = contrast_options(rows, 1);
    return static_cast<double>(options.steps * std::min(rows, options.batch_rows));
  }
  Rows fitted(const Rows& on) const { return rows_to_fit(rows_, on); }
  TokenRows tokens(const Rows& of) const { return token_rows(rows_, ids_, of); }

  void add_name(std::uint32_t label, std::vector<std::uint32_t>& labels, FitTargets& targets) const {
    if (rows_.targets.soft.rows() > 0) targets.soft.add_row(std::vector<SoftLabel>{{label, 1.0F}});
    if (!rows_.targets.weights.empty()) targets.weights.push_back(1);
    labels.push_back(label);
  }
  TokenRows with_names(TokenRows on) const {
    for (std::size_t i = 0; i < kNameCopies * name_ids_.size(); ++i) {
      on.ids.push_back(name_ids_[i % name_ids_.size()]);
      add_name(static_cast<std::uint32_t>(i % name_ids_.size()), on.labels, on.targets);
    }
    return on;
  }

  const TrainingRows& rows_;
  const Encoder& encoder_;
  const TuneOptions& options_;
  ThreadPool& pool_;
  const Watcher& watcher_;
  std::vector<std::vector<std::int32_t>> ids_, name_ids_;
  std::vector<Rows> parts_;
  Precision runs_in_ = encoder_.precision();
  SteadyTime start_ = steady_now();
  double seconds_before_ = 0;   // the first step
  double seconds_scoring_ = 0;  // of the halves that were moved and scored so far
  std::size_t halves_scored_ = 0;
  double work_ = 0, work_done_ = 0, seconds_expected_ = 0, share_ = 1;
  bool over_budget_ = false;
};

}  // namespace

bool contrast_pays(const TrainingRows& rows) {
  return rows_a_label(rows) <= kContrastRowsPerLabelMax;
}
bool tuning_pays(const TrainingRows& rows) {
  return rows_a_label(rows) >= kTuneRowsPerLabelMin;
}

ContrastOptions contrast_options(std::size_t rows, std::uint64_t seed) {
  ContrastOptions options;
  options.steps = std::clamp(kPasses * rows / options.batch_rows, kStepsMin, kStepsMax);
  options.seed = seed;
  return options;
}

bool is_not_worse(std::span<const double> losses, std::span<const double> other, std::span<const std::uint32_t> units) {
  const PairedDifference difference = paired_difference(losses, other, units);
  return difference.mean <= difference.standard_error;
}

std::optional<double> names_say(const TrainingRows& rows, const EmbeddingMatrix& embeddings,
                                const EmbeddingMatrix& names) {
  const std::size_t labels = rows.label_count, n = embeddings.dimensions;
  std::vector<double> length(labels), count(labels);
  for (std::size_t label = 0; label < labels; ++label)
    length[label] = std::sqrt(static_cast<double>(kernels().dot(names.row(label).data(), names.row(label).data(), n)));
  double right = 0, all = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (!rows.targets.weights.empty() && rows.targets.weights[row] <= 0) continue;
    std::size_t best = 0;
    double closest = -std::numeric_limits<double>::infinity();
    for (std::size_t label = 0; label < labels; ++label) {
      const double cosine = static_cast<double>(kernels().dot(embeddings.row(row).data(), names.row(label).data(), n)) /
                            std::max(length[label], 1e-12);  // the row's length changes no order
      if (cosine > closest) {
        closest = cosine;
        best = label;
      }
    }
    ++count[rows.labels[row]];
    if (best == rows.labels[row]) ++right;
    ++all;
  }
  if (all == 0) return std::nullopt;
  const double chance = *std::max_element(count.begin(), count.end()) / all;
  const double share = right / all, above = share - chance;
  if (above <= std::sqrt(chance * (1 - chance) / all) || above < kNamesGainMin * (1 - chance)) return std::nullopt;
  return share;
}

Result<std::optional<ContrastedEncoder>> contrast_encoder(const TrainingRows& rows, const Encoder& encoder,
                                                          const EmbeddingMatrix& embeddings, const TuneOptions& options,
                                                          ThreadPool& pool, const Watcher& watcher,
                                                          std::string& why_not) {
  if (options.seconds_max <= 0) {
    why_not = "The encoder was not moved by contrast: no minutes were left for it.";
    return std::optional<ContrastedEncoder>();
  }
  std::vector<std::string> names = texts_of_names(rows);
  std::string note;
  EmbeddingMatrix named;
  if (!names.empty()) {
    const std::vector<std::string_view> views(names.begin(), names.end());
    SMIDGEN_ASSIGN(named, embed_all(encoder, views, pool, watcher));
    if (const std::optional<double> share = names_say(rows, embeddings, named))
      note = fmt::format(
          "The names of the labels were learnt as texts of their labels: similarity to them alone is right on {:.0f} % "
          "of the rows.",
          100 * *share);
    else
      names.clear();
  }
  Contrast contrast(rows, names, encoder, options, pool, watcher);
  if (!contrast.possible()) {
    why_not = "The encoder was not moved by contrast: half of the rows have one label only.";
    return std::optional<ContrastedEncoder>();
  }
  const auto too_long = [&] {
    why_not =
        fmt::format("The encoder was not moved by contrast: it takes about {:.1f} minutes here, {:.1f} were left.",
                    contrast.seconds_expected() / 60, std::max(0.0, options.seconds_max) / 60);
    return std::optional<ContrastedEncoder>();
  };
  ContrastedEncoder found;
  TunedEncoder& tuned = found.moved;
  auto out_of_fold = contrast.out_of_fold();
  if (!out_of_fold.ok() && contrast.over_budget()) return too_long();
  SMIDGEN_ASSIGN(tuned.out_of_fold, std::move(out_of_fold));
  SMIDGEN_ASSIGN(found.frozen_out_of_fold, contrast.frozen_out_of_fold(embeddings, named));
  auto all = contrast.move(0);
  if (!all.ok() && contrast.over_budget()) return too_long();
  if (!all.ok()) return std::move(all).error();
  SMIDGEN_ASSIGN(tuned.head, contrast.settle(*all, contrast.share()));
  SMIDGEN_TRY(write_moved(encoder, all->encoder, options.folder));
  SMIDGEN_ASSIGN(tuned.encoder, load_moved(encoder, options.folder, contrast.runs_in()));
  tuned.share = contrast.share();
  tuned.note = std::move(note);
  tuned.plan = {0, kHalves, contrast.seconds()};
  tuned.seconds = contrast.seconds();
  return std::optional<ContrastedEncoder>(std::move(found));
}

}  // namespace smidgen
