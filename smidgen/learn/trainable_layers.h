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

// What products are computed in: f32, or bf16 rows and weights with f32 sums and f32 master weights.
struct TrainingMode {
  const Kernels* kernels = nullptr;
  const TrainingKernels* training = nullptr;
  bool bf16 = false;
};

// y = x W^T + b, W (out, in), packed for both directions.
struct TrainableLinear {
  std::size_t in = 0, out = 0;
  Parameter weight, bias;
  AlignedFloats storage;
  PackedMatrix forward;                                                 // (in, out), f32
  PackedMatrix backward;                                                // (out, in), f32
  const std::uint16_t *low_forward = nullptr, *low_backward = nullptr;  // the same as panels of bf16
  std::vector<float> low_bias, no_bias;                                 // padded as LowProduct wants them

  void pack(const TrainingMode& mode);
  // y (rows, out) = x W^T + b + residual, which may be null or y. `rows_bf16`: room for rows * max(in, out) padded.
  void apply(const TrainingMode& mode, const float* x, std::size_t rows, const float* residual, float* y,
             void* rows_bf16) const;
  // d_x (rows, in) = d_y W + residual.
  void apply_back(const TrainingMode& mode, const float* d_y, std::size_t rows, const float* residual, float* d_x,
                  void* rows_bf16) const;
  // A strip of the weight's gradient, columns [first, first + count): d_y^T x, and with the first strip the bias's.
  // d_y_turned: d_y^T in bf16 (TrainingKernels::transpose), null in f32. workspace: tokens * count floats.
  void gradient_strip(const TrainingMode& mode, const float* x, const float* d_y, const std::uint16_t* d_y_turned,
                      std::size_t tokens, std::size_t first, std::size_t count, float* workspace);
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

  static Result<TrainableBody> load(const BodyConfig& config, const Safetensors& file, const TrainingMode& mode);
  // All but the words, in a fixed order.
  std::vector<Parameter*> dense();
  std::vector<TrainableLinear*> linears();
};

}  // namespace smidgen
