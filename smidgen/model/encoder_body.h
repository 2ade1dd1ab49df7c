// The body of every encoder this program runs: embeddings, then layers of self-attention and a perceptron of two linear
// layers, each half with a residual and a layer norm. One forward pass serves them all; BodyConfig says where they
// differ, EncoderWeights what their tensors are called, encoder_layers.h how a layer computes.
//
// Several cores can go through a pass together: each has some of the rows, and of attention, which looks at all rows,
// some of the heads.
//
// Padding-free: the tokens of all sequences stand in one matrix (tokens, hidden), every product runs over all of them
// at once, and only attention looks at sequences. A token's numbers depend on its own sequence alone, to the bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "smidgen/base/crew.h"
#include "smidgen/base/result.h"
#include "smidgen/model/body_config.h"
#include "smidgen/model/encoder_layers.h"
#include "smidgen/model/encoder_weights.h"
#include "smidgen/model/rotary.h"
#include "smidgen/model/smoothing.h"
#include "smidgen/tensor/kernels.h"

namespace smidgen {

inline constexpr std::size_t kCoresOfPass = 4;  // more gain little on short texts, and wait for each other

class EncoderBody {
 public:
  // Buffers of a forward pass; grow to the largest seen. One per thread.
  class Scratch {
   public:
    // The last forward()'s output, (tokens, hidden).
    const Activations& output() const { return x_; }
    // What run() left, before any final norm.
    const float* rows() const { return x_.f32(); }
    // Idle cores that may take part in a pass; null: none. The numbers stay the same, to the bit.
    void use(Crew* crew) { crew_ = crew; }

   private:
    friend class EncoderBody;
    Activations x_, normed_, qkv_, context_, gates_, inner_;
    AlignedFloats workspace_;
    std::size_t workspace_floats_ = 0;
    Crew* crew_ = nullptr;
    std::vector<Scratch> parts_;  // of the members of a team: each has some of the rows
  };

  // Sequences of one pass, one after another.
  struct Batch {
    std::span<const std::int32_t> ids;     // each in [0, vocabulary)
    std::span<const std::uint8_t> types;   // token types, as many as ids and each below config().types; empty: all 0
    std::span<const std::size_t> lengths;  // tokens of each sequence, <= positions; their sum is ids.size()
  };

  // int8 layers are smoothed by `smoothing` (of this checkpoint's layers), or by what a short run here finds.
  static Result<EncoderBody> load(const BodyConfig& config, const Safetensors& file, const Kernels& kernels,
                                  Precision precision = Precision::kF32, std::optional<Smoothing> smoothing = {});

  // Writes scratch.output().
  void forward(const Batch& batch, Scratch& scratch) const;

  // The same in parts. Layers first .. last - 1 of a batch, whose tokens the scratch must hold as they stood after
  // `first` layers: run() with that `last` left them there, or set_rows() put them back. With first 0 they are embedded
  // from ids, else only batch.lengths is looked at. In parts or at once: the same numbers, to the bit.
  void run(const Batch& batch, std::size_t first, std::size_t last, Scratch& scratch) const;
  // rows: (tokens, hidden), from Scratch::rows().
  void set_rows(std::span<const float> rows, Scratch& scratch) const;
  // What a head after the layers that ran would read, (tokens, hidden): the rows, behind the final norm where the body
  // has one. Valid until the scratch is used again; rows() stay.
  const float* exit_rows(Scratch& scratch) const;

  const BodyConfig& config() const { return config_; }
  const Kernels& kernels() const { return *kernels_; }
  Precision precision() const { return precision_; }
  const Smoothing& smoothing() const { return smoothing_; }  // int8 only

 private:
  struct Layer {
    AlignedFloats block;  // the four matrices, in the order of their use
    LinearLayer qkv;      // hidden -> 3 hidden: query | key | value
    LinearLayer attention_out;
    std::optional<Norm> attention_norm;
    LinearLayer inner, out;  // hidden -> intermediate -> hidden
    Norm norm;
    std::size_t window = 0;          // tokens seen on either side; 0: all
    const Rotary* rotary = nullptr;  // null: positions were embedded
  };

  Status load_layers(const EncoderWeights& weights, std::optional<Smoothing> smoothing);
  // trial: rows of x that arrive at this layer, to measure its inputs; they leave it behind its attention.
  Layer pack(LayerWeights weights, std::size_t index, Scratch* trial);
  std::vector<float> factors_for(std::size_t input, const Activations* x, LinearWeights& weights);
  void reserve(std::size_t longest, Scratch& scratch) const;
  const LinearLayer* qkv_of(std::size_t index) const { return index < layers_.size() ? &layers_[index].qkv : nullptr; }
  void add_rotary(const AttentionSpan& span, Layer& layer);
  void embed_tokens(const Batch& batch, Scratch& scratch) const;
  void ask_for_word(std::int32_t id) const;
  void embed_sequence(const Batch& batch, std::size_t first, std::size_t length, float* rows) const;
  const Activations& attention_input(const Layer& layer, const LinearLayer* next, Scratch& scratch) const;
  const Activations& perceptron_input(const Layer& layer, const LinearLayer* next, Scratch& scratch) const;
  // A member's part of a pass that several cores go through together: rows from `begin` of the whole pass.
  struct Part {
    Crew::Team& team;
    Scratch& whole;
    std::size_t begin;
  };
  void run_layers(std::span<const std::size_t> lengths, std::size_t first, std::size_t last, Scratch& scratch,
                  Part* part) const;
  void run_together(std::span<const std::size_t> lengths, std::size_t first, std::size_t last, Scratch& whole,
                    Crew::Team& team) const;
  void run_attention(const Layer& layer, std::span<const std::size_t> lengths, Scratch& scratch, Part* part) const;
  void run_perceptron(const Layer& layer, const LinearLayer* above, Scratch& scratch) const;
  void make_attendable(const Layer& layer, std::span<const std::size_t> lengths, std::size_t begin,
                       Activations& qkv) const;
  void attend_together(const Layer& layer, std::span<const std::size_t> lengths, Scratch& scratch, Part& part) const;
  // Some heads of the layer, of all sequences: qkv (tokens, 3 hidden) -> context (tokens, hidden).
  struct Heads {
    std::size_t first, count;
  };
  Precision attended() const { return precision_ == Precision::kF32 ? Precision::kF32 : Precision::kBf16; }
  void attend(const Layer& layer, std::span<const std::size_t> lengths, Heads heads, const Activations& qkv,
              Activations& context, float* workspace) const;

  BodyConfig config_;
  const Kernels* kernels_ = nullptr;
  Precision precision_ = Precision::kF32;  // of the layers
  std::vector<float> words_;               // (vocabulary, embedding)
  std::vector<float> positions_;           // (position_rows, embedding), the first token type added; empty when rotary
  std::vector<float> type_steps_;          // (types, embedding): what another token type adds to the first
  Norm embedding_norm_;
  std::optional<LinearLayer> projection_;  // embedding -> hidden, when they differ; always f32
  std::vector<std::unique_ptr<const Rotary>> rotaries_;
  std::vector<Layer> layers_;
  Smoothing smoothing_;
  std::optional<Norm> final_norm_;
};

}  // namespace smidgen
