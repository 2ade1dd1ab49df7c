#include "smidgen/learn/train_questions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "smidgen/base/clock.h"
#include "smidgen/base/sha256.h"
#include "smidgen/base/work_folder.h"
#include "smidgen/learn/fine_tune_tokens.h"
#include "smidgen/learn/headed_folder.h"
#include "smidgen/learn/question_windows.h"
#include "smidgen/learn/split.h"
#include "smidgen/model/question_answering.h"

namespace smidgen {

namespace {

namespace fs = std::filesystem;

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
Status judge(const QuestionRows& questions, const std::vector<std::uint32_t>& rows,
             const QuestionTrainingOptions& options, ThreadPool& pool, const Watcher& watcher,
             QuestionTrainingSummary& summary) {
  if (rows.empty()) return Ok{};
  watcher.report("judging", 0);
  SMIDGEN_ASSIGN(const QuestionAnswerer model, QuestionAnswerer::load(options.out));
  QuestionOptions asking;
  asking.window = options.window;
  asking.stride = options.stride;
  asking.no_answer = !summary.must_answer;
  std::vector<QuestionAnswerer::Scratch> scratch(pool.threads());
  std::vector<AnswerQuality> each(rows.size());
  std::vector<std::optional<Error>> errors(rows.size());
  pool.parallel_for(rows.size(), [&](std::size_t i, std::size_t worker) {
    const QuestionRow& row = questions.rows[rows[i]];
    const auto answers = model.answer(row.question, questions.passages[row.passage], asking, scratch[worker]);
    if (!answers.ok())
      errors[i] = answers.error();
    else
      each[i] = answer_quality(answers->front().answerable ? answers->front().text : "", row.answers);
  });
  for (const std::optional<Error>& error : errors)
    if (error) return *error;
  summary.held.questions = rows.size();
  summary.held.passages = passages_of(questions, rows);
  summarise(questions, rows, each, summary.held);
  return Ok{};
}

// Fine-tunes on the rows `fit` and writes the folder.
Status fit_and_write(const QuestionRows& questions, const std::vector<std::uint32_t>& fit,
                     const QuestionTrainingOptions& options, ThreadPool& pool, const Watcher& watcher,
                     QuestionTrainingSummary& summary) {
  const Precision precision = TrainableEncoder::fast_precision(kernels());
  SMIDGEN_ASSIGN(TrainableEncoder encoder, TrainableEncoder::load(options.encoder, precision, kernels(), pool, true));
  const EncoderConfig& config = encoder.config();
  SMIDGEN_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(config.body_folder));
  if (tokenizer->vocabulary_size() > config.body.vocabulary || tokenizer->pair_template() == nullptr)
    return Error::bad_data(
               "its tokenizer is another model's, or does not say how to put a question and a passage "
               "together")
        .in(options.encoder)
        .hint("take tokenizer and weights from the same model");
  SMIDGEN_ASSIGN(const WindowShape shape, WindowShape::of(options.window, options.stride, config.body.positions));
  SMIDGEN_ASSIGN(const SpanRows rows, window_questions(*tokenizer, questions, fit, shape, config.body.types > 1, pool));
  FineTuneOptions recipe = question_recipe();
  recipe.epochs = options.epochs == 0 ? question_epochs(rows.ids.size()) : options.epochs;
  recipe.seconds_max = options.seconds_max;
  recipe.seed = options.seed;
  recipe.checkpoint = training_checkpoint(options.state_folder, "questions", options.out, summary.notes);
  SMIDGEN_ASSIGN(const std::string weights, sha256_file(config.body_folder + "/model.safetensors"));
  recipe.checkpoint_key = fmt::format("questions {} {}", precision_name(precision), weights);
  SoftmaxHead head = random_head(2, encoder.dimensions(), options.seed);
  SMIDGEN_ASSIGN(const FineTuneReport report, fine_tune(encoder, head, rows, recipe, watcher));
  SMIDGEN_TRY(write_headed_folder(options.out, options.force, encoder, HeadKind::kQuestions, head, {}));
  std::error_code ignored;
  if (!recipe.checkpoint.empty()) fs::remove(recipe.checkpoint, ignored);
  summary.windows = rows.ids.size();
  summary.epochs = report.epochs.size();
  if (summary.epochs < recipe.epochs)
    summary.notes.push_back(fmt::format("The time was enough for {} of {} epochs.", summary.epochs, recipe.epochs));
  summary.loss = report.epochs.empty() ? 0 : report.epochs.back().loss;
  summary.resumed = report.resumed_steps > 0;
  if (!report.note.empty()) summary.notes.push_back(report.note);
  return Ok{};
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
  std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
  for (std::uint32_t i = 0; i < passages.size(); ++i)
    order.emplace_back(unit_hash(kDefaultSplitSalt, "held-out passage", passages[i]), i);
  std::sort(order.begin(), order.end());
  auto count = static_cast<std::size_t>(std::round(share * static_cast<double>(passages.size())));
  if (share > 0) count = std::max<std::size_t>(1, count);
  count = passages.size() < 2 ? 0 : std::min(count, passages.size() - 1);
  std::vector<std::uint32_t> held;
  for (std::size_t i = 0; i < count; ++i) held.push_back(order[i].second);
  std::sort(held.begin(), held.end());
  return held;
}

Result<QuestionTrainingSummary> train_questions(const QuestionRows& questions, const QuestionTrainingOptions& options,
                                                ThreadPool& pool, const Watcher& watcher) {
  const auto start = steady_now();
  SMIDGEN_TRY(check_headed_target(options.out, options.force));
  SMIDGEN_ASSIGN(const WorkFolder claim, WorkFolder::create(options.out));  // a second run to the same place learns it
  const Parts parts = cut(questions, options.held_out);
  if (parts.fit.empty())
    return Error::bad_data("no question is left to learn from").hint("give more passages, or --held-out 0");
  QuestionTrainingSummary summary;
  summary.folder = options.out;
  summary.questions = parts.fit.size();
  summary.passages = passages_of(questions, parts.fit);
  for (const std::uint32_t row : parts.fit) summary.without_answer += questions.rows[row].answers.empty() ? 1 : 0;
  summary.must_answer = std::none_of(questions.rows.begin(), questions.rows.end(),
                                     [](const QuestionRow& row) { return row.answers.empty(); });
  SMIDGEN_TRY(fit_and_write(questions, parts.fit, options, pool, watcher, summary));
  SMIDGEN_TRY(judge(questions, parts.held, options, pool, watcher, summary));
  summary.seconds = seconds_since(start);
  return summary;
}

}  // namespace smidgen
