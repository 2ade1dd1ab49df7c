// An encoder whose weights can move: the forward pass of model/ with a tape, the backward pass beside it, and AdamW.
//
// The idea: a batch is cut into shards of whole sequences; a shard runs forward, loss and backward on one thread
// without meeting another. What the shards leave on the tape (inputs of every matrix and the derivatives of its
// outputs) then becomes weight gradients, a strip of columns at a time. Both cuts depend on the batch alone, every sum
// has a fixed order: the number of threads changes no bit.
//
// Word vectors: a step's gradient touches few of them, yet AdamW moves all, by the momentum. What a row missed is made
// up in one closed-form move when the row is next used (or saved), so a step costs what its own words cost.
//
// The inference pass (bert.h) is fused, packed and may be quantized; trainable_encoder_test.cc holds the two together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/model/encoder_config.h"
#include "smidgen/tensor/kernels.h"
#include "smidgen/tensor/precision.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {

// What is minimised. Called with disjoint runs of sequences, from several threads.
class EmbeddingLoss {
 public:
  virtual ~EmbeddingLoss() = default;
  // The whole batch's embeddings (sequences, dimensions), once and before any run: for losses that compare sequences
  // with one another. They stay valid until the last run.
  virtual void begin(std::span<const float> /*embeddings*/) {}
  // embeddings (count, dimensions) of the sequences first .. first + count; adds nothing to, but fills d_embeddings of
  // the same shape with the derivative of the whole batch's loss. Returns these sequences' share of the loss.
  virtual double run(std::size_t first, std::size_t count, const float* embeddings, float* d_embeddings) = 0;
};

// The same where a loss reads every token's state instead of a sequence's embedding: nothing is pooled.
class TokenLoss {
 public:
  virtual ~TokenLoss() = default;
  // states (tokens, hidden) of the sequences first .. first + count, one after another; fills d_states of the same
  // shape with the derivative of the whole batch's loss. Returns these sequences' share of the loss.
  virtual double run(std::size_t first, std::size_t count, const float* states, float* d_states) = 0;
};

// Sequences one after another; the sum of `lengths` is ids.size().
struct TypedSequences {
  std::span<const std::int32_t> ids;
  std::span<const std::uint8_t> types;  // token types (segments), below BodyConfig::types; empty: all 0
  std::span<const std::size_t> lengths;
};

struct UpdateRates {
  double rate = 0;         // learning rate of this step, of the top layer
  double layer_decay = 1;  // a layer's rate is that of the layer above times this; embeddings come below layer 0
  double weight_decay = 0.01;
  double gradient_norm_max = 1;  // of all gradients together, `other_square_sum` included; 0: no clipping
};

class TrainableEncoder {
 public:
  // Reads the folder's weights as f32. kBadData: not a body this can train (max pooling, other architectures).
  // precision: of the matrix products, kF32 or kBf16 (rows and weights rounded, sums and everything else in f32).
  // types_move: token types are trained, too; for sequences that have more than one.
  static Result<TrainableEncoder> load(const std::string& folder, Precision precision, const Kernels& kernels,
                                       ThreadPool& pool, bool types_move = false);
  // kBadData with a sentence on what this cannot train.
  static Status can_train(const EncoderConfig& config);
  // bf16 where these kernels have it fast, else f32.
  static Precision fast_precision(const Kernels& kernels);
  TrainableEncoder(TrainableEncoder&&) noexcept;
  TrainableEncoder& operator=(TrainableEncoder&&) noexcept;
  ~TrainableEncoder();

  const EncoderConfig& config() const;
  std::size_t dimensions() const;

  // Sequences one after another; `lengths` 1..positions each, their sum is ids.size(). Forward, loss, backward: leaves
  // the gradients of all parameters and returns the loss. Sequences 2 i and 2 i + 1 are never parted when `pairs`.
  // `dropout`: probability, 0 turns it off; `key` seeds its masks.
  double gradients(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths, EmbeddingLoss& loss,
                   double dropout, std::uint64_t key, bool pairs = false);
  double token_gradients(const TypedSequences& batch, TokenLoss& loss, double dropout, std::uint64_t key);
  // Of the gradients: sum of squares over all parameters.
  double gradient_square_sum() const;
  // One AdamW step with the gradients at hand. `other_square_sum`: of parameters kept elsewhere (a head), for clipping.
  // Returns the factor clipping asks for, in (0, 1].
  double update(const UpdateRates& rates, double other_square_sum);

  // out (sequences, dimensions): the embeddings, without dropout.
  void embed(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths, float* out);

  // The checkpoint's tensors with the present weights, every other tensor as it was.
  Status save_weights(const std::string& path);
  // The body with another head, as transformers saves a model with one: the present weights under the names they have
  // there ("bert." + ..), then `head`; a pooler and the heads there were are left out. metadata: of the file.
  Status save_with_head(const std::string& path, std::vector<NamedTensor> head,
                        const std::map<std::string, std::string>& metadata = {});

  // All that training on needs, as tensors of a checkpoint: weights, moments, and of the word vectors those that ever
  // moved. The views live until the next call of anything here.
  std::vector<NamedTensor> checkpoint();
  // Of the same encoder: training goes on as if it had never stopped, to the bit. kBadData: not its checkpoint;
  // nothing was changed then.
  Status restore(const Safetensors& file);

  // Everything that is trained, one value after another, as save_weights would write it; encoders of one folder have
  // the same order, so that their weights can be averaged. take_weights: of as many values; moments stay as they are.
  std::vector<float> weights();
  void take_weights(std::span<const float> values);

  // For tests: every parameter with its gradient, by the checkpoint's name (query, key and value are one).
  struct View {
    std::string name;
    std::span<float> value;
    std::span<const float> gradient;
  };
  std::vector<View> parameters();
  // The weights were changed through parameters(): make the packed copies again.
  void refresh();

  struct State;

 private:
  explicit TrainableEncoder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace smidgen
