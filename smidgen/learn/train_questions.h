// `train --task question-answering`: an encoder and labelled questions in, a model that `ask` and transformers load
// out.
//
//   questions -> some passages held out -> windows with the answer's ends -> fine-tuning -> the folder is written
//             -> loaded again as `ask` does -> judged on the questions of the held-out passages
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/answer_quality.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/text/question_rows.h"

namespace smidgen {

struct QuestionTrainingOptions {
  std::string encoder, out;  // folders
  bool force = false;
  std::size_t window = 0, stride = SIZE_MAX;  // as `ask` has them
  std::size_t epochs = 0;                     // 0: as many as the number of windows asks for
  double held_out = 0.1;                      // share of the passages that nothing is fitted on, in [0, 1)
  double seconds_max = 0;                     // of training, at least one epoch; 0: no limit
  std::uint64_t seed = 1;
  std::string state_folder;  // keeps how far training is, for a run after one that was killed; empty: nothing kept
};

// Answers to questions of held-out passages.
struct QuestionJudgement {
  std::size_t questions = 0, passages = 0;
  AnswerQuality mean, error;  // the means' standard errors, questions of one passage taken together
};

struct QuestionTrainingSummary {
  std::string folder;
  std::size_t questions = 0, passages = 0, without_answer = 0, windows = 0;  // that were fitted on
  bool must_answer = false;  // every question has an answer: judged as `ask --must-answer`
  QuestionJudgement held;
  std::size_t epochs = 0;
  double loss = 0;  // of the last epoch
  double seconds = 0;
  bool resumed = false;
  std::vector<std::string> notes;
};

// The recipe of docs/questions.md; others of its settings are for the bench.
FineTuneOptions question_recipe();
std::size_t question_epochs(std::size_t windows);

// The numbers of the passages to hold out, rising: a hash of their text decides, not the seed or their order. At least
// one of two when the share is not 0.
std::vector<std::uint32_t> held_out_passages(const std::vector<std::string>& passages, double share);

Result<QuestionTrainingSummary> train_questions(const QuestionRows& questions, const QuestionTrainingOptions& options,
                                                ThreadPool& pool, const Watcher& watcher);

}  // namespace smidgen
