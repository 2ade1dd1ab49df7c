// Fine-tuning with a linear head on every token's state, unpooled: where an answer begins and ends in a window of
// question and passage (Devlin et al., "BERT", 2019, section 4.2; its section 4.3 for "no answer", which points at the
// first token, [CLS], as both ends), or which tag a word has (section 5.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/result.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/trainable_encoder.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

// logits (tokens, labels) = states W^T + b, one sequence at a time; what is minimised over them is the derived class's.
class TokenHeadLoss : public TokenLoss {
 public:
  // All must outlive it; lengths: of the batch.
  TokenHeadLoss(const SoftmaxHead& head, std::span<const std::size_t> lengths);
  double run(std::size_t first, std::size_t count, const float* states, float* d_states) override;
  // After every sequence was run: d_weights (labels, dimensions), d_bias (labels), overwritten.
  void head_gradients(std::span<float> d_weights, std::span<float> d_bias) const;
  std::size_t right() const;  // sequences answered right

 protected:
  struct Judged {
    double loss = 0;  // the sequence's share of the batch's
    bool right = false;
  };
  // Fills d_logits (tokens, labels). Called from several threads.
  virtual Judged judge(std::size_t sequence, std::size_t tokens, const float* logits, float* d_logits) const = 0;

 private:
  const SoftmaxHead& head_;
  std::span<const std::size_t> lengths_;
  std::vector<float> parts_;  // (sequences, labels, dimensions + 1): of the head's gradient, the bias last
  std::vector<std::uint8_t> right_;
};

// Mean over the batch of -(log p_start[start] + log p_end[end]) / 2, each a softmax over the window's tokens. Label 0
// is the start, 1 the end.
class SpanLoss : public TokenHeadLoss {
 public:
  // starts, ends: of the batch's sequences, each below its length.
  SpanLoss(const SoftmaxHead& head, std::span<const std::size_t> lengths, std::span<const std::uint32_t> starts,
           std::span<const std::uint32_t> ends);

 protected:
  Judged judge(std::size_t sequence, std::size_t tokens, const float* logits, float* d_logits) const override;

 private:
  std::span<const std::uint32_t> starts_, ends_;
};

// Windows of question and passage with the answer's first and last token.
struct SpanRows {
  std::vector<std::vector<std::int32_t>> ids;    // 1..positions each
  std::vector<std::vector<std::uint8_t>> types;  // of the tokens; all empty: the encoder has one type
  std::vector<std::uint32_t> starts, ends;
};

inline constexpr std::uint32_t kNoTag = UINT32_MAX;  // of a token that is no word's first

// Mean over the batch's tokens that have a tag of -log p[tag], a softmax over the labels.
class TagLoss : public TokenHeadLoss {
 public:
  // tags: of the batch's tokens, each a label of the head or kNoTag. A sequence is right when all its tags are.
  TagLoss(const SoftmaxHead& head, std::span<const std::size_t> lengths, std::span<const std::uint32_t> tags);

 protected:
  Judged judge(std::size_t sequence, std::size_t tokens, const float* logits, float* d_logits) const override;

 private:
  std::size_t labels_;
  std::span<const std::uint32_t> tags_;
  std::vector<std::size_t> begins_;  // of the sequences in tags_
  double share_ = 0;                 // of one token
};

// Pieces of sentences with a tag on the first token of each word.
struct TagRows {
  std::vector<std::vector<std::int32_t>> ids;    // 1..positions each
  std::vector<std::vector<std::uint32_t>> tags;  // of the tokens
};

// A head as BERT's are before training: weights normal with deviation 0.02, bias 0.
SoftmaxHead random_head(std::size_t labels, std::size_t dimensions, std::uint64_t seed);

// As fine_tune of labelled rows does; `right` is a window with both ends right. The options of labels (smoothing,
// weights, held rows) do not apply.
Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const SpanRows& rows,
                                 const FineTuneOptions& options, const Watcher& watcher);
// The same; `right` is a piece with every tag right.
Result<FineTuneReport> fine_tune(TrainableEncoder& encoder, SoftmaxHead& head, const TagRows& rows,
                                 const FineTuneOptions& options, const Watcher& watcher);

}  // namespace smidgen
