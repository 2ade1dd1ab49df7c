// What the tasks of `train --task` share: options, and what is said about a written folder.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "smidgen/app/app.h"
#include "smidgen/app/options.h"
#include "smidgen/base/result.h"
#include "smidgen/learn/headed_training.h"

namespace smidgen {

// Finds the encoder and fills `training`. kCannotCreate when writing would damage it: it is, holds or lies in the
// folder to write.
Status prepare_task(const TrainOptions& options, const App& app, HeadedTrainingOptions& training);

// "notes", "seconds" and "certified", which end a summary's JSON, and the line's end.
std::string finished_json(nlohmann::ordered_json document, const HeadedTrainingSummary& summary);
std::string notes_text(const HeadedTrainingSummary& summary);

}  // namespace smidgen
