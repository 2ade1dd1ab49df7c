// What is common to all fine-tuning with a linear head: the steps, their schedule, the head's optimizer, checkpoints. A
// task says what the rows are and what is minimised over them: one label a row (fine_tune.h), or something of its
// tokens (fine_tune_tokens.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/sha256.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/trainable_encoder.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

class FineTuneTask {
 public:
  struct Outcome {
    double loss = 0;        // mean over the batch, nats
    std::size_t right = 0;  // rows answered right, under dropout
  };

  virtual ~FineTuneTask() = default;
  virtual std::size_t rows() const = 0;
  // Leaves the derivatives of the batch's loss in `encoder`, and those by the head's weights (labels, dimensions) and
  // bias in the spans. The same bits for any number of threads.
  virtual Outcome gradients(TrainableEncoder& encoder, const SoftmaxHead& head, std::span<const std::uint32_t> batch,
                            double dropout, std::uint64_t key, std::span<float> d_weights,
                            std::span<float> d_bias) const = 0;
  // Fills held_loss and held_accuracy; returns on how many rows, 0: nothing is held out.
  virtual std::size_t judge(TrainableEncoder& /*encoder*/, const SoftmaxHead& /*head*/,
                            FineTuneEpoch& /*epoch*/) const {
    return 0;
  }
  // All that decides the above: a checkpoint of other rows is not gone on with.
  virtual void add_to(Sha256& hash) const = 0;
};

// As the other fine_tune (fine_tune.h), for any task. Of the options, label_smoothing, class_weights and held are the
// task's business.
Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const FineTuneTask& task,
                                 const FineTuneOptions& options, const Watcher& watcher);

}  // namespace smidgen
