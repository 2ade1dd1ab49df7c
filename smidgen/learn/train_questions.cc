#include "smidgen/learn/train_questions.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "smidgen/base/clock.h"
#include "smidgen/base/work_folder.h"
#include "smidgen/learn/fine_tune_tokens.h"
#include "smidgen/learn/headed_folder.h"
#include "smidgen/learn/question_windows.h"
#include "smidgen/model/question_answering.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

namespace {

constexpr double kWindowsSeen = 10000;  // epochs times windows that are enough where there are few
constexpr double kEpochsMin = 2, kEpochsMax = 10;

struct Parts {
  std::vector<std::uint32_t> fit, held;  // rows
};

Parts cut(const QuestionRows& questions, double share) {
  const std::vector<std::uint32_t> passages = held_out_passages(questions.passages, share);
  Parts parts;
  for (std::uint32_t row = 0; row < questions.rows.size(); ++row) {
    const bool held = std::binary_search(passages.begin(), passages.end(), questions.rows[row].passage);
    (held ? parts.held : parts.fit).push_back(row);
  }
  return parts;
}

std::size_t passages_of(const QuestionRows& questions, const std::vector<std::uint32_t>& rows) {
  std::vector<std::uint32_t> found;
  for (const std::uint32_t row : rows) found.push_back(questions.rows[row].passage);
  std::sort(found.begin(), found.end());
  return static_cast<std::size_t>(std::unique(found.begin(), found.end()) - found.begin());
}

// Mean over questions, and its standard error with passages as clusters: questions of one passage are no independent
// draws (Liang and Zeger 1986, the sandwich estimator of a mean).
void summarise(const QuestionRows& questions, const std::vector<std::uint32_t>& rows,
               const std::vector<AnswerQuality>& each, QuestionJudgement& held) {
  const auto count = static_cast<double>(rows.size());
  for (const AnswerQuality& one : each) {
    held.mean.exact += one.exact / count;
    held.mean.f1 += one.f1 / count;
  }
  std::vector<AnswerQuality> sums(questions.passages.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    AnswerQuality& sum = sums[questions.rows[rows[i]].passage];
    sum.exact += each[i].exact - held.mean.exact;
    sum.f1 += each[i].f1 - held.mean.f1;
  }
  const auto clusters = static_cast<double>(held.passages);
  const double correction = held.passages > 1 ? clusters / (clusters - 1) : 1;
  for (const AnswerQuality& sum : sums) {
    held.error.exact += sum.exact * sum.exact;
    held.error.f1 += sum.f1 * sum.f1;
  }
  held.error.exact = std::sqrt(correction * held.error.exact) / count;
  held.error.f1 = std::sqrt(correction * held.error.f1) / count;
}

// What was written answers, as `ask` would.
Status judge(const QuestionRows& questions, const std::vector<std::uint32_t>& rows, const std::string& folder,
             const QuestionTrainingOptions& options, ThreadPool& pool, const Watcher& watcher,
             QuestionTrainingSummary& summary) {
  if (rows.empty()) return Ok{};
  SMIDGEN_ASSIGN(const QuestionAnswerer model, QuestionAnswerer::load(folder));
  QuestionOptions asking;
  asking.window = options.window;
  asking.stride = options.stride;
  asking.no_answer = !summary.must_answer;
  std::vector<QuestionAnswerer::Scratch> scratch(pool.threads());
  std::vector<AnswerQuality> each(rows.size());
  std::vector<std::optional<Error>> errors(rows.size());
  SMIDGEN_TRY(watched_for(pool, rows.size(), "judging", watcher, [&](std::size_t i, std::size_t worker) {
    const QuestionRow& row = questions.rows[rows[i]];
    const auto answers = model.answer(row.question, questions.passages[row.passage], asking, scratch[worker]);
    if (!answers.ok())
      errors[i] = questions.at(row, answers.error());
    else
      each[i] = answer_quality(answers->front().answerable ? answers->front().text : "", row.answers);
  }));
  for (const std::optional<Error>& error : errors)
    if (error) return *error;
  summary.held.questions = rows.size();
  summary.held.passages = passages_of(questions, rows);
  summarise(questions, rows, each, summary.held);
  return Ok{};
}

// Fine-tunes on the rows to fit and writes the folder; the held-out rows are only looked at for what cannot be asked.
Result<TrainedFolder> fit(const QuestionRows& questions, const Parts& parts, const QuestionTrainingOptions& options,
                          const WorkFolder& work, ThreadPool& pool, const Watcher& watcher,
                          QuestionTrainingSummary& summary) {
  SMIDGEN_ASSIGN(TrainingModel model, TrainingModel::load(options.encoder, true, pool));
  const BodyConfig body = model.encoder.config().body;
  SMIDGEN_ASSIGN(const WindowShape shape, WindowShape::of(options.window, options.stride, body.positions));
  SMIDGEN_TRY(check_questions(*model.tokenizer, questions, parts.held, shape, watcher));
  SMIDGEN_ASSIGN(const SpanRows rows,
                 window_questions(*model.tokenizer, questions, parts.fit, shape, body.types > 1, pool, watcher));
  summary.windows = rows.ids.size();
  HeadedTask task{"questions", HeadKind::kQuestions, {}, question_recipe(), {}};
  task.recipe.epochs = question_epochs(rows.ids.size());
  task.fit = [&](TrainableEncoder& encoder, SoftmaxHead& head, const FineTuneOptions& recipe) {
    return fine_tune(encoder, head, rows, recipe, watcher);
  };
  return fit_and_stage(task, model, options, work, summary);
}

}  // namespace

FineTuneOptions question_recipe() {
  FineTuneOptions recipe;
  recipe.batch_rows = 16;
  recipe.rate = 1e-4;
  recipe.head_rate = 1e-3;
  return recipe;
}

std::size_t question_epochs(std::size_t windows) {
  const double wanted = std::round(kWindowsSeen / static_cast<double>(std::max<std::size_t>(1, windows)));
  return static_cast<std::size_t>(std::clamp(wanted, kEpochsMin, kEpochsMax));
}

std::vector<std::uint32_t> held_out_passages(const std::vector<std::string>& passages, double share) {
  std::vector<std::string> keys;
  for (const std::string& passage : passages) keys.push_back(unit_key(passage));
  const std::vector<bool> out = held_out_keys(keys, share);
  std::vector<std::uint32_t> held;
  for (std::uint32_t i = 0; i < out.size(); ++i)
    if (out[i]) held.push_back(i);
  return held;
}

Result<QuestionTrainingSummary> train_questions(const QuestionRows& questions, const QuestionTrainingOptions& options,
                                                ThreadPool& pool, const Watcher& watcher) {
  const auto start = steady_now();
  SMIDGEN_TRY(check_headed_target(options.out, options.force));
  SMIDGEN_ASSIGN(const WorkFolder work, WorkFolder::create(options.out));  // a second run to the same place learns it
  const Parts parts = cut(questions, options.held_out);
  if (parts.fit.empty())
    return Error::bad_data("no question is left to learn from").hint("give more passages, or --held-out 0");
  QuestionTrainingSummary summary;
  summary.questions = parts.fit.size();
  summary.passages = passages_of(questions, parts.fit);
  for (const std::uint32_t row : parts.fit) summary.without_answer += questions.rows[row].answers.empty() ? 1 : 0;
  summary.must_answer = summary.without_answer == 0;
  SMIDGEN_ASSIGN(TrainedFolder trained, fit(questions, parts, options, work, pool, watcher, summary));
  SMIDGEN_TRY(judge(questions, parts.held, trained.staged.path(), options, pool, watcher, summary));
  SMIDGEN_TRY(commit(trained, options));
  summary.seconds = seconds_since(start);
  return summary;
}

}  // namespace smidgen
