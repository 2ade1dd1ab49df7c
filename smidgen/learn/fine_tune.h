// Full fine-tuning of an encoder with a softmax head on its embedding.
//
// The recipe is that of Devlin et al., "BERT" (2018), appendix A.3, with what later work found steadier on few rows
// (Mosbach et al., "On the stability of fine-tuning BERT", 2021): AdamW, rate rising over the first tenth of the steps
// and falling to zero, gradients clipped to norm 1, dropout. Two things differ: the head starts from the solution on
// the frozen body, so that the first steps do not tear the body apart for the sake of a random head, and it learns at a
// rate of its own, because an embedding of length 1 asks for large weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/learn/fit_targets.h"
#include "smidgen/learn/trainable_encoder.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

// Tokenized rows with labels.
struct TokenRows {
  std::vector<std::vector<std::int32_t>> ids;  // 1..tokens_max each
  std::vector<std::uint32_t> labels;
  FitTargets targets;  // of these rows, in their order; see fit_targets.h
};

struct FineTuneOptions {
  std::size_t epochs = 6;
  std::size_t batch_rows = 32;
  double rate = 1e-4;       // of the encoder's top layer, at its highest
  double head_rate = 1e-2;  // of the head, at its highest
  double warm_up = 0.1;     // share of the steps over which the rate rises
  double weight_decay = 0.01, layer_decay = 1, gradient_norm_max = 1;
  double dropout = 0.1, label_smoothing = 0;
  std::vector<float> class_weights;  // empty: all 1
  double seconds_max = 0;            // 0: no limit; else the schedule is cut to the epochs that fit, at least one
  std::uint64_t seed = 1;
  // Where training stands, written every so many seconds (more rarely when writing takes more than 2 % of the time) and
  // when stopped; found there by the same call, it goes on from it, to the bit. Empty: none. The file of a run with
  // other `checkpoint_key`, rows or options (but seconds_max) is replaced unread; so is a damaged one, with a note.
  std::string checkpoint, checkpoint_key;
  double checkpoint_seconds = 30;
  bool checkpoint_when_done = false;  // for whoever has long work to do with what it ended with
  // Rows nothing is fitted on, scored after each epoch. With `patience` training ends when that many epochs in a row
  // answered fewer of them right than the best one before, by more than chance (worse_epochs). No better is not enough:
  // what a fit gains at the end, when its rate falls, is not seen before, and few rows say little. Rows of one unit
  // (a group, a repeated text) say one thing: hold out one of each. Accuracy, not loss: a loss rises with confidence
  // while answers still get better, and calibration takes the confidence back.
  const TokenRows* held = nullptr;
  std::size_t patience = 0;
};

struct FineTuneEpoch {
  std::size_t epoch = 0;  // from 1
  double loss = 0;        // mean over the epoch's rows, nats
  double accuracy = 0;    // of its rows at the time they were trained on, under dropout: what progress shows
  double held_loss = 0, held_accuracy = 0;  // after it, of FineTuneOptions::held
  double seconds = 0;                       // since the start, of all runs that took part; scoring held rows left out
};

struct FineTuneReport {
  std::vector<FineTuneEpoch> epochs;
  std::size_t steps = 0;
  double seconds = 0, rows_per_second = 0;  // of all runs that took part
  std::size_t resumed_steps = 0;            // that a checkpoint saved
  bool out_of_patience = false;
  bool out_of_time = false;  // it ended where its schedule was cut, while its rate was still up
  std::string note;          // a sentence for the user: the checkpoint was damaged; may be empty
};

// Softmax cross-entropy of a head on embeddings, averaged over the batch by class weight (and the targets' weight of
// each row); with smoothing s the target is (1 - s) of the label, or of the row's distribution, and s / labels
// everywhere (Szegedy et al. 2016). targets: of the batch; none: its labels.
class HeadLoss : public EmbeddingLoss {
 public:
  HeadLoss(const SoftmaxHead& head, std::span<const std::uint32_t> labels, double smoothing,
           std::span<const float> class_weights, const FitTargets* targets = nullptr);
  double run(std::size_t first, std::size_t count, const float* embeddings, float* d_embeddings) override;
  // After every sequence was run: d_weights (labels, dimensions), d_bias (labels), overwritten.
  void head_gradients(const Kernels& kernels, std::span<float> d_weights, std::span<float> d_bias) const;
  std::size_t right() const;  // sequences whose label scored highest

 private:
  const SoftmaxHead& head_;
  std::span<const std::uint32_t> labels_;
  double smoothing_;
  double weight_of(std::size_t row) const;
  std::span<const float> class_weights_;
  const FitTargets* targets_;
  double total_weight_ = 0;
  std::vector<float> embeddings_, d_logits_;  // (batch, dimensions), (batch, labels)
  std::vector<std::uint8_t> right_;           // (batch)
};

// Moves `encoder` and `head` over `rows` (their order does not matter: every epoch is shuffled by the seed). The same
// numbers for any number of threads. Fails with Error::cancelled(), or with kIo when a checkpoint cannot be written:
// the one before stays. A checkpoint is left to the caller to remove, because what follows training may fail too.
Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const TokenRows& rows,
                                 const FineTuneOptions& options, const Watcher& watcher);

// The epoch (its index) that answered most held rows right, the earliest of equals.
std::size_t best_epoch(std::span<const FineTuneEpoch> epochs);

// How many epochs at the end are each worse than the best one by more than two standard errors of the difference of two
// accuracies on so many rows, sqrt((p (1 - p) + q (1 - q)) / rows). Answers on the same rows go together, which makes
// it too large; the best of many is good by luck as well, which makes the difference too large: hence patience.
std::size_t worse_epochs(std::span<const FineTuneEpoch> epochs, std::size_t held_rows);

// (rows, labels) log-probabilities, without dropout.
std::vector<float> score_rows(TrainableEncoder& encoder, const SoftmaxHead& head,
                              std::span<const std::vector<std::int32_t>> ids);

}  // namespace smidgen
