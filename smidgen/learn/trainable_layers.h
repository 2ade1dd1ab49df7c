// The parameters of a trainable encoder and their optimizer's state, as trainable_encoder.cc uses them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/model/body_config.h"
#include "smidgen/tensor/packed_matrix.h"
#include "smidgen/tensor/safetensors.h"
#include "smidgen/tensor/training_kernels.h"

namespace smidgen {

struct Parameter {
  std::vector<std::string> names;  // in the checkpoint; several stand one after another (query, key, value)
  std::vector<std::size_t> shape;  // of one name
  bool decays = false;             // weight decay: matrices, not biases and norms
  std::size_t depth = 0;           // 0: embeddings, l + 1: layer l
  std::vector<float> value, gradient, first, second;

  std::size_t size() const { return value.size(); }
  // Reads the tensors; the optimizer's state starts at zero.
  static Result<Parameter> load(const Safetensors& file, std::vector<std::string> names, std::vector<std::size_t> shape,
                                std::size_t depth);
};

// y = x W^T + b, W (out, in), packed for both directions.
struct TrainableLinear {
  std::size_t in = 0, out = 0;
  Parameter weight, bias;
  AlignedFloats storage;
  PackedMatrix forward;   // (in, out)
  PackedMatrix backward;  // (out, in)
  void pack(const Kernels& kernels);
};

struct TrainableNorm {
  Parameter gain, bias;
};

struct TrainableLayer {
  TrainableLinear qkv, attention_out, inner, outer;
  TrainableNorm attention_norm, norm;
};

// Word vectors with the optimizer's moments, both touched row by row (trainable_encoder.h says why).
struct TrainableWords {
  Parameter table;                       // (vocabulary, hidden); its `gradient` stays empty
  std::vector<std::uint32_t> last_step;  // of each row, when it last moved; 0: never
  std::vector<std::uint32_t> rows;       // touched by the batch at hand, rising
  std::vector<float> row_gradients;      // (rows.size(), hidden)
};

struct TrainableBody {
  TrainableWords words;
  Parameter positions;      // (position_rows, hidden)
  std::vector<float> type;  // (hidden): the first token type, which does not move
  TrainableNorm embedding_norm;
  std::vector<TrainableLayer> layers;

  static Result<TrainableBody> load(const BodyConfig& config, const Safetensors& file, const Kernels& kernels);
  // All but the words, in a fixed order.
  std::vector<Parameter*> dense();
  std::vector<TrainableLinear*> linears();
};

}  // namespace smidgen
