// The rung `linear`: hashed word and character n-grams, tf-idf weights, one row of class weights per n-gram. No
// pre-trained part; about 3 us a short text. text/ngrams.h says which n-grams, learn/linear_features.h how they are
// weighted, learn/linear_solver.h how the weights were found.
//
//   x_f = (1 + log count_f) idf_f / |block|          for each n-gram f of the vocabulary in the text
//   log p = log_softmax(bias + sum_f x_f scale[row_f] weights[row_f])     weights int8, scale f32 per row
//
// With two labels there is one weight a row and log p = (log sigmoid(-z), log sigmoid(z)).
//
// Folder (docs/bundles.md): config.json {format, kind, labels, blocks, code_points_max, idf_max} and
// model.safetensors:
//   feature_hash U64 (features)   rising; the n-gram's hash
//   feature_row  U32 (features)   row of weights; kNoRow: counts for the length only (its weights were pruned). In
//                                 format 1 such a feature with the idf code 255 counts for nothing, as when it was made
//   feature_idf  U8  (features)   idf = 1 + code / 255 * (idf_max - 1)
//   weights      I8  (rows, outputs)   outputs = labels, or 1 with two labels
//   scales       F32 (rows)
//   bias         F32 (outputs)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "smidgen/model/rung.h"
#include "smidgen/text/ngrams.h"

namespace smidgen {

// The model as plain numbers: what training hands over and what the files hold.
struct LinearParts {
  static constexpr std::uint32_t kNoRow = ~0U;
  static constexpr int kFormat = 2;
  int format = kFormat;  // 1: scored as the versions scored that wrote it (feature_row)
  std::size_t labels = 0;
  std::vector<NgramBlock> blocks;
  std::size_t code_points_max = kNgramCodePointsMax;
  float idf_max = 1;
  std::vector<std::uint64_t> feature_hash;
  std::vector<std::uint32_t> feature_row;
  std::vector<std::uint8_t> feature_idf;
  std::vector<std::int8_t> weights;
  std::vector<float> scales, bias;

  std::size_t outputs() const { return labels == 2 ? 1 : labels; }
  // Sizes agree, rows in range, hashes rising, numbers finite and of a sane size. kBadData names the part.
  Status validate() const;
};

class LinearRung : public Rung {
 public:
  // At most 2^24 - 2 rows of weights, and hashes that do not crowd the table (kBadData).
  static Result<std::unique_ptr<LinearRung>> create(LinearParts parts);
  static Result<std::unique_ptr<LinearRung>> load(const std::string& folder, std::size_t labels);

  RungKind kind() const override { return RungKind::kLinear; }
  std::size_t labels() const override { return parts_.labels; }
  // Texts are cut by code points (kNgramCodePointsMax), not by tokens; Scratch::rows_cut counts them.
  std::size_t tokens_max() const override { return 0; }
  std::unique_ptr<Rung::Scratch> make_scratch() const override;
  void score(TextBatch& batch, std::span<const std::uint32_t> rows, Rung::Scratch& scratch,
             std::span<float> log_probabilities) const override;
  Status save(const std::string& folder) const override;

  // One text; log_probabilities (labels).
  void score_text(std::string_view text, Rung::Scratch& scratch, std::span<float> log_probabilities) const;
  const LinearParts& parts() const { return parts_; }

 private:
  struct Slot {
    std::uint32_t fingerprint = 0;  // high half of the hash
    std::uint32_t payload = 0;      // row << 8 | idf code; kEmptySlot in an unused slot
  };
  class LinearScratch;
  LinearRung() = default;
  Status build_table();
  void find_block(NgramBlock block, LinearScratch& scratch) const;
  void finish_row(LinearScratch& scratch, std::span<float> log_probabilities) const;

  LinearParts parts_;
  std::size_t lanes_ = 0;
  std::vector<Slot> slots_;          // open addressing by the low half of the hash; size a power of two
  std::vector<std::int8_t> padded_;  // (rows, lanes)
  std::vector<float> padded_bias_;   // (lanes)
  float idf_of_code_[256] = {};
};

}  // namespace smidgen
