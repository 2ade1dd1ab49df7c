// Fine-tuning as the ladder uses it: within a budget of time, judged out-of-fold against the frozen body, kept only
// when it is better.
//
//   a few steps on a copy that is thrown away     -> rows a second on this machine
//   budget, rows a second                         -> epochs, folds, how many a fit leaves out (plan_tuning)
//   fits without one fold each, or a pair of them -> weights
//   means of the fits that left a fold out        -> its out-of-fold scores, which none of them has seen; of exits, too
//   a fit on all rows, averaged with the others   -> the encoder that is kept
//
// Killed, it goes on where it was when called again with the same rows and options (tuning_state.h), and ends with the
// same bits. When the machine turns out slower than it was measured, schedules are cut to whole epochs that fit.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/exits.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/ladder.h"
#include "smidgen/model/encoder.h"

namespace smidgen {

struct TuneOptions {
  double seconds_max = 0;  // for everything here
  std::string folder;      // where the tuned encoder is written; must not exist; FOLDER_of_fold is used meanwhile
  // Of out-of-fold accuracy, that the precision of the frozen encoder may cost; else that of training is taken.
  // Infinite: it was asked for.
  double precision_cost_max = kPrecisionCostMax;
  double c = 16;  // of the head on the frozen body that tuning starts from
  std::uint64_t seed = 1;
  FineTuneOptions recipe;          // rates (see tuning_rate), batches, dropout, smoothing; tune_encoder sets the rest
  std::vector<std::size_t> exits;  // layers after which a head is wanted as well (exits.h), rising; not by contrast
  std::string state_key;           // names what must be the same to go on, beside rows, encoder and the above
  std::string state_folder;        // where it is kept how far things are, until they are done; empty: nowhere
};

// What fits into `seconds_max`: epochs 0 means not even the least does, and `seconds` is then what the least would
// take.
struct TunePlan {
  std::size_t epochs = 0, folds = 0;
  double seconds = 0;
  std::size_t left_out = 1;  // folds that each fit does without: 1, or 2 of kTuneFoldsMax
};
inline constexpr std::size_t kTuneEpochsMax = 8, kTuneFoldsMax = 5;
// The folds that each fit before the last leaves out. With pairs, a fold's scores come from a mean of fits, as those of
// the encoder that is kept do, and are nearer to them.
std::vector<std::vector<std::size_t>> parts_of(const TunePlan& plan);
// rows: that are tuned on; labels: of the task, for pairs of folds want rows enough of each.
TunePlan plan_tuning(std::size_t rows, std::size_t labels, double rows_per_second, double seconds_max);
// Of the body at its highest: the recipe's, or twice that for up to 4,000 rows where kTuneFoldsMax folds are taken: the
// mean of so many fits gains by it what one fit loses, and more (docs/tuning_trials.md).
double tuning_rate(double of_recipe, std::size_t rows, const TunePlan& plan);

// Minutes that buy all that tuning can take (plan_tuning's most folds and epochs, with what it wants to spare), from
// the seconds the rows took to embed in f32: a training step is three forward passes and some more; bf16 products are
// twice as fast as those of f32 and more. An estimate, right within a factor of two. exits: with what tune_encoder
// keeps for them.
double estimated_tuning_minutes(std::size_t rows, std::size_t labels, double embedding_seconds, const Kernels& kernels,
                                bool exits);

struct TunedEncoder {
  std::shared_ptr<const Encoder> encoder;  // of `folder`, in the precision out_of_fold is of
  SoftmaxHead head;
  std::vector<float> out_of_fold;  // (rows, labels) log-probabilities
  std::vector<TrainedExit> exits;  // as TuneOptions::exits
  TunePlan plan;
  double seconds = 0;  // of this run, of which
  double exit_seconds = 0;
  bool resumed = false;
  std::size_t fits = 1;  // whose weights were averaged: of the parts, and the last one
  double share = 1;      // of the way from the weights it began with, where it stayed
  std::string note;      // a sentence for the user, may be empty
  std::string leftover;  // folder to remove when what this is for stands; may be empty
};

// embeddings: of rows.texts by the frozen `encoder`. Nothing when the budget is too small; `why_not` then says so in a
// sentence. Errors: Error::cancelled(), an encoder that cannot be trained, a disk that is full.
Result<std::optional<TunedEncoder>> tune_encoder(const TrainingRows& rows, const Encoder& encoder,
                                                 const EmbeddingMatrix& embeddings, const TuneOptions& options,
                                                 ThreadPool& pool, const Watcher& watcher, std::string& why_not);

}  // namespace smidgen
