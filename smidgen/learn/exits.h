// Heads after inner layers of an encoder. Where it is frozen they are trained by self-distillation: what the head after
// the last layer says is what they aim at, beside the labels (Zhang, Song et al., "Be your own teacher", 2019; for
// early exits Liu, Zhou et al., "FastBERT", 2020). For row i with label distribution y_i
//
//   target_i = (1 - a) y_i + a softmax(teacher's scores of i),     a = ExitOptions::teacher_share
//
// An exit whose own labels alone give a lower out-of-fold log loss (score_quality.h) keeps to them: on a task where the
// last layer is not the best one, its head has nothing to teach.
//
// No score is from a head that row i had a part in, by its label or through the teacher: for the exit that scores fold
// k, the teacher of the rows of fold j was fitted without the folds j and k. The head that is kept has the teacher's
// out-of-fold scores of all rows. (As everywhere, C and whether there is a teacher are chosen on all rows.)
//
// The layers of an encoder that was fine-tuned know the labels of the rows it was tuned on. Its exits are scored with
// the encoders of the folds (tuned_encoder.h): vectors and head of a row's score are then of fits without it. They
// aim at the labels alone: all that the last layer says of rows it was tuned on is their labels once more. C is chosen
// on the first fold tuned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/ladder.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

struct ExitOptions {
  double teacher_share = 0.5;  // 0: the labels alone
  bool always = false;         // keep what the teacher gave, whatever it is worth
  std::vector<double> c_grid;  // of the exits' heads; empty: default_head_c_grid()
};

// Where exits may pay: after about a third and two thirds of the layers, each once, rising; none of an encoder of one.
std::vector<std::size_t> exit_layers(std::size_t layers);

// The vectors (texts, dimensions) after each of `exits` (rising, below the encoder's last layer), in the order of the
// texts, equal to those of EncoderRung's exits to the bit for any number of threads. Fails only with
// Error::cancelled().
Result<std::vector<EmbeddingMatrix>> embed_exits(const Encoder& encoder, std::span<const std::string_view> texts,
                                                 std::span<const std::size_t> exits, ThreadPool& pool,
                                                 const Watcher& watcher);

// The head on the last layer's vectors, as the ladder fitted it.
struct ExitTeacher {
  const EmbeddingMatrix& embeddings;
  double c = 0;
  std::span<const float> out_of_fold;  // (rows, labels) log-probabilities
};

struct TrainedExit {
  SoftmaxHead head;
  std::vector<float> out_of_fold;  // (rows, labels) log-probabilities
  double c = 0;                    // chosen by cross-validation on the labels
  bool taught = false;             // whether the teacher had a say
};

// One head on each of `features`, which are of rows.texts. Errors: Error::cancelled(), features that are no numbers.
Result<std::vector<TrainedExit>> train_exits(const TrainingRows& rows, std::span<const EmbeddingMatrix> features,
                                             const ExitTeacher& teacher, const ExitOptions& options, ThreadPool& pool,
                                             const Watcher& watcher);

// A head after an inner layer of an encoder that was fine-tuned on the rows `on`, fitted on them.
struct TunedExit {
  SoftmaxHead head;
  double c = 0;
  std::vector<float> scores;  // (off, labels) log-probabilities
};

// features: of all rows, by that encoder. off: rows to score, in none of which either had a part. Without `c` the one
// is taken that has the least log loss on `off`, which then must not be empty. Errors: Error::cancelled(), features
// that are no numbers.
Result<TunedExit> fit_tuned_exit(const TrainingRows& rows, const EmbeddingMatrix& features,
                                 std::span<const std::uint32_t> on, std::span<const std::uint32_t> off,
                                 std::optional<double> c, ThreadPool& pool, const Watcher& watcher);

}  // namespace smidgen
