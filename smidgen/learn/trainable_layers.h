// The parameters of a trainable encoder and their optimizer's state, as trainable_encoder.cc uses them.
#pragma once

#include <cstddef>
#include <cstdint>
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

// Elements from one row of n to the next: floats stand without gaps, bf16 as products read them (the gap is zero).
template <class T>
constexpr std::size_t row_stride(std::size_t n) {
  return sizeof(T) == sizeof(float) ? n : bf16_row_bytes(n) / sizeof(std::uint16_t);
}

// y = x W^T + b, W (out, in), packed for both directions. Rows of x, y and their derivatives are T, float or bf16
// (std::uint16_t), row_stride<T> elements apart; which one is what `mode` says.
struct TrainableLinear {
  std::size_t in = 0, out = 0;
  Parameter weight, bias;
  AlignedFloats storage;
  float *forward = nullptr, *backward = nullptr;                  // panels of (in, out) and (out, in)
  std::uint16_t *low_forward = nullptr, *low_backward = nullptr;  // the same of bf16
  std::vector<float> low_bias, no_bias;                           // padded as LowProduct wants them

  // Makes the packed copies; pack_rows only those of the weight's rows [first, first + count), first a multiple of
  // kUpdateRows.
  void pack(const TrainingMode& mode);
  void pack_rows(const TrainingMode& mode, std::size_t first, std::size_t count);
  // y (rows, out) = x W^T + b + residual, which may be null or y.
  void apply(const TrainingMode& mode, const float* x, std::size_t rows, const float* residual, float* y) const;
  void apply(const TrainingMode& mode, const std::uint16_t* x, std::size_t rows, const float* residual, float* y) const;
  void apply(const TrainingMode& mode, const float* x, std::size_t rows, float* y) const;
  void apply(const TrainingMode& mode, const std::uint16_t* x, std::size_t rows, std::uint16_t* y) const;
  // d_x (rows, in) = d_y W + residual.
  void apply_back(const TrainingMode& mode, const float* d_y, std::size_t rows, const float* residual,
                  float* d_x) const;
  void apply_back(const TrainingMode& mode, const std::uint16_t* d_y, std::size_t rows, const float* residual,
                  float* d_x) const;
  void apply_back(const TrainingMode& mode, const float* d_y, std::size_t rows, float* d_x) const;
  void apply_back(const TrainingMode& mode, const std::uint16_t* d_y, std::size_t rows, std::uint16_t* d_x) const;
  // Rows [first, first + count) of the gradients: d_y^T x and the sums of d_y. d_y_turned: those rows of d_y^T,
  // turned_stride<T>(tokens) apart. panels: of all of x (tokens, in), by pack_input. Returns their sum of squares.
  template <class T>
  double gradient_rows(const TrainingMode& mode, const T* d_y, const T* d_y_turned, const T* panels, std::size_t tokens,
                       std::size_t first, std::size_t count);
  // One AdamW step of the weight's rows [first, first + count) and their biases, and their packed copies.
  void update_rows(const TrainingMode& mode, const AdamStep& step, std::size_t first, std::size_t count);
};
inline constexpr std::size_t kUpdateRows = 64;  // a multiple of every panel's columns and lines

// Rows of a transposed derivative: a line more than a power of two would be, whose lines would fall on each other in
// the caches.
template <class T>
constexpr std::size_t turned_stride(std::size_t tokens) {
  return row_stride<T>(padded_to(tokens, 32)) + 64 / sizeof(T);
}
void turn(const TrainingMode& mode, const float* x, std::size_t stride, std::size_t tokens, std::size_t columns,
          float* out);
void turn(const TrainingMode& mode, const std::uint16_t* x, std::size_t stride, std::size_t tokens, std::size_t columns,
          std::uint16_t* out);
// Columns [first, first + count) of x (tokens, n) as panels for gradient_rows, `panels` being those of column 0; first
// a multiple of 64.
void pack_input(const TrainingMode& mode, const float* x, std::size_t tokens, std::size_t n, std::size_t first,
                std::size_t count, float* panels);
void pack_input(const TrainingMode& mode, const std::uint16_t* x, std::size_t tokens, std::size_t n, std::size_t first,
                std::size_t count, std::uint16_t* panels);
// Elements of all panels.
template <class T>
std::size_t input_panels(const TrainingMode& mode, std::size_t tokens, std::size_t n) {
  if constexpr (sizeof(T) == sizeof(float)) return PackedMatrix::packed_floats(*mode.kernels, tokens, n);
  return padded_to(n, kLowPairColumns) / kLowPanelColumns * low_panel_halves(tokens);
}

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

// kBadData: layers this cannot train.
Status check_trainable(const BodyConfig& config);

struct TrainableBody {
  TrainableWords words;
  Parameter positions;      // (position_rows, hidden)
  Parameter types;          // (types, hidden), at least one row
  bool types_move = false;  // sequences of one type leave them where they are
  TrainableNorm embedding_norm;
  std::vector<TrainableLayer> layers;

  static Result<TrainableBody> load(const BodyConfig& config, const Safetensors& file, const TrainingMode& mode,
                                    bool types_move);
  // All but the words, in a fixed order.
  std::vector<Parameter*> dense();
  std::vector<TrainableLinear*> linears();
  std::vector<Parameter*> others();  // of dense(): what belongs to no linear
};

}  // namespace smidgen
