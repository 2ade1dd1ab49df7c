// What stands on an encoder body in a checkpoint of transformers: one answer per sequence (classification), one per
// token (named entities), or the logits of an answer's first and last token (extractive question answering).
//
// The architectures differ in what comes before the last linear layer:
//
//   sequence   BERT       tanh(pooler first token)        RoBERTa, XLM-R  tanh(dense first token)
//              DistilBERT relu(pre_classifier first ..)   ELECTRA         gelu(dense first token)
//              ModernBERT norm(act(dense first token or mean))
//   tokens, questions     nothing; in ModernBERT norm(act(dense token))
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/model/body_config.h"
#include "smidgen/model/encoder_body.h"
#include "smidgen/model/encoder_layers.h"
#include "smidgen/tensor/safetensors.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

enum class HeadKind { kSequence, kTokens, kQuestions };
std::string_view to_string(HeadKind kind);  // "sequence classification", ...

struct HeadConfig {
  HeadKind kind = HeadKind::kSequence;
  std::vector<std::string> labels;  // by number; for questions: start, end
  // ModernBERT:
  Activation activation = Activation::kGelu;
  bool dense_bias = false;
  bool mean = false;  // a sequence's vector is the mean of its tokens instead of the first

  // The text of a config.json: `architectures` names the head, `id2label` the labels (else `num_labels`, else two).
  static Result<HeadConfig> from_json(std::string_view json, const BodyConfig& body);
};

class EncoderHead {
 public:
  class Scratch {
   private:
    friend class EncoderHead;
    Activations pooled_, dense_;
  };

  static Result<EncoderHead> load(const HeadConfig& config, const BodyConfig& body, const Safetensors& file,
                                  const Kernels& kernels);

  // hidden: a body's output for sequences of these lengths, each >= 1. logits becomes (sequences, labels) for sequence
  // classification, else (tokens, labels).
  void apply(const Activations& hidden, std::span<const std::size_t> lengths, Scratch& scratch,
             Activations& logits) const;

  const HeadConfig& config() const { return config_; }

 private:
  void pool(const Activations& hidden, std::span<const std::size_t> lengths, Activations& pooled) const;

  HeadConfig config_;
  const Kernels* kernels_ = nullptr;
  std::optional<LinearLayer> dense_;
  Activation activation_ = Activation::kNone;
  std::optional<Norm> norm_;
  LinearLayer classifier_;
};

// A body and its head, from a folder that transformers saved. Immutable; a Scratch belongs to one thread at a time.
class HeadedEncoder {
 public:
  class Scratch {
   public:
    const Activations& logits() const { return logits_; }  // of the last pass
    void use(Crew* crew) { body_.use(crew); }              // idle cores that may take part; null: none

   private:
    friend class HeadedEncoder;
    EncoderBody::Scratch body_;
    EncoderHead::Scratch head_;
    Activations logits_;
  };

  // config.json and model.safetensors of `folder`; kernels null: kernels().
  static Result<HeadedEncoder> load(const std::string& folder, const Kernels* kernels = nullptr);

  void forward(const EncoderBody::Batch& batch, Scratch& scratch) const;
  const BodyConfig& body_config() const { return body_.config(); }
  const HeadConfig& head_config() const { return head_.config(); }
  const Kernels& kernels() const { return body_.kernels(); }

 private:
  HeadedEncoder(EncoderBody body, EncoderHead head) : body_(std::move(body)), head_(std::move(head)) {}
  EncoderBody body_;
  EncoderHead head_;
};

// The tokenizer of a folder whose encoder is `body`; kBadData when its ids are more than the encoder's embeddings.
Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder, const BodyConfig& body);
// kBadData when the tokenizer's pairs have a segment for which the encoder has no embedding.
Status check_segments(const std::string& folder, const Tokenizer& tokenizer, const BodyConfig& body);

}  // namespace smidgen
