// The rung `encoder`: a frozen encoder and a softmax head on its embedding.
//
// Folder: the encoder's own files as they came (config.json, tokenizer, model.safetensors, sentence-transformers
// pooling), so that it still loads in transformers, and head.safetensors (softmax_head.h).
#pragma once

#include <memory>
#include <string>

#include "smidgen/model/encoder.h"
#include "smidgen/model/rung.h"
#include "smidgen/model/softmax_head.h"
#include "smidgen/model/special_tokens.h"

namespace smidgen {

class EncoderRung : public Rung {
 public:
  // The encoder has its tokenizer; kBadData when the head takes vectors of another size.
  static Result<std::unique_ptr<EncoderRung>> create(std::shared_ptr<const Encoder> encoder, SoftmaxHead head);
  // tokens_max 0: the folder's value.
  static Result<std::unique_ptr<EncoderRung>> load(const std::string& folder, std::size_t labels,
                                                   std::size_t tokens_max, Precision precision = Precision::kF32);

  RungKind kind() const override { return RungKind::kEncoder; }
  std::size_t labels() const override { return head_.labels; }
  std::size_t tokens_max() const override { return encoder_->tokens_max(); }
  std::unique_ptr<Rung::Scratch> make_scratch() const override;
  void score(TextBatch& batch, std::span<const std::uint32_t> rows, Rung::Scratch& scratch,
             std::span<float> log_probabilities) const override;
  Status save(const std::string& folder) const override;

  const Encoder& encoder() const { return *encoder_; }
  const SoftmaxHead& head() const { return head_; }

 private:
  class EncoderScratch;
  EncoderRung(std::shared_ptr<const Encoder> encoder, SoftmaxHead head);

  std::shared_ptr<const Encoder> encoder_;
  SoftmaxHead head_;
  SpecialTokens specials_;
};

}  // namespace smidgen
