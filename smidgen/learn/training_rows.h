// Cuts the rows to train on out of a Dataset, so that what trains cannot see what certifies.
#pragma once

#include <string_view>

#include "smidgen/learn/ladder.h"
#include "smidgen/learn/split.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

inline constexpr std::size_t kFolds = 5;

// Rows of fit and tune, in file order.
Result<TrainingRows> cut_training_rows(const Dataset& data, const Split& split, std::uint64_t seed);

// Tokens of a text as a large model's tokenizer counts them, roughly: words and punctuation marks, long words in pieces
// of six letters.
double tokens_of(std::string_view text);

}  // namespace smidgen
