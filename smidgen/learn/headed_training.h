// What the trainings of a head on every token's state share, whatever its task: which rows are held out, the encoder,
// fine-tuning with its checkpoint, the folder that is written, and loops that tell how far they are and can be stopped.
// train_questions and train_tags say what the rows are and how they are judged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/file.h"
#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/base/work_folder.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/trainable_encoder.h"
#include "smidgen/model/encoder_heads.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

struct HeadedTrainingOptions {
  std::string encoder, out;  // folders
  bool force = false;
  std::size_t window = 0;  // tokens read at once; 0: the task's own number, or fewer if the model has
  std::size_t epochs = 0;  // 0: as many as the number of rows asks for
  double held_out = 0.1;   // share of the texts that nothing is fitted on, in [0, 1)
  double seconds_max = 0;  // of training, at least one epoch; 0: no limit
  std::uint64_t seed = 1;
  std::string state_folder;  // keeps how far training is, for a run after one that was killed; empty: nothing kept
};

struct HeadedTrainingSummary {
  std::string folder;
  std::size_t epochs = 0;
  double loss = 0;  // of the last epoch
  double seconds = 0;
  bool resumed = false;
  std::vector<std::string> notes;
};

// Which texts to hold out, by their keys (unit_key of text/dataset.h: equal where two texts differ in case, white space
// or invisible characters only): those of equal keys together. A hash of the key decides, not a seed or the order. At
// least one key of two when the share, in [0, 1), is not 0, and never all.
std::vector<bool> held_out_keys(std::span<const std::string> keys, double share);

// Calls body(index, worker) for every index in [0, count) on the pool's threads, reporting `stage`.
// Error::cancelled() when the watcher asks for it; the rest is then left out.
Status watched_for(ThreadPool& pool, std::size_t count, std::string_view stage, const Watcher& watcher,
                   const std::function<void(std::size_t index, std::size_t worker)>& body);

// What is trained.
struct TrainingModel {
  TrainableEncoder encoder;
  std::unique_ptr<Tokenizer> tokenizer;
  Precision precision;

  // pairs: rows are two texts, told apart by token types where the model has them. kBadData: cannot be trained; the
  // tokenizer is another model's, or cannot put two texts together.
  static Result<TrainingModel> load(const std::string& folder, bool pairs, ThreadPool& pool);
};

struct HeadedTask {
  std::string name;  // of its checkpoints
  HeadKind kind = HeadKind::kTokens;
  std::vector<std::string> labels;  // of kTokens
  FineTuneOptions recipe;           // with the epochs that the number of rows asks for
  std::function<Result<FineTuneReport>(TrainableEncoder&, SoftmaxHead&, const FineTuneOptions&)> fit;
};

// A trained model that waits to be judged before it appears: judging takes long, and a run that is stopped or killed in
// it goes on from the checkpoint, which stays until then.
struct TrainedFolder {
  StagedFolder staged;
  std::string checkpoint;  // may be empty
};

// Fine-tunes a new head and the encoder and writes them below `work`; `summary` gets all but `seconds`.
Result<TrainedFolder> fit_and_stage(const HeadedTask& task, TrainingModel& model, const HeadedTrainingOptions& options,
                                    const WorkFolder& work, HeadedTrainingSummary& summary);
// As options.out.
Status commit(TrainedFolder& trained, const HeadedTrainingOptions& options);

}  // namespace smidgen
