// The embeddings of a data set, computed once per pick and shared by every fit of a head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/model/encoder.h"

namespace smidgen {

struct EmbeddingMatrix {
  std::size_t rows = 0, dimensions = 0;
  std::vector<float> values;   // (rows, dimensions) row-major
  std::uint64_t rows_cut = 0;  // texts longer than the encoder's tokens_max

  std::span<const float> row(std::size_t i) const { return std::span(values).subspan(i * dimensions, dimensions); }
};

// One row per text, in order, equal to Encoder::embed_text to the bit for any number of threads (an embedding does not
// depend on its neighbours). Longest texts go first, so that no thread is left alone with one. Fails only with
// Error::cancelled().
Result<EmbeddingMatrix> embed_all(const Encoder& encoder, std::span<const std::string_view> texts, ThreadPool& pool,
                                  const Watcher& watcher);

}  // namespace smidgen
