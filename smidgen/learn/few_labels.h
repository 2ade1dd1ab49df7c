// Few labels, as the ladder uses them: the encoder moved by contrast (contrastive.h) within a budget of time, a head on
// the moved embeddings, and out-of-fold scores from encoders that were moved without the rows they score.
//
//   contrast on half of the rows, score the other, in turn -> out-of-fold scores
//   contrast on all rows, a head on what they became       -> the encoder that is kept
//
// Two halves, because each costs half of the last fit: the whole is two fits long. An encoder moved by half of a
// handful of labels is worse than the one that is kept, so the frozen one is judged on the same halves, a head for
// each.
//
// Where the frozen encoder tells the labels apart already, half of the way is better than all of it: the halves say
// which.
//
// Names of labels are texts of their labels, too, where they mean something: where similarity to the names alone, with
// nothing fitted, is right on more of the labelled rows than chance would have it (docs/few_labels.md).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/contrastive.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/ladder.h"
#include "smidgen/learn/tuned_encoder.h"
#include "smidgen/model/encoder.h"

namespace smidgen {

// Rows a label, on average, up to which the encoder is moved by contrast, and from which on full fine-tuning is tried.
inline constexpr double kContrastRowsPerLabelMax = 64, kTuneRowsPerLabelMin = 12;
bool contrast_pays(const TrainingRows& rows);
bool tuning_pays(const TrainingRows& rows);

// Steps and rates for so many rows; chosen on draws of train rows (docs/few_labels.md says how).
ContrastOptions contrast_options(std::size_t rows, std::uint64_t seed);

// Share of the rows to fit on whose embedding (rows, dimensions) is closest, by cosine, to that of the name of its
// label (labels, dimensions); nothing unless that is above the share of the most frequent label by a standard error and
// by a quarter of what this leaves wrong.
std::optional<double> names_say(const TrainingRows& rows, const EmbeddingMatrix& embeddings,
                                const EmbeddingMatrix& names);

struct ContrastedEncoder {
  TunedEncoder moved;
  std::vector<float> frozen_out_of_fold;  // (rows, labels) log-probabilities: heads on the frozen encoder, same halves
};
// embeddings: of rows.texts by the frozen `encoder`. Nothing when the budget is too small; `why_not` then says so in a
// sentence. Errors as for tune_encoder.
Result<std::optional<ContrastedEncoder>> contrast_encoder(const TrainingRows& rows, const Encoder& encoder,
                                                          const EmbeddingMatrix& embeddings, const TuneOptions& options,
                                                          ThreadPool& pool, const Watcher& watcher,
                                                          std::string& why_not);

// Whether losses (n) are above `other` by no more than one standard error of the paired difference: with a handful of
// rows out-of-fold losses tell little, and contrast rarely hurts, so it stays unless they speak against it.
bool is_not_worse(std::span<const double> losses, std::span<const double> other, std::span<const std::uint32_t> units);

}  // namespace smidgen
