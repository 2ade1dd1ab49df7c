#include "smidgen/learn/tuned_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <unordered_set>
#include <utility>

#include "smidgen/base/clock.h"
#include "smidgen/base/sha256.h"
#include "smidgen/base/version.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/learn/moved_encoder.h"
#include "smidgen/learn/score_quality.h"
#include "smidgen/learn/training_rows.h"
#include "smidgen/learn/tuning_state.h"

namespace smidgen {

namespace {

constexpr std::size_t kEpochsMin = 2;
constexpr double kRowsSeen = 45000;               // epochs times rows that are enough for most tasks
constexpr double kShareOfMostFolds = 0.9;         // of the budget, that these may be planned to take
constexpr double kRateOfFewRows = 2;              // times the recipe's, for the mean of most fits
constexpr std::size_t kFewRowsMax = 4000;         // that take it, and leave pairs of folds out
constexpr std::size_t kRowsOfLabelForPairs = 64;  // else a fit on three folds of five sees too few of each
constexpr std::size_t kTrialBatches = 6;
constexpr std::size_t kHeldUnitsMin = 50;  // fewer say nothing about when to stop
constexpr std::size_t kPatience = 3;       // epochs in a row that are worse than the best
constexpr int kRecipe = 7;                 // of plan, stopping, mean, scores: state of another is not gone on with
static_assert(kTuneFoldsMax <= kFolds);
constexpr std::size_t kRowsToJudgeMean = 2000;
constexpr double kShareOfExits = 0.15;  // of the budget, kept for them: reading all rows again, and heads on them

using Rows = std::vector<std::uint32_t>;

// Of all rows, that each part is fitted on.
double share_of_part(const TunePlan& plan) {
  return 1 - static_cast<double>(plan.left_out) / static_cast<double>(plan.folds);
}

bool same_parts(const TunePlan& a, const TunePlan& b) {
  return a.folds == b.folds && a.left_out == b.left_out;
}

TuningState nothing_kept() {
  return std::move(TuningState::open("", "")).value();
}

// Of the weights of fits, (encoder, then head).
class WeightMean {
 public:
  void add(std::span<const float> weights) {
    SMIDGEN_CHECK(count_ == 0 || weights.size() == sum_.size());
    sum_.resize(weights.size());
    kernels().axpy(1.0F, weights.data(), sum_.data(), weights.size());
    ++count_;
  }
  std::size_t count() const { return count_; }
  std::vector<float> value() const {
    std::vector<float> mean = sum_;
    for (float& weight : mean) weight /= static_cast<float>(count_);
    return mean;
  }

 private:
  std::vector<float> sum_;
  std::size_t count_ = 0;
};

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

  // Rows a second, from steps on a copy; the first batch pays for memory and is not counted. Ends early where
  // possible(rows a second) says that nothing can come of it; of the first batch it is asked about twice the speed.
  template <class Possible>
  Result<double> speed(Possible possible) {
    SMIDGEN_ASSIGN(TrainableEncoder copy, load());
    SoftmaxHead head = no_head();
    FineTuneOptions options = options_.recipe;
    options.epochs = 1;
    Watcher quiet;
    quiet.cancelled = watcher_.cancelled;
    const std::size_t batch_rows = std::min<std::size_t>(rows_.size(), options.batch_rows);
    const std::size_t batches = std::min(rows_.size() / batch_rows, kTrialBatches);
    const auto seconds_of = [&](std::size_t batch) -> Result<double> {
      Rows some;
      for (std::size_t i = batch; i < batches * batch_rows; i += batches)
        some.push_back(static_cast<std::uint32_t>(i * rows_.size() / (batches * batch_rows)));
      SMIDGEN_ASSIGN(const FineTuneReport report, fine_tune(copy, head, tokens(some), options, quiet));
      return std::max(1e-9, report.seconds);
    };
    SMIDGEN_ASSIGN(double seconds, seconds_of(0));
    double rows = static_cast<double>(batch_rows);
    if (!possible(2 * rows / seconds)) return rows / seconds;
    seconds = rows = 0;
    for (std::size_t batch = 0; batch < batches; ++batch) {
      SMIDGEN_ASSIGN(const double more, seconds_of(batch));
      seconds += more;
      rows += static_cast<double>(batch_rows);
      if (!possible(rows / seconds)) break;
    }
    return rows / seconds;
  }

  struct Fitted {
    TrainableEncoder encoder;
    SoftmaxHead head;
    bool to_its_end = true;  // of its schedule: neither patience nor time ended it
  };
  // Part `part` of parts_ or, behind them, the last; held: rows it is judged on after each epoch, each of its own unit,
  // may be empty. Its schedule is cut, at least to one epoch, when its share of the time that is left is not enough;
  // the epochs it took are then all that the later parts take.
  Result<Fitted> fit(const Rows& on, const Rows& held, TunePlan& plan, std::size_t part, double seconds_left) {
    HeadOptions towards;
    towards.targets = &rows_.targets;
    SMIDGEN_ASSIGN(HeadFit start, heads_.fit(on, options_.c, watcher_, nullptr, towards));
    SMIDGEN_ASSIGN(TrainableEncoder trainable, load());
    FineTuneOptions options = options_.recipe;
    options.epochs = plan.epochs;
    options.seed = options_.seed;
    options.rate = tuning_rate(options.rate, rows_.size(), plan);
    options.checkpoint = state_.checkpoint(part);
    options.checkpoint_key = precision_name(precision());
    options.checkpoint_when_done = part == parts_.size() && !options_.exits.empty();
    // This part's rows, of the rows of all parts to come.
    const double rows_left =
        (static_cast<double>(parts_.size() - part) * share_of_part(plan) + 1) * static_cast<double>(rows_.size());
    options.seconds_max = std::max(1e-3, seconds_left * static_cast<double>(on.size()) / rows_left);
    const TokenRows judged = tokens(held);
    if (held.size() >= kHeldUnitsMin) {
      options.held = &judged;
      options.patience = kPatience;
    }
    Watcher inner = watcher_;
    const std::string stage = fmt::format("fine-tuning, part {} of {}", part + 1, parts_.size() + 1);
    if (watcher_.progress)
      inner.progress = [&](const ProgressEvent& event) { watcher_.progress({stage, event.fraction, event.detail}); };
    SMIDGEN_ASSIGN(const FineTuneReport report, fine_tune(trainable, start.head, tokens(fitted(on)), options, inner));
    const std::size_t taken = report.out_of_patience ? best_epoch(report.epochs) + 1 : report.epochs.size();
    plan.epochs = std::clamp<std::size_t>(taken, 1, plan.epochs);
    resumed_ = resumed_ || report.resumed_steps > 0;
    if (!report.note.empty()) add_note(report.note);
    const bool to_its_end = !report.out_of_patience && !report.out_of_time;
    return Fitted{std::move(trainable), std::move(start.head), to_its_end};
  }

  Result<Fitted> fit_last(TunePlan& plan, double seconds_left) {
    return fit(all_rows(rows_), {}, plan, parts_.size(), seconds_left);
  }

  // All parts but the last. seconds_left(): of the budget.
  template <class SecondsLeft>
  Status fit_parts(TunePlan& plan, SecondsLeft seconds_left) {
    parts_ = parts_of(plan);
    SMIDGEN_ASSIGN(const std::size_t weights, weight_count());
    for (std::size_t part = 0; part < parts_.size(); ++part)
      SMIDGEN_TRY(finish_part(part, plan, weights, seconds_left()));
    return Ok{};
  }

  // Each fold's by the parts that left it out: by their mean, or by the first of them alone. As the encoder that is
  // kept will run: where its precision costs too much, in the slower one, from here on.
  Result<std::vector<float>> out_of_fold(const TunePlan& plan, bool by_one) {
    exits_.clear();
    std::vector<float> scores(rows_.size() * rows_.label_count), in_training(scores.size());
    for (std::size_t fold = 0; fold < plan.folds; ++fold) {
      const auto [on, off] = without({fold}, plan);
      if (on.empty() || off.empty()) continue;
      SMIDGEN_ASSIGN(const FinishedFold found, finish_fold(fold, on, off, plan, by_one));
      place_scores(found.scores, off, rows_.label_count, scores);
      place_scores(found.in_training, off, rows_.label_count, in_training);
      for (std::size_t i = 0; i < found.exits.size(); ++i) {
        if (exits_.size() == i) exits_.push_back({{}, std::vector<float>(scores.size()), found.exits[i].c, false});
        place_scores(found.exits[i].scores, off, rows_.label_count, exits_[i].out_of_fold);
      }
    }
    const auto accuracy = [&](std::span<const float> said) {
      return score_quality(said, rows_.labels, rows_.label_count).accuracy;
    };
    const std::optional<Precision> slower = slower_precision(encoder_);
    const double cost = accuracy(in_training) - accuracy(scores);
    if (!slower || runs_in_ == *slower || cost <= options_.precision_cost_max) return scores;
    runs_in_ = *slower;
    return out_of_fold(plan, by_one);
  }
  Precision runs_in() const { return runs_in_; }

  // Heads after inner layers of what is kept, with the C and the scores of those of the folds.
  Result<std::vector<TrainedExit>> exits(const Encoder& kept) {
    SMIDGEN_ASSIGN(std::vector<TunedExit> heads, fit_exits(kept, all_rows(rows_), {}));
    for (std::size_t i = 0; i < heads.size(); ++i) exits_[i].head = std::move(heads[i].head);
    return std::move(exits_);
  }
  double exit_seconds() const { return exit_seconds_; }

  // Gives the last fit, on all rows, the mean of the weights of the parts and, if it came to its end, its own: the same
  // start, the same schedule and other rows end in one valley, whose middle answers unseen rows better than its rim
  // (Wortsman et al., "Model soups", 2022). Were there a ridge between them, the mean would have forgotten what each of
  // them learnt: when on its own rows it is not at least half of the way from what the other fits answer right of rows
  // they have not seen to what the last fit does, that one stays as it is. Returns how many fits were averaged, 1 for
  // none.
  std::size_t average(Fitted& last, std::span<const float> out_of_fold) {
    if (members_.count() == 0) return 1;
    const std::vector<float> own = weights_of(last);
    Rows some(std::min(rows_.size(), kRowsToJudgeMean));
    std::vector<float> unseen;
    for (std::size_t i = 0; i < some.size(); ++i) {
      some[i] = static_cast<std::uint32_t>(i * rows_.size() / some.size());
      const auto row = out_of_fold.subspan(some[i] * rows_.label_count, rows_.label_count);
      unseen.insert(unseen.end(), row.begin(), row.end());
    }
    const TokenRows judged = tokens(some);
    const auto accuracy = [&](std::span<const float> scores) {
      return score_quality(scores, judged.labels, rows_.label_count).accuracy;
    };
    const double least = (accuracy(unseen) + accuracy(score_rows(last.encoder, last.head, judged.ids))) / 2;
    if (last.to_its_end) members_.add(own);
    take_weights(last, members_.value());
    if (accuracy(score_rows(last.encoder, last.head, judged.ids)) >= least) return members_.count();
    take_weights(last, own);
    return 1;
  }

  bool resumed() const { return resumed_; }
  const std::string& note() const { return note_; }
  TuningState& state() { return state_; }
  // Says so when the state has a file of this name: it was not what it should be.
  void note_damaged(const std::string& name) {
    if (state_.holds(name))
      add_note(fmt::format("What was kept of fine-tuning could not be read and was done anew ({}/{} is damaged).",
                           state_.folder(), name));
  }

  // A hash of all that decides what comes out here.
  Result<std::string> key() const {
    SMIDGEN_ASSIGN(const EncoderConfig config, EncoderConfig::load(encoder_.folder()));
    SMIDGEN_ASSIGN(const std::string weights, sha256_file(config.body_folder + "/model.safetensors"));
    Sha256 hash;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      hash.add(rows_.texts[i]);
      hash.add(fmt::format("\n{} {}\n", rows_.labels[i], rows_.fold_of[i]));
      if (rows_.targets.soft.rows() > 0)
        for (const SoftLabel& entry : rows_.targets.soft.of(i))
          hash.add(fmt::format("{} {}\n", entry.label, entry.share));
      if (!rows_.targets.weights.empty()) hash.add(fmt::format("{}\n", rows_.targets.weights[i]));
    }
    for (const std::uint32_t row : rows_.tune) hash.add(fmt::format("{} ", row));  // they say when to stop
    for (const std::string& name : encoder_.config().files) {                      // tokenizer, pooling, shape
      SMIDGEN_ASSIGN(const std::string content, sha256_file(encoder_.folder() + "/" + name));
      hash.add(fmt::format("\n{} {}", name, content));
    }
    const FineTuneOptions& o = options_.recipe;
    hash.add(fmt::format("\n{} {} {} {} {} {} {} {} {}", o.batch_rows, o.rate, o.head_rate, o.warm_up, o.weight_decay,
                         o.layer_decay, o.gradient_norm_max, o.dropout, o.label_smoothing));
    for (const float weight : o.class_weights) hash.add(fmt::format(" {}", weight));
    for (const std::size_t layer : options_.exits) hash.add(fmt::format("\nexit {}", layer));
    std::error_code code;
    const auto place = std::filesystem::absolute(options_.folder, code);
    hash.add(fmt::format("\n{} {} {} {} {} {} {} {} {} {} {} {} {}", kRecipe, weights, encoder_.tokens_max(),
                         options_.c, options_.seed, options_.state_key, encoder_.kernels().name,
                         precision_name(precision()), precision_name(encoder_.precision()), rows_.folds,
                         rows_.label_count, kVersion, place.lexically_normal().string()));
    return to_hex(hash.finish());
  }

  Rows fitted(const Rows& on) const { return rows_to_fit(rows_, on); }
  TokenRows tokens(const Rows& of) const { return token_rows(rows_, ids_, of); }

 private:
  Precision precision() const { return TrainableEncoder::fast_precision(encoder_.kernels()); }
  Result<TrainableEncoder> load() const {
    return TrainableEncoder::load(encoder_.folder(), precision(), encoder_.kernels(), pool_);
  }

  SoftmaxHead no_head() const {
    return {rows_.label_count, encoder_.dimensions(), std::vector<float>(rows_.label_count * encoder_.dimensions()),
            std::vector<float>(rows_.label_count)};
  }

  Result<std::size_t> weight_count() const {
    SMIDGEN_ASSIGN(TrainableEncoder trainable, load());
    Fitted untouched{std::move(trainable), no_head()};
    return weights_of(untouched).size();
  }

  // Rows of the other folds, and of these.
  std::pair<Rows, Rows> without(const std::vector<std::size_t>& folds, const TunePlan& plan) const {
    std::pair<Rows, Rows> found;
    for (std::uint32_t i = 0; i < rows_.size(); ++i) {
      const std::size_t fold = rows_.fold_of[i] * plan.folds / rows_.folds;
      (std::find(folds.begin(), folds.end(), fold) == folds.end() ? found.first : found.second).push_back(i);
    }
    return found;
  }

  // weights: how many there are.
  Status finish_part(std::size_t part, TunePlan& plan, std::size_t weights, double seconds_left) {
    const auto [on, off] = without(parts_[part], plan);
    if (on.empty() || off.empty()) return Ok{};
    const std::optional<FinishedPart> kept = state_.part(part);
    const bool whole = kept && kept->weights.size() == weights;
    if (!whole) note_damaged(fmt::format("part-{}", part));
    if (whole && same_parts(kept->plan, plan)) {
      resumed_ = true;
      plan = kept->plan;
      if (kept->to_its_end) members_.add(kept->weights);
      return Ok{};
    }
    // The first part finds out, on rows of the tuning split it does not train on, one of each unit, when to stop.
    Rows held;
    const std::unordered_set<std::uint32_t> tune(rows_.tune.begin(), rows_.tune.end());
    std::unordered_set<std::uint32_t> units;
    if (part == 0)
      std::copy_if(off.begin(), off.end(), std::back_inserter(held),
                   [&](auto i) { return tune.contains(i) && units.insert(rows_.units[i]).second; });
    SMIDGEN_ASSIGN(Fitted fitted, fit(on, held, plan, part, seconds_left));
    FinishedPart finished{weights_of(fitted), fitted.to_its_end, plan};
    if (fitted.to_its_end) members_.add(finished.weights);  // else its rate never fell: not to be averaged
    return state_.keep(part, std::move(finished));
  }

  // The mean of the parts that left `fold` out and came to their end (of those that ended early, when no other did),
  // or the first of them.
  Result<Fitted> without_fold(std::size_t fold, const TunePlan& plan, bool by_one) {
    WeightMean mean, of_stopped;
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      if (std::find(parts_[part].begin(), parts_[part].end(), fold) == parts_[part].end()) continue;
      if (without(parts_[part], plan).first.empty()) continue;  // never fitted
      const std::optional<FinishedPart> found = state_.part(part);
      if (!found) return Error(ErrorKind::kIo, "what was trained is gone").in(state_.folder());
      if (WeightMean& members = found->to_its_end ? mean : of_stopped; !by_one || members.count() == 0)
        members.add(found->weights);
    }
    SMIDGEN_ASSIGN(TrainableEncoder trainable, load());
    Fitted fitted{std::move(trainable), no_head()};
    take_weights(fitted, (mean.count() > 0 ? mean : of_stopped).value());
    return fitted;
  }

  // What the mean says is kept; by_one, which is rare, is found again.
  Result<FinishedFold> finish_fold(std::size_t fold, const Rows& on, const Rows& off, const TunePlan& plan,
                                   bool by_one) {
    if (!by_one) {
      std::optional<FinishedFold> kept =
          state_.fold(fold, runs_in_, off.size() * rows_.label_count, options_.exits.size());
      if (!kept) note_damaged(fmt::format("fold-{}-{}", fold, precision_name(runs_in_)));
      if (kept && same_parts(kept->plan, plan)) return std::move(*kept);
    }
    const TokenRows held = tokens(off);
    const TemporaryFolder copy(options_.folder + "_of_fold");
    FinishedFold finished{{}, {}, plan, {}};
    SoftmaxHead head;
    {  // not in memory beside what it is read as
      SMIDGEN_ASSIGN(Fitted fitted, without_fold(fold, plan, by_one));
      finished.in_training = score_rows(fitted.encoder, fitted.head, held.ids);
      SMIDGEN_TRY(write_moved(encoder_, fitted.encoder, copy.path()));
      head = std::move(fitted.head);
    }
    SMIDGEN_ASSIGN(const std::shared_ptr<const Encoder> written, load_moved(encoder_, copy.path(), runs_in_));
    SMIDGEN_ASSIGN(finished.scores, score_as_run(*written, head, held.ids, pool_, watcher_));
    if (!options_.exits.empty()) {
      SMIDGEN_ASSIGN(std::vector<TunedExit> exits, fit_exits(*written, on, off));
      for (TunedExit& exit : exits) finished.exits.push_back({exit.c, std::move(exit.scores)});
    }
    if (!by_one) SMIDGEN_TRY(state_.keep(fold, runs_in_, finished));
    return finished;
  }

  // Heads on what an encoder that was tuned on the rows `on` says after inner layers. The first fold finds their C.
  Result<std::vector<TunedExit>> fit_exits(const Encoder& tuned, const Rows& on, const Rows& off) {
    const auto start = steady_now();
    std::vector<TunedExit> exits;
    if (exits_.empty() && off.empty()) return exits;  // no fold had rows
    const std::vector<std::string_view> texts(rows_.texts.begin(), rows_.texts.end());
    SMIDGEN_ASSIGN(const std::vector<EmbeddingMatrix> features,
                   embed_exits(tuned, texts, options_.exits, pool_, watcher_));
    for (std::size_t i = 0; i < features.size(); ++i) {
      const std::optional<double> c = exits_.empty() ? std::nullopt : std::optional(exits_[i].c);
      SMIDGEN_ASSIGN(TunedExit exit, fit_tuned_exit(rows_, features[i], on, off, c, pool_, watcher_));
      exits.push_back(std::move(exit));
    }
    exit_seconds_ += seconds_since(start);
    return exits;
  }

  static std::vector<float> weights_of(Fitted& fitted) {
    std::vector<float> weights = fitted.encoder.weights();
    for (const std::vector<float>* part : {&fitted.head.weights, &fitted.head.bias})
      weights.insert(weights.end(), part->begin(), part->end());
    return weights;
  }
  static void take_weights(Fitted& fitted, std::span<const float> weights) {
    const std::size_t of_bias = fitted.head.bias.size(), of_head = fitted.head.weights.size() + of_bias;
    const auto head = weights.last(of_head);
    std::copy_n(head.begin(), head.size() - of_bias, fitted.head.weights.begin());
    std::copy_n(head.last(of_bias).begin(), of_bias, fitted.head.bias.begin());
    fitted.encoder.take_weights(weights.first(weights.size() - of_head));
  }

  void add_note(const std::string& note) { note_ += (note_.empty() ? "" : " ") + note; }

  const TrainingRows& rows_;
  const Encoder& encoder_;
  const HeadTrainer& heads_;
  const TuneOptions& options_;
  ThreadPool& pool_;
  const Watcher& watcher_;
  TuningState state_ = nothing_kept();
  Precision runs_in_ = encoder_.precision();  // the encoder that is kept
  bool resumed_ = false;
  std::string note_;
  std::vector<std::vector<std::int32_t>> ids_;
  std::vector<std::vector<std::size_t>> parts_;  // as parts_of
  WeightMean members_;                           // of what will be averaged with the last fit
  std::vector<TrainedExit> exits_;               // what the folds made of them: scores and C
  double exit_seconds_ = 0;
};

}  // namespace

std::vector<std::vector<std::size_t>> parts_of(const TunePlan& plan) {
  std::vector<std::vector<std::size_t>> parts;
  for (std::size_t i = 0; i < plan.folds; ++i) {
    if (plan.left_out == 1) parts.push_back({i});
    for (std::size_t j = i + 1; plan.left_out == 2 && j < plan.folds; ++j) parts.push_back({i, j});
  }
  return parts;
}

TunePlan plan_tuning(std::size_t rows, std::size_t labels, double rows_per_second, double seconds_max) {
  const double epoch = static_cast<double>(rows) / rows_per_second;
  const double wanted = std::round(kRowsSeen / static_cast<double>(rows));
  const auto enough = static_cast<std::size_t>(
      std::clamp(wanted, static_cast<double>(kEpochsMin) + 1, static_cast<double>(kTuneEpochsMax)));
  const auto planned = [&](std::size_t epochs, std::size_t folds, std::size_t left_out) {
    TunePlan plan{epochs, folds, 0, left_out};
    const double passes = static_cast<double>(parts_of(plan).size()) * share_of_part(plan) + 1;
    plan.seconds = static_cast<double>(epochs) * passes * epoch;
    return plan;
  };
  // More folds: more of the rows in each fit, and more fits to average.
  const double most = kShareOfMostFolds * seconds_max;
  const bool pairs = rows <= kFewRowsMax && rows >= kRowsOfLabelForPairs * labels;
  if (const TunePlan plan = planned(enough, kTuneFoldsMax, 2); pairs && plan.seconds <= most) return plan;
  if (const TunePlan plan = planned(enough, kTuneFoldsMax, 1); plan.seconds <= most) return plan;
  if (const TunePlan plan = planned(enough, 3, 1); plan.seconds <= seconds_max) return plan;
  for (std::size_t epochs = enough; epochs >= kEpochsMin; --epochs)
    if (const TunePlan plan = planned(epochs, 2, 1); plan.seconds <= seconds_max) return plan;
  return {0, 0, planned(kEpochsMin, 2, 1).seconds};
}

double tuning_rate(double of_recipe, std::size_t rows, const TunePlan& plan) {
  return plan.folds == kTuneFoldsMax && rows <= kFewRowsMax ? kRateOfFewRows * of_recipe : of_recipe;
}

double estimated_tuning_minutes(std::size_t rows, std::size_t labels, double embedding_seconds, const Kernels& kernels,
                                bool exits) {
  const double passes = TrainableEncoder::fast_precision(kernels) == Precision::kBf16 ? 2 : 3.5;
  const double rows_per_second = static_cast<double>(rows) / std::max(1e-6, passes * embedding_seconds);
  const double seconds = plan_tuning(rows, labels, rows_per_second, std::numeric_limits<double>::infinity()).seconds;
  return seconds / kShareOfMostFolds / (exits ? 1 - kShareOfExits : 1) / 60;
}

Result<std::optional<TunedEncoder>> tune_encoder(const TrainingRows& rows, const Encoder& encoder,
                                                 const EmbeddingMatrix& embeddings, const TuneOptions& options,
                                                 ThreadPool& pool, const Watcher& watcher, std::string& why_not) {
  const auto start = steady_now();
  SMIDGEN_ASSIGN(const HeadTrainer heads,
                 HeadTrainer::create(embeddings.values, embeddings.dimensions, rows.labels, rows.label_count, pool));
  Tuning tuning(rows, encoder, heads, options, pool, watcher);
  SMIDGEN_ASSIGN(const std::string key, tuning.key());
  TunedEncoder tuned;
  // A home that cannot be written is no reason not to train; a full disk is an error.
  const auto keep_nothing = [&](const Error& why) {
    tuned.note = "How far fine-tuning is was not kept: " + why.message() + ".";
    tuning.state() = nothing_kept();
  };
  if (Result<TuningState> state = TuningState::open(options.state_folder, key); state.ok())
    tuning.state() = std::move(state).value();
  else
    keep_nothing(state.error());
  const double for_exits = options.exits.empty() ? 0 : kShareOfExits * options.seconds_max;
  const auto left = [&] {
    return options.seconds_max - seconds_since(start) - std::max(0.0, for_exits - tuning.exit_seconds());
  };
  if (const std::optional<TunePlan> kept = tuning.state().plan()) {
    tuned.plan = *kept;
  } else {
    tuning.note_damaged("plan");
    const auto say_why_not = [&](std::string why) {
      why_not = "The encoder was not fine-tuned: " + std::move(why);
      tuning.state().remove();
      return std::optional<TunedEncoder>();
    };
    if (left() <= 0) return say_why_not("no minutes were left for it.");
    watcher.report("timing", 0);
    const auto plan_at = [&](double speed) { return plan_tuning(rows.size(), rows.label_count, speed, left()); };
    SMIDGEN_ASSIGN(const double speed, tuning.speed([&](double tried) { return plan_at(tried).epochs > 0; }));
    tuned.plan = plan_at(speed);
    if (tuned.plan.epochs == 0)
      return say_why_not(fmt::format("the least that makes sense takes about {:.1f} minutes here, {:.1f} were left.",
                                     tuned.plan.seconds / 60, std::max(0.0, left()) / 60));
    if (const Status kept_plan = tuning.state().keep(tuned.plan); !kept_plan.ok()) {
      if (kept_plan.error().kind() == ErrorKind::kIo) return kept_plan.error();
      keep_nothing(kept_plan.error());
    }
  }
  SMIDGEN_TRY(tuning.fit_parts(tuned.plan, left));
  SMIDGEN_ASSIGN(tuned.out_of_fold, tuning.out_of_fold(tuned.plan, false));
  SMIDGEN_ASSIGN(Tuning::Fitted fitted, tuning.fit_last(tuned.plan, left()));
  tuned.fits = tuning.average(fitted, tuned.out_of_fold);
  if (tuned.fits == 1 && tuned.plan.left_out > 1) {  // one fit is kept: what a mean says is not to be expected of it
    SMIDGEN_ASSIGN(tuned.out_of_fold, tuning.out_of_fold(tuned.plan, true));
  }
  SMIDGEN_TRY(write_moved(encoder, fitted.encoder, options.folder));
  SMIDGEN_ASSIGN(tuned.encoder, load_moved(encoder, options.folder, tuning.runs_in()));
  if (!options.exits.empty()) {
    SMIDGEN_ASSIGN(tuned.exits, tuning.exits(*tuned.encoder));
    tuned.exit_seconds = tuning.exit_seconds();
  }
  tuned.head = std::move(fitted.head);
  tuned.seconds = seconds_since(start);
  tuned.resumed = tuning.resumed();
  if (!tuning.note().empty()) tuned.note += (tuned.note.empty() ? "" : " ") + tuning.note();
  tuned.leftover = tuning.state().folder();
  return std::optional<TunedEncoder>(std::move(tuned));
}

}  // namespace smidgen
