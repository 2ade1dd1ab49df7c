// The forward and backward pass of a trainable encoder's layers, with the tape between them (trainable_encoder.h says
// how a step is cut into pieces).
//
// Two forms of one template: rows in f32, or rows in bf16 wherever a matrix reads them or writes them, as mixed
// precision goes (Kalamkar et al., "A study of BFLOAT16 for deep learning training", 2019): the residual stream, norms,
// softmax, sums and weight gradients stay f32. What backward needs of forward is kept once, in the form products read.
// What the weight gradients need of backward is kept for one layer only: a layer's gradients are made as soon as all
// shards have passed it, while its rows are still in the caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/trainable_layers.h"

namespace smidgen {

// A run of whole sequences that one thread carries through.
struct TokenShard {
  std::size_t sequence = 0, sequences = 0, token = 0, tokens = 0;
};

struct TrainingBatch {
  std::span<const std::int32_t> ids;
  std::span<const std::uint8_t> types;  // of the tokens; empty: all 0
  std::span<const std::size_t> lengths;
  std::vector<std::size_t> begins;  // first token of each sequence
  std::vector<TokenShard> shards;
  std::size_t longest = 0;  // sequence
  bool taped = false;       // backward follows
  double dropout = 0;
  std::uint64_t key = 0;  // of the dropout masks

  // Shards depend on the lengths alone. Sequences 2 i and 2 i + 1 are never parted when `pairs`.
  void cut(bool pairs);
};

class TrainingPass {
 public:
  // `body`, `pool` must outlive it.
  static std::unique_ptr<TrainingPass> create(const BodyConfig& config, TrainableBody& body, const TrainingMode& mode,
                                              ThreadPool& pool);
  virtual ~TrainingPass() = default;

  // Makes room for the batch, which must stay as it is until backward is done.
  virtual void begin(const TrainingBatch& batch) = 0;
  // The shard's rows of hidden(). Called from several threads, each with its own worker number.
  virtual void forward(const TokenShard& shard, std::size_t worker) = 0;
  // Reads d_hidden(), of all shards; leaves there the derivative of the embeddings' sums, and the gradients of layers
  // and norms in the body. Returns the sum of their squares.
  virtual double backward() = 0;

  float* hidden() { return hidden_.get(); }      // (tokens, hidden)
  float* d_hidden() { return d_hidden_.get(); }  // the same

 protected:
  AlignedFloats hidden_, d_hidden_;
};

}  // namespace smidgen
