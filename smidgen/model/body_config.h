// The shape of an encoder body, read from a config.json and range-checked before any weight is touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/activation.h"

namespace smidgen {

// By `model_type`. What they share is in encoder_body.h, what the checkpoints call their tensors in encoder_weights.cc.
enum class Architecture {
  kBert,        // Devlin et al. 2018
  kDistilBert,  // Sanh et al. 2019: no token types
  kRoberta,     // Liu et al. 2019: positions count from padding_id + 1
  kXlmRoberta,  // Conneau et al. 2020: RoBERTa's body
  kElectra,     // Clark et al. 2020: embeddings may be narrower than the layers
  kModernBert,  // Warner et al. 2024: norms before, rotary positions, local attention, GeGLU
};
std::string_view to_string(Architecture architecture);  // its `model_type`

// Attention of one ModernBERT layer.
struct AttentionSpan {
  std::size_t window = 0;  // tokens seen on either side; 0: all
  double theta = 0;        // of the rotary positions
};

// Limits are far above any model this program is for; they keep products of sizes in 64 bits.
struct BodyConfig {
  Architecture architecture = Architecture::kBert;
  std::size_t vocabulary = 0;    // 1..4,194,304
  std::size_t hidden = 0;        // 1..16,384, a multiple of heads
  std::size_t embedding = 0;     // 1..16,384: of a token's vector; projected to hidden when it differs
  std::size_t layers = 0;        // 1..256
  std::size_t heads = 0;         // 1..256
  std::size_t intermediate = 0;  // 1..65,536
  std::size_t positions = 0;     // 1..65,536: the tokens a sequence may have
  // Learnt positions: rows of the table and the row of the first token. rotary: 0.
  std::size_t position_rows = 0, first_position = 0;
  // RoBERTa: a token with this id takes the row before the first and is not counted.
  std::optional<std::int32_t> padding_id;
  std::size_t types = 0;   // token types, 0..16
  float epsilon = 1e-12F;  // of the layer norms
  Activation activation = Activation::kGelu;

  // ModernBERT; `spans` has one entry a layer, and none in the others.
  std::vector<AttentionSpan> spans;
  bool norm_bias = true, attention_bias = true, mlp_bias = true;
  bool rotary() const { return !spans.empty(); }
  // Norms stand before the layers' halves and after the last layer, instead of after each half.
  bool norms_first() const { return architecture == Architecture::kModernBert; }
  bool gated() const { return architecture == Architecture::kModernBert; }

  // The text of a config.json. Errors name the field; the caller adds the path.
  static Result<BodyConfig> from_json(std::string_view json);
};

}  // namespace smidgen
