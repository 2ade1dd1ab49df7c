// `train --task question-answering`: a model for `ask`, from questions in the form of SQuAD.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/train_task.h"
#include "smidgen/base/shell_word.h"
#include "smidgen/learn/train_questions.h"

namespace smidgen {

namespace {

using Json = nlohmann::ordered_json;

std::string to_json(const QuestionTrainingSummary& summary) {
  Json document = {{"model", summary.folder},      {"questions", summary.questions},
                   {"passages", summary.passages}, {"without_answer", summary.without_answer},
                   {"windows", summary.windows},   {"epochs", summary.epochs},
                   {"loss", summary.loss},         {"held_out", nullptr}};
  const QuestionJudgement& held = summary.held;
  const auto error = [&](double value) { return held.passages > 1 ? Json(value) : Json(nullptr); };
  if (held.questions > 0)
    document["held_out"] = {{"questions", held.questions},
                            {"passages", held.passages},
                            {"exact_match", held.mean.exact},
                            {"exact_match_error", error(held.error.exact)},
                            {"f1", held.mean.f1},
                            {"f1_error", error(held.error.f1)},
                            {"must_answer", summary.must_answer}};
  return finished_json(std::move(document), summary);
}

// What asks the model as it was judged.
std::string ask_command(const QuestionTrainingSummary& summary, const QuestionTrainingOptions& training) {
  std::string command = "smidgen ask " + shell_word(for_terminal(summary.folder, 400)) + " --passage FILE";
  if (training.window != 0) command += fmt::format(" --window {}", training.window);
  if (training.stride != SIZE_MAX) command += fmt::format(" --stride {}", training.stride);
  if (summary.must_answer) command += " --must-answer";
  return command + " QUESTION";
}

std::string to_text(const QuestionTrainingSummary& summary, const QuestionTrainingOptions& training) {
  std::string text =
      fmt::format("trained on {} about {} ({} without an answer), {} in {}, loss {:.3f}, in {:.1f} s\n",
                  counted(summary.questions, "question", "questions"), counted(summary.passages, "passage", "passages"),
                  summary.without_answer, counted(summary.windows, "window", "windows"),
                  counted(summary.epochs, "epoch", "epochs"), summary.loss, summary.seconds);
  const QuestionJudgement& held = summary.held;
  // Of one passage there is no telling how far another would be off.
  const auto share = [&](double mean, double error) {
    return answered_percent(mean) + (held.passages > 1 ? fmt::format(" (standard error {:.1f})", 100 * error) : "");
  };
  if (held.questions > 0)
    text += fmt::format("on {} about {} held-out {}{}: exact match {}, F1 {}\n",
                        counted(held.questions, "question", "questions"), held.passages,
                        held.passages == 1 ? "passage" : "passages",
                        summary.must_answer ? ", answered with --must-answer" : "",
                        share(held.mean.exact, held.error.exact), share(held.mean.f1, held.error.f1));
  text +=
      fmt::format("written: {}; ask it with `{}`\n", for_terminal(summary.folder, 400), ask_command(summary, training));
  return text + notes_text(summary);
}

}  // namespace

int run_train_questions(const TrainOptions& options, App& app) {
  QuestionTrainingOptions training;
  if (options.stride) training.stride = *options.stride;
  if (const Status ready = prepare_task(options, app, training); !ready.ok()) return app.fail(ready.error());
  auto questions = read_question_rows(options.data);
  if (!questions.ok()) return app.fail(missing_file(std::move(questions).error(), options.data));
  ThreadPool pool(app.threads());
  Result<QuestionTrainingSummary> summary = Error::internal("not run");
  {
    const Watcher watcher = make_watcher(app);
    summary = train_questions(*questions, training, pool, watcher);
  }
  if (!summary.ok()) return app.fail(summary.error());
  if (app.global.json) return finish_with(app, to_json(*summary));
  return finish_with_summary(app, to_text(*summary, training));
}

}  // namespace smidgen
