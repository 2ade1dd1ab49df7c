// What a fine-tuning of several parts has done so far, on disk, so that a run that was killed goes on where it was: the
// plan (which came from a measured speed, and would differ), the scores of finished folds, the checkpoint of the part
// at hand. One folder for each combination of data, options and place of the result, named by their hash, removed when
// the result stands. Folders nobody came back to are removed after 30 days.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/learn/tuned_encoder.h"

namespace smidgen {

// What a finished fold leaves: the scores of the rows it was not fitted on, its weights (of encoder, then head; none
// when patience ended it), the same scores of its exits, and the plan as it was after it: later parts take as many
// epochs and the C of exits that the first fold found best. In one file, so that no kill comes between them.
struct FinishedFold {
  struct Exit {
    double c = 0;
    std::vector<float> scores;
  };
  std::vector<float> scores, weights;
  TunePlan plan;
  std::vector<Exit> exits;
};

class TuningState {
 public:
  // parent: empty keeps nothing. key: 64 hexadecimal digits.
  static Result<TuningState> open(const std::string& parent, const std::string& key);

  // As it was first; nothing when there is none or it is damaged.
  std::optional<TunePlan> plan() const;
  Status keep(const TunePlan& plan) const;
  // Of fold `part`, when it was kept, is whole and has as many scores and exits.
  std::optional<FinishedFold> fold(std::size_t part, std::size_t scores, std::size_t exits = 0) const;
  Status keep(std::size_t part, const FinishedFold& fold) const;
  // Where part `part` keeps its checkpoint; empty when nothing is kept.
  std::string checkpoint(std::size_t part) const;
  void remove() const;
  const std::string& folder() const { return folder_; }

 private:
  explicit TuningState(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace smidgen
