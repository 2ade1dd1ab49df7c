// The rung `encoder`: an encoder, frozen or tuned, and a softmax head on its embedding, or on what its lower layers say
// (an exit: Teerapittayanon, McDanel, Kung, "BranchyNet", 2016).
//
// Exits and the encoder above them share one climb through the layers: what has run for a row is not run again.
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
  // The encoder has its tokenizer. exit_after: layers below the head, 0 for all. kBadData when the head takes vectors
  // of another size, or the encoder has no more layers than that.
  static Result<std::unique_ptr<EncoderRung>> create(std::shared_ptr<const Encoder> encoder, SoftmaxHead head,
                                                     std::size_t exit_after = 0);
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
  std::size_t exit_after() const override { return exit_after_; }
  bool goes_on_from(const Rung& below) const override;
  Status save_exit(const std::string& folder) const override;
  Result<std::unique_ptr<Rung>> load_exit(const std::string& folder, std::size_t layers) const override;

  const Encoder& encoder() const { return *encoder_; }
  const SoftmaxHead& head() const { return head_; }

 private:
  class EncoderScratch;
  EncoderRung(std::shared_ptr<const Encoder> encoder, SoftmaxHead head, std::size_t exit_after);
  std::size_t layers() const { return exit_after_ > 0 ? exit_after_ : encoder_->config().body.layers; }
  void read_rows(TextBatch& batch, std::span<const std::uint32_t> rows, EncoderScratch& scratch) const;
  void keep_rows(std::span<const std::uint32_t> rows, EncoderScratch& scratch) const;

  std::shared_ptr<const Encoder> encoder_;
  SoftmaxHead head_;
  std::size_t exit_after_ = 0;
  SpecialTokens specials_;
};

}  // namespace smidgen
