// `train --task question-answering`: an encoder and labelled questions in, a model that `ask` and transformers load
// out.
//
//   questions -> some passages held out -> windows with the answer's ends -> fine-tuning -> the folder is written
//             -> loaded again as `ask` does -> judged on the questions of the held-out passages
//             -> the folder gets its name
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
#include "smidgen/learn/headed_training.h"
#include "smidgen/text/question_rows.h"

namespace smidgen {

struct QuestionTrainingOptions : HeadedTrainingOptions {
  std::size_t stride = SIZE_MAX;  // window and stride are as `ask` has them
};

// Answers to questions of held-out passages.
struct QuestionJudgement {
  std::size_t questions = 0, passages = 0;
  AnswerQuality mean, error;  // the means' standard errors, questions of one passage taken together
};

struct QuestionTrainingSummary : HeadedTrainingSummary {
  std::size_t questions = 0, passages = 0, without_answer = 0, windows = 0;  // that were fitted on
  bool must_answer = false;  // every question fitted on has an answer: judged as `ask --must-answer`
  QuestionJudgement held;
};

// The recipe of docs/questions.md; others of its settings are for the bench.
FineTuneOptions question_recipe();
std::size_t question_epochs(std::size_t windows);

// The numbers of the passages to hold out, rising: held_out_keys of their texts.
std::vector<std::uint32_t> held_out_passages(const std::vector<std::string>& passages, double share);

// Everything of the model is decided by the rows that are not held out. Errors name the question and are found before
// training.
Result<QuestionTrainingSummary> train_questions(const QuestionRows& questions, const QuestionTrainingOptions& options,
                                                ThreadPool& pool, const Watcher& watcher);

}  // namespace smidgen
