// The folder where trainings keep how far they are, for a run after one that was stopped or killed: a folder for each
// fine-tuning of several parts, named by a hash (tuning_state.h), and a checkpoint for each training of a head on
// tokens (headed_training.h). What nobody came back to is removed after 30 days, here and nowhere else.
#pragma once

#include <string>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

// Removes what of the above was not changed for 30 days, temporary files of killed processes too, but for the entry
// `name`. Anything else that lies there is somebody's, and stays.
void remove_abandoned(const std::string& state_folder, const std::string& name);

// Where the training of `task` for the folder `out` keeps its checkpoint; empty when `state_folder` is, or when it
// cannot be made or written to: then a note says so. Others that are abandoned are removed.
std::string training_checkpoint(const std::string& state_folder, const std::string& task, const std::string& out,
                                std::vector<std::string>& notes);

}  // namespace smidgen
