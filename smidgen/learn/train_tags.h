// `train --task token-classification`: an encoder and tagged sentences in, a model that transformers loads out.
//
//   rows -> some held out -> pieces with the tag on each word's first token -> fine-tuning -> the folder is written
//        -> loaded again -> judged on the rows held out
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/tag_quality.h"
#include "smidgen/text/tagged_rows.h"

namespace smidgen {

struct TagTrainingOptions {
  std::string encoder, out;  // folders
  bool force = false;
  std::size_t window = 0;  // tokens read at once; 0: 256, or fewer if the model has
  std::size_t epochs = 0;  // 0: as many as the number of rows asks for
  double held_out = 0.1;   // share of the rows that nothing is fitted on, in [0, 1)
  double seconds_max = 0;  // of training, at least one epoch; 0: no limit
  std::uint64_t seed = 1;
  std::string state_folder;  // keeps how far training is, for a run after one that was killed; empty: nothing kept
};

struct TagTrainingSummary {
  std::string folder;
  std::size_t rows = 0, words = 0, tags = 0, pieces = 0;  // that were fitted on
  std::size_t held_rows = 0;
  TagCounts held;
  std::size_t epochs = 0;
  double loss = 0;  // of the last epoch
  double seconds = 0;
  bool resumed = false;
  std::vector<std::string> notes;
};

FineTuneOptions tag_recipe();

// Rows with the same words are held out together; a hash of the words decides which.
Result<TagTrainingSummary> train_tags(const TaggedRows& data, const TagTrainingOptions& options, ThreadPool& pool,
                                      const Watcher& watcher);

}  // namespace smidgen
