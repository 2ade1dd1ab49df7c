// Cuts the rows to train on out of a Dataset, so that what trains cannot see what certifies.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/ladder.h"
#include "smidgen/learn/split.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

inline constexpr std::size_t kFolds = 5;

// Rows of fit and tune, in file order.
Result<TrainingRows> cut_training_rows(const Dataset& data, const Split& split, std::uint64_t seed);

// Without those whose weight says that nothing is to be fitted on them (fit_targets.h).
std::vector<std::uint32_t> rows_to_fit(const TrainingRows& rows, std::span<const std::uint32_t> of);
// What fine-tuning reads of the rows `of`; ids: of all rows.
TokenRows token_rows(const TrainingRows& rows, std::span<const std::vector<std::int32_t>> ids,
                     std::span<const std::uint32_t> of);

// Tokens of a text as a large model's tokenizer counts them, roughly: words and punctuation marks, long words in pieces
// of six letters.
double tokens_of(std::string_view text);

}  // namespace smidgen
