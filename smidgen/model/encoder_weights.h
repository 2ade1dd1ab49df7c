// An encoder's tensors by what they are for, whatever the checkpoint calls them: one table of names per architecture.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/body_config.h"
#include "smidgen/model/encoder_layers.h"
#include "smidgen/tensor/safetensors.h"

namespace smidgen {

struct EncoderNames;  // encoder_weights.cc

struct LayerWeights {
  LinearWeights qkv;  // hidden -> 3 hidden: query | key | value
  LinearWeights attention_out;
  LinearWeights inner;         // hidden -> intermediate, or 2 intermediate when gated: to activate | to multiply
  LinearWeights out;           // intermediate -> hidden
  NormWeights attention_norm;  // empty: the layer has none (the first of ModernBERT)
  NormWeights norm;
};

// What the checkpoint calls a layer's tensors, without the `.weight` and `.bias` behind; query, key and value are one
// name or three.
struct LayerNames {
  std::vector<std::string> qkv;
  std::string attention_out, inner, out, attention_norm, norm;
};

class EncoderWeights {
 public:
  // `file` and `config` must outlive it. Tensors it does not ask for (poolers, heads) are ignored.
  EncoderWeights(const BodyConfig& config, const Safetensors& file);

  Result<std::vector<float>> words() const;      // (vocabulary, embedding)
  Result<std::vector<float>> positions() const;  // (position_rows, embedding), empty when rotary
  Result<std::vector<float>> types() const;      // (types, embedding)
  Result<NormWeights> embedding_norm() const;
  Result<LinearWeights> projection() const;  // embedding -> hidden; only when they differ
  Result<LayerWeights> layer(std::size_t index) const;
  Result<NormWeights> final_norm() const;  // only when norms stand first

  // Names for those who write weights back; `types_name` is empty without token types.
  LayerNames layer_names(std::size_t index) const;
  std::string words_name() const, positions_name() const, types_name() const, embedding_norm_name() const;

 private:
  Result<LinearWeights> linear(const std::vector<std::string>& names, std::size_t in, std::size_t out, bool bias) const;

  const BodyConfig& config_;
  const Safetensors& file_;
  const EncoderNames& names_;
  std::string prefix_;
};

// One linear layer by its name: weight (out, in) at NAME.weight and, with `bias`, bias (out) at NAME.bias.
Result<LinearWeights> read_linear(const Safetensors& file, const std::string& name, std::size_t in, std::size_t out,
                                  bool bias = true);
// A layer norm; older checkpoints call gain and bias gamma and beta. Without `bias` it is zero.
Result<NormWeights> read_norm(const Safetensors& file, const std::string& name, std::size_t size, bool bias = true);

}  // namespace smidgen
