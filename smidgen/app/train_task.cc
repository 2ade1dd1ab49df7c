#include "smidgen/app/train_task.h"

#include <array>
#include <filesystem>

#include "smidgen/app/foreign_text.h"
#include "smidgen/app/keep_input.h"
#include "smidgen/app/models.h"
#include "smidgen/base/file.h"
#include "smidgen/base/new_path.h"

namespace smidgen {

namespace {

Status keep_encoder(const std::string& out, const std::string& encoder) {
  std::error_code code;
  if (std::filesystem::equivalent(out, encoder, code) && !code)
    return Error(ErrorKind::kCannotCreate, "is also the encoder and would be lost").in(out).hint("choose another name");
  SMIDGEN_TRY(keep_contents(out, encoder));
  return keep_input(out, std::array{encoder});
}

}  // namespace

Status prepare_task(const TrainOptions& options, const App& app, HeadedTrainingOptions& training) {
  training.out = without_end_slashes(options.out);
  training.force = options.force;
  training.window = options.window;
  training.epochs = options.epochs;
  training.held_out = options.held_out;
  training.seconds_max = 60 * options.minutes_max.value_or(0);
  training.seed = app.global.seed;
  training.state_folder = state_directory() + "/training";
  SMIDGEN_ASSIGN(training.encoder, find_encoder(options.encoder));
  return keep_encoder(training.out, training.encoder);
}

std::string finished_json(nlohmann::ordered_json document, const HeadedTrainingSummary& summary) {
  document["notes"] = summary.notes;
  document["seconds"] = summary.seconds;
  document["certified"] = false;
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string notes_text(const HeadedTrainingSummary& summary) {
  std::string text;
  for (const std::string& note : summary.notes) text += "note: " + for_terminal(note, 1000) + "\n";
  return text;
}

}  // namespace smidgen
