// Contrastive fine-tuning: an encoder moved so that texts of one label lie together and others apart, before a head is
// fitted on its embeddings. What few labels are best used for: a handful of rows a label says little about the weights
// of a head, but every two rows say whether they belong together.
//
// The recipe is that of SetFit (Tunstall et al., "Efficient few-shot learning without prompts", 2022). One thing
// differs. SetFit draws pairs and runs both texts of each through the encoder; here a batch draws rows, a few of each
// label in turn, and compares each with each, so that B texts give B (B - 1) / 2 pairs: fewer passes for as many
// comparisons, and memory that depends on the batch, never on the number of pairs. The loss on the cosines c of pairs
// is SetFit's, with equal weight for both kinds of pairs as its sampling has it:
//
//   mean over pairs of equal labels of (c - 1)^2 / 2  +  mean over pairs of different labels of c^2 / 2
//
// (The supervised contrastive loss of Khosla et al. 2020 was tried in its place: docs/few_labels.md.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "smidgen/base/progress.h"
#include "smidgen/base/random.h"
#include "smidgen/base/result.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/trainable_encoder.h"

namespace smidgen {

struct ContrastOptions {
  std::size_t steps = 50, batch_rows = 32;
  double rate = 1e-4;    // of the encoder's top layer, at its highest
  double warm_up = 0.1;  // share of the steps over which the rate rises; it then falls to zero
  double weight_decay = 0.01, layer_decay = 1, gradient_norm_max = 1;
  double dropout = 0.1;
  std::uint64_t seed = 1;
};

// The loss of a batch whose sequences have these labels, and its derivative by every embedding. Embeddings of any
// length: cosines are taken.
class ContrastLoss : public EmbeddingLoss {
 public:
  explicit ContrastLoss(std::span<const std::uint32_t> labels) : labels_(labels) {}
  void begin(std::span<const float> embeddings) override;
  double run(std::size_t first, std::size_t count, const float* embeddings, float* d_embeddings) override;

 private:
  std::span<const std::uint32_t> labels_;
  std::vector<float> unit_, length_;                // (batch, dimensions) of length 1; (batch)
  std::vector<double> cosines_, d_cosines_, loss_;  // (batch, batch) twice, d symmetric; (batch)
};

// Draws batches: labels in shuffled turns, and of each label rows in shuffled turns, so that labels, and the rows of
// one label, are drawn about equally often after any number of batches. Memory: the rows' numbers.
class BatchSampler {
 public:
  BatchSampler(std::span<const std::uint32_t> labels, std::size_t label_count, std::size_t batch_rows,
               std::uint64_t seed);
  // Different rows, at most batch_rows: of each label drawn as many as share the batch evenly, two at least where the
  // label has them.
  std::vector<std::uint32_t> next();

 private:
  struct Turn {
    std::vector<std::uint32_t> items;
    std::size_t at = 0;
  };
  std::uint32_t take(Turn& turn);

  Random random_;
  std::size_t batch_rows_ = 0, rows_per_label_ = 0;
  Turn labels_;             // that have rows
  std::vector<Turn> rows_;  // of each label
};

struct ContrastReport {
  std::size_t steps = 0;
  double first_loss = 0, last_loss = 0;  // mean over the first and the last tenth of the steps
  double seconds = 0;
};

// Moves `encoder`. Rows of at least two labels. The same numbers for any number of threads. Fails only with
// Error::cancelled().
Result<ContrastReport> contrast(TrainableEncoder& encoder, const TokenRows& rows, std::size_t label_count,
                                const ContrastOptions& options, const Watcher& watcher);

// (rows, dimensions): embeddings without dropout.
std::vector<float> embed_rows(TrainableEncoder& encoder, std::span<const std::vector<std::int32_t>> ids);

}  // namespace smidgen
