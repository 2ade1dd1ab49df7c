// What a fine-tuning of several parts has done so far, on disk, so that a run that was killed goes on where it was: the
// plan (which came from a measured speed, and would differ), the weights of finished parts, the scores of folds, the
// checkpoint of the part at hand. One folder for each combination of data, options and place of the result, named by
// their hash, removed when the result stands, or when nobody came back to it (state_folder.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/learn/tuned_encoder.h"

namespace smidgen {

// What a finished fit on some of the folds leaves: its weights (of encoder, then head), whether it came to the end of
// its schedule (neither patience nor time ended it), and the plan as it was after it, for later parts take as many
// epochs as the first found best. In one file, so that no kill comes between them.
struct FinishedPart {
  std::vector<float> weights;
  bool to_its_end = true;
  TunePlan plan;
};

// The scores of a fold's rows by the fits that left it out, in the precision that will run and in that of training, and
// those of its exits with their C, which the first fold finds for all.
struct FinishedFold {
  struct Exit {
    double c = 0;
    std::vector<float> scores;
  };
  std::vector<float> scores, in_training;
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
  // When it was kept and is whole. Where no folder is kept, parts stay in memory.
  std::optional<FinishedPart> part(std::size_t part_number) const;
  Status keep(std::size_t part_number, FinishedPart part);
  // When it was kept, is whole and has as many scores and exits.
  std::optional<FinishedFold> fold(std::size_t fold_number, Precision precision, std::size_t scores,
                                   std::size_t exits = 0) const;
  Status keep(std::size_t fold_number, Precision precision, const FinishedFold& fold) const;
  // Whether there is a file of this name, "plan", "part-3" or "fold-0-int8", readable or not.
  bool holds(const std::string& name) const;
  // Where part `part` keeps its checkpoint; empty when nothing is kept.
  std::string checkpoint(std::size_t part) const;
  void remove() const;
  const std::string& folder() const { return folder_; }

 private:
  explicit TuningState(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
  std::map<std::size_t, FinishedPart> parts_;  // without a folder
};

}  // namespace smidgen
