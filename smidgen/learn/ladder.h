// Trains every rung of the ladder on the same rows: choices on tune, out-of-fold scores for blending and calibration,
// then a refit on all. It is handed training rows only, so nothing here can touch a row that certifies.
//
//   fit + tune rows, K folds by unit  -->  settings (C, feature set) and out-of-fold scores (calibration, blending,
//                                          candidates, notable rows)
//   labels of models: the form they are fitted in (label_cleaning.h), before anything else
//   fit rows  --fit-->  pruning of linear, from 2,000 rows on  --judged on-->  tune rows
//   fit + tune rows  -->  the rung that is kept
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/label_cleaning.h"
#include "smidgen/model/rung.h"
#include "smidgen/text/spelling.h"

namespace smidgen {

// Rows to train on, cut out of a Dataset: nothing else of it is visible here.
struct TrainingRows {
  std::vector<std::string> texts;
  std::vector<std::uint32_t> labels;     // below label_count
  std::vector<std::uint32_t> units;      // dense or not; only equality matters
  std::vector<std::uint32_t> fit, tune;  // row numbers; every row is in one of them
  std::vector<std::uint32_t> fold_of;    // (rows) below folds; rows of one unit share a fold
  std::size_t folds = 0;
  std::vector<std::uint32_t> dataset_rows;  // where each row stands in the Dataset,
  std::vector<std::uint64_t> lines;         // and in the file (1-based line)
  std::size_t label_count = 0;
  std::vector<std::string> label_names;  // (label_count), or empty: unknown
  FitTargets targets;                    // what fits aim at (fit_targets.h); labels are what they are judged by
  std::vector<std::uint8_t> from_model;  // (rows) 1 where a model gave the label; empty: people gave all
  std::string models;                    // whose, "gpt-4o"
  std::size_t size() const { return texts.size(); }
};

// 0, 1 .. rows.size() - 1.
std::vector<std::uint32_t> all_rows(const TrainingRows& rows);
// scores (of.size(), labels) to the rows `of` of `out` (rows, labels).
void place_scores(std::span<const float> scores, std::span<const std::uint32_t> of, std::size_t labels,
                  std::span<float> out);

struct LadderOptions {
  bool linear = true, static_vectors = true, encoder = true;
  bool exits = false;                  // of the encoder, unless few labels moved it: rungs after inner layers (exits.h)
  std::string encoder_folder;          // for static and encoder
  std::size_t tokens_max = 0;          // of the encoder; 0: the folder's value
  std::optional<Precision> precision;  // of the encoder; none: see kPrecisionCostMax
  std::uint64_t seed = 1;
  std::string cache_folder;  // keeps distilled vectors between runs; empty: no cache
  // What the encoder says about the texts, in their order; empty: embed_all. For whoever trains on the same texts again
  // and again and keeps the vectors (bench/quality.cc).
  std::function<Result<EmbeddingMatrix>(const Encoder&, std::span<const std::string_view>, ThreadPool&, const Watcher&)>
      embed;
  // For the whole ladder: what the fast things leave of it fine-tunes the encoder (tuned_encoder.h). 0: never.
  double seconds_max = 0;
  std::string tuned_folder;  // a tuned encoder is written here: must not exist, must outlive the ladder's rungs
  std::string state_folder;  // keeps how far fine-tuning is, for a run after one that was killed; empty: nothing kept
  bool repair_typos = true;  // words that nobody has seen, where the rungs gain by it: makes Ladder::speller
  std::string state_key;     // what beside rows and encoder must be the same for that: the whole budget
};

// The encoder computes in int8, else in bf16, when its out-of-fold accuracy is at most this much below that of f32. One
// that moved computes so only when it is at most this much below that of the precision it was trained in.
inline constexpr double kPrecisionCostMax = 0.003;

struct TrainedRung {
  std::string name;  // "linear", "static", "exit_2" (after layer 2), "encoder"
  std::unique_ptr<Rung> rung;
  std::vector<float> out_of_fold;  // (rows, labels) log-probabilities
  Precision precision = Precision::kF32;
  double layers_share = 1;   // of an encoder's layers, those that an exit runs
  double train_seconds = 0;  // wall time, choices and out-of-fold scores included
  std::string chosen;        // settings in words: "C 16, 65 % of the n-grams' weights kept"
};

struct Ladder {
  std::vector<TrainedRung> rungs;        // in ladder order
  std::vector<std::string> notes;        // sentences for the user
  std::optional<LabelTreatment> labels;  // where a model gave some of them; its targets are moved from
  // Of the rows' words, the encoder's vocabulary and, in English, a list: where both `linear` and a rung of vectors are
  // trained (what one slip costs them is in docs/results.md); null for too many words. Out-of-fold scores are of rows
  // as they are: the speller knows all their words. Of a new row it may read a rare word as another, which calibration
  // does not see, and the rows that certify do.
  std::shared_ptr<const Speller> speller;
  double tuning_minutes = 0;  // estimate of what fine-tuning would take, when there was no time for it; 0: unknown
  // Folders a later run would go on from, were this one killed now: to be removed when its result stands.
  std::vector<std::string> leftovers;
  void remove_leftovers() const;
  // (rows, rungs, labels): the out-of-fold scores side by side, as calibration reads them.
  std::vector<float> side_by_side(std::size_t label_count) const;
  Precision encoder_precision() const;  // f32 without an encoder
};

Result<Ladder> train_ladder(const TrainingRows& rows, const LadderOptions& options, ThreadPool& pool,
                            const Watcher& watcher);

}  // namespace smidgen
