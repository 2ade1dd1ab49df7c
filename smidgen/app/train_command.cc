// `train`: one rung, or all of them blended, on every row of a file. Certifies nothing.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/keep_input.h"
#include "smidgen/app/ladder_choice.h"
#include "smidgen/app/load_data.h"
#include "smidgen/learn/pick.h"

namespace smidgen {

namespace {

std::string to_json(const std::vector<TrainSummary>& summaries) {
  nlohmann::ordered_json document = nlohmann::ordered_json::array();
  for (const TrainSummary& summary : summaries)
    document.push_back({{"bundle", summary.bundle},
                        {"rung", summary.rung},
                        {"rungs", summary.rungs},
                        {"settings", summary.chosen},
                        {"typos", summary.repairs_typos ? "repair" : "keep"},
                        {"accuracy_out_of_fold", summary.accuracy_out_of_fold},
                        {"labels_from", summary.labels_from.empty() ? nlohmann::ordered_json(nullptr)
                                                                    : nlohmann::ordered_json(summary.labels_from)},
                        {"labels_of_models", summary.rows_of_models},
                        {"notes", summary.notes},
                        {"seconds", summary.seconds},
                        {"certified", false}});
  if (document.size() == 1) document = nlohmann::ordered_json(document[0]);
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string measure_in_words(const TrainSummary& summary) {
  if (summary.rows_of_models == 0) return "accuracy";
  const std::string models = for_terminal(summary.labels_from);
  if (summary.rows_of_models == summary.rows) return "agreement with " + models;
  return fmt::format("agreement with the labels, {} of {} of them from {},", with_thousands(summary.rows_of_models),
                     with_thousands(summary.rows), models);
}

std::string to_text(const Dataset& data, const std::vector<TrainSummary>& summaries) {
  std::string text = fmt::format("trained on {}, {}, in {:.1f} s\n", counted(data.size(), "row", "rows"),
                                 counted(data.label_names.size(), "label", "labels"), summaries.back().seconds);
  for (const TrainSummary& summary : summaries) {
    for (std::size_t rung = 0; rung < summary.rungs.size(); ++rung)
      text += fmt::format("  {:<8} {}\n", summary.rungs[rung], summary.chosen[rung]);
    text += fmt::format("{} out-of-fold: {:.3f} (an estimate; `pick` certifies, this certifies nothing)\n",
                        measure_in_words(summary), summary.accuracy_out_of_fold);
    if (summary.repairs_typos) text += "  typos    words nobody has seen are read as what they are likely slips of\n";
    text += fmt::format("written: {}\n", summary.bundle);
    if (&summary == &summaries.back())
      for (const std::string& note : summary.notes) text += "note: " + for_terminal(note, 1000) + "\n";
  }
  return text;
}

}  // namespace

int run_train(const TrainOptions& options, App& app) {
  if (const Status status = keep_contents(options.out, options.data); !status.ok()) return app.fail(status.error());
  if (options.task == "question-answering") return run_train_questions(options, app);
  if (options.task == "token-classification") return run_train_tags(options, app);
  const bool every = options.rung == "blend" || options.rung == "all";
  const std::vector<std::string> rungs =
      every ? std::vector<std::string>{"linear", "static", "encoder"} : std::vector<std::string>{options.rung};
  std::vector<std::string> notes;
  auto ladder = ladder_options(rungs, options.encoder, options.tokens_max, app, notes);
  if (!ladder.ok()) return app.fail(ladder.error());
  ladder->precision = options.arithmetic;
  ladder->repair_typos = options.typos == "repair";
  ladder->seconds_max = 60 * options.minutes_max.value_or(0);
  const auto data = load_data(options.data, options.read, app);
  if (!data.ok()) return app.fail(data.error());
  ThreadPool pool(app.threads());
  Result<std::vector<TrainSummary>> written = Error::internal("not run");
  {
    const Watcher watcher = make_watcher(app);
    written = train(*data, options.rung, *ladder, options.out, options.force, pool, watcher);
  }
  if (!written.ok()) return app.fail(written.error());
  if (app.global.json) return finish_with(app, to_json(*written));
  return finish_with_summary(app, to_text(*data, *written));
}

}  // namespace smidgen
