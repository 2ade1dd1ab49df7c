// `train --task token-classification`: an encoder and tagged sentences in, a model that transformers loads out.
//
//   rows -> some held out -> pieces with the tag on each word's first token -> fine-tuning -> the folder is written
//        -> loaded again -> judged on the rows held out -> the folder gets its name
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/headed_training.h"
#include "smidgen/learn/tag_quality.h"
#include "smidgen/text/tagged_rows.h"

namespace smidgen {

using TagTrainingOptions = HeadedTrainingOptions;  // window 0: 256 tokens, or fewer if the model has

struct TagTrainingSummary : HeadedTrainingSummary {
  std::size_t rows = 0, words = 0, tags = 0;  // that were fitted on
  std::size_t held_rows = 0;
  TagCounts held;
};

FineTuneOptions tag_recipe();

// Rows with the same words are held out together: held_out_keys of the words with spaces between. Everything of the
// model, its tags among it, is decided by the other rows: a tag that only held-out rows have is never said.
Result<TagTrainingSummary> train_tags(const TaggedRows& data, const TagTrainingOptions& options, ThreadPool& pool,
                                      const Watcher& watcher);

}  // namespace smidgen
