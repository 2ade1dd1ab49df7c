// A static table from an encoder, without any text: the model2vec recipe.
//
//   1. embed every vocabulary entry by itself, [CLS] token [SEP]: what the encoder says about a token without context;
//   2. keep the first principal components of these vectors: the mean and the weakest directions carry no meaning;
//   3. weigh each token by a / (a + p), smooth inverse frequency (SIF), with p by Zipf's law from its place in the
//      vocabulary, which WordPiece orders by frequency.
//
// Sources: Tulkens and van Dongen, "Model2Vec: fast state-of-the-art static embeddings" (2024); Arora, Liang and Ma,
// "A simple but tough-to-beat baseline for sentence embeddings" (ICLR 2017), section 3. Where it differs: tokens'
// vectors are the encoder's own pooled and normalised output, and rows are stored in int8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/model/encoder.h"
#include "smidgen/model/static.h"

namespace smidgen {

struct DistillOptions {
  std::size_t dimensions = 256;  // at most the encoder's
  double sif = 1e-4;             // the a of step 3
  std::string cache_folder;      // keeps steps 1 and 2 by the encoder's SHA-256; empty: no cache
};

// Special and unused tokens ([CLS], [unused7]) get scale 0. Fails with Error::cancelled() or what the cache's disk
// says; a cache file that cannot be read is made anew.
Result<StaticTable> distill(const Encoder& encoder, const DistillOptions& options, ThreadPool& pool,
                            const Watcher& watcher);

// One row per text, in order: the features of the static rung's head.
Result<EmbeddingMatrix> embed_all(const StaticModel& model, std::span<const std::string_view> texts, ThreadPool& pool,
                                  const Watcher& watcher);

}  // namespace smidgen
