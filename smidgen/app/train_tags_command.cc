// `train --task token-classification`: a model of named entities and the like, from words with tags.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/train_task.h"
#include "smidgen/base/shell_word.h"
#include "smidgen/learn/train_tags.h"

namespace smidgen {

namespace {

using Json = nlohmann::ordered_json;

std::string to_json(const TagTrainingSummary& summary) {
  Json document = {{"model", summary.folder},  {"rows", summary.rows}, {"words", summary.words}, {"tags", summary.tags},
                   {"epochs", summary.epochs}, {"loss", summary.loss}, {"held_out", nullptr}};
  const TagCounts& held = summary.held;
  const auto of_entities = [&](double value) { return held.has_entities() ? Json(value) : Json(nullptr); };
  if (summary.held_rows > 0)
    document["held_out"] = {{"rows", summary.held_rows},
                            {"words", held.words},
                            {"entities", held.known},
                            {"accuracy", held.accuracy()},
                            {"precision", of_entities(held.precision())},
                            {"recall", of_entities(held.recall())},
                            {"f1", of_entities(held.f1())}};
  return finished_json(std::move(document), summary);
}

std::string to_text(const TagTrainingSummary& summary) {
  std::string text =
      fmt::format("trained on {} of {}, {}, {}, loss {:.3f}, in {:.1f} s\n", counted(summary.rows, "row", "rows"),
                  counted(summary.words, "word", "words"), counted(summary.tags, "tag", "tags"),
                  counted(summary.epochs, "epoch", "epochs"), summary.loss, summary.seconds);
  const TagCounts& held = summary.held;
  if (summary.held_rows > 0 && held.has_entities())
    text += fmt::format("on {} held out with {}: F1 {} (precision {}, recall {}), {} of the words right\n",
                        counted(summary.held_rows, "row", "rows"), counted(held.known, "entity", "entities"),
                        answered_percent(held.f1()), answered_percent(held.precision()),
                        answered_percent(held.recall()), answered_percent(held.accuracy()));
  else if (summary.held_rows > 0)
    text += fmt::format("on {} held out: no entities to judge by, {} of the words right\n",
                        counted(summary.held_rows, "row", "rows"), answered_percent(held.accuracy()));
  text += fmt::format("written: {}; run it with `smidgen run {} FILES`\n", for_terminal(summary.folder, 400),
                      shell_word(for_terminal(summary.folder, 400)));
  return text + notes_text(summary);
}

}  // namespace

int run_train_tags(const TrainOptions& options, App& app) {
  TagTrainingOptions training;
  if (const Status ready = prepare_task(options, app, training); !ready.ok()) return app.fail(ready.error());
  auto rows = read_tagged_rows(options.data);
  if (!rows.ok()) return app.fail(missing_file(std::move(rows).error(), options.data));
  ThreadPool pool(app.threads());
  Result<TagTrainingSummary> summary = Error::internal("not run");
  {
    const Watcher watcher = make_watcher(app);
    summary = train_tags(*rows, training, pool, watcher);
  }
  if (!summary.ok()) return app.fail(summary.error());
  if (app.global.json) return finish_with(app, to_json(*summary));
  return finish_with_summary(app, to_text(*summary));
}

}  // namespace smidgen
