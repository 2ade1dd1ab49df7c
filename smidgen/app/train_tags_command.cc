// `train --task token-classification`: a model of named entities and the like, from words with tags.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/models.h"
#include "smidgen/base/file.h"
#include "smidgen/learn/train_tags.h"

namespace smidgen {

namespace {

using Json = nlohmann::ordered_json;

std::string to_json(const TagTrainingSummary& summary) {
  Json document = {{"model", summary.folder}, {"rows", summary.rows},     {"words", summary.words},
                   {"tags", summary.tags},    {"epochs", summary.epochs}, {"loss", summary.loss},
                   {"held_out", nullptr},     {"notes", summary.notes},   {"seconds", summary.seconds},
                   {"certified", false}};
  const TagCounts& held = summary.held;
  if (summary.held_rows > 0)
    document["held_out"] = {{"rows", summary.held_rows},
                            {"words", held.words},
                            {"entities", held.known},
                            {"accuracy", held.accuracy()},
                            {"precision", held.precision()},
                            {"recall", held.recall()},
                            {"f1", held.f1()}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_text(const TagTrainingSummary& summary) {
  std::string text =
      fmt::format("trained on {} of {}, {}, {}, loss {:.3f}, in {:.1f} s\n", counted(summary.rows, "row", "rows"),
                  counted(summary.words, "word", "words"), counted(summary.tags, "tag", "tags"),
                  counted(summary.epochs, "epoch", "epochs"), summary.loss, summary.seconds);
  const TagCounts& held = summary.held;
  if (summary.held_rows > 0)
    text += fmt::format("on {} held out with {}: F1 {} (precision {}, recall {}), {} of the words right\n",
                        counted(summary.held_rows, "row", "rows"), counted(held.known, "entity", "entities"),
                        answered_percent(held.f1()), answered_percent(held.precision()),
                        answered_percent(held.recall()), answered_percent(held.accuracy()));
  text += fmt::format("written: {}\n", for_terminal(summary.folder, 400));
  for (const std::string& note : summary.notes) text += "note: " + for_terminal(note, 1000) + "\n";
  return text;
}

}  // namespace

int run_train_tags(const TrainOptions& options, App& app) {
  TagTrainingOptions training;
  training.out = options.out;
  training.force = options.force;
  training.window = options.window;
  training.epochs = options.epochs;
  training.held_out = options.held_out;
  training.seconds_max = 60 * options.minutes_max.value_or(0);
  training.seed = app.global.seed;
  training.state_folder = state_directory() + "/training";
  auto encoder = find_encoder(options.encoder);
  if (!encoder.ok()) return app.fail(encoder.error());
  training.encoder = *std::move(encoder);
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
