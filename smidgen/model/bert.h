// The BERT encoder (Devlin et al., "BERT", 2018): embeddings, then layers of self-attention and a two-layer perceptron,
// each with a residual and a layer norm behind it. f32, inference.
//
// Padding-free: the tokens of all sequences stand in one matrix (tokens, hidden), every product runs over all of them
// at once, and only attention looks at sequences. A token's numbers depend on its own sequence alone, to the bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/encoder_config.h"
#include "smidgen/tensor/kernels.h"
#include "smidgen/tensor/packed_matrix.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {

class Bert {
 public:
  // Buffers of a forward pass; grow to the largest seen. One per thread.
  class Scratch {
   public:
    // The last pass's output, (tokens, hidden).
    float* hidden() { return hidden_.get(); }

   private:
    friend class Bert;
    void reserve(const BertConfig& config, std::size_t tokens, std::size_t longest);
    std::size_t tokens_ = 0, workspace_floats_ = 0;
    AlignedFloats hidden_, qkv_, context_, inner_, workspace_;
  };

  // Names with or without the prefix `bert.`; extra tensors (poolers, heads) are ignored.
  static Result<Bert> load(const BertConfig& config, const Safetensors& file, const Kernels& kernels);

  // ids: all sequences one after another; lengths: tokens of each, 1..positions, their sum is ids.size(). Every id must
  // be in [0, vocabulary). Writes scratch.hidden().
  void forward(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths, Scratch& scratch) const;

  const BertConfig& config() const { return config_; }
  const Kernels& kernels() const { return *kernels_; }

 private:
  struct Norm {
    std::vector<float> gain, bias;  // (hidden)
  };
  struct Linear {
    PackedMatrix weight;  // (in, out)
    std::vector<float> bias;
  };
  struct Layer {
    AlignedFloats block;  // the four matrices, in the order of their use
    Linear qkv;           // hidden -> 3 hidden: query | key | value
    Linear attention_out;
    Norm attention_norm;
    Linear inner, out;  // hidden -> intermediate -> hidden
    Norm norm;
  };
  class Loader;

  void embed_tokens(std::span<const std::int32_t> ids, std::span<const std::size_t> lengths, float* x) const;
  void run_layer(const Layer& layer, std::span<const std::size_t> lengths, std::size_t tokens, Scratch& scratch) const;
  void apply(const Linear& linear, const float* x, std::size_t rows, bool gelu, const float* residual, float* y) const;
  void normalise(const Norm& norm, float* x, std::size_t rows) const;

  BertConfig config_;
  const Kernels* kernels_ = nullptr;
  std::vector<float> words_;      // (vocabulary, hidden)
  std::vector<float> positions_;  // (positions, hidden), the first token type added
  Norm embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace smidgen
