// The rung `static`: one vector per token, their mean, its direction, a softmax head. No matrix product but the head's,
// so an answer costs little more than its tokenization. learn/distill.h makes the vectors.
//
//   x = sum_t scale[t] vector[t],   log p = head(x / |x|)
//
// Vectors are int8 with one scale per token. The scale also holds the token's frequency weight, so that a table can be
// weighted for a task without touching its vectors; 0 drops a token.
//
// Folder: config.json {model_type, hidden_dim, normalize}, the tokenizer's files, model.safetensors with
//   embeddings I8  (vocabulary, dimensions)
//   weights    F32 (vocabulary)
// (the layout of a quantized model2vec folder, which reads it too), and head.safetensors (softmax_head.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "smidgen/model/rung.h"
#include "smidgen/model/softmax_head.h"

namespace smidgen {

// NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): the analyzer loses what a Result holds when it moves
struct StaticTable {
  std::size_t vocabulary = 0, dimensions = 0;
  std::vector<std::int8_t> vectors;  // (vocabulary, dimensions)
  std::vector<float> scales;         // (vocabulary)

  // vectors: (vocabulary, dimensions); each row is rounded to 127 steps of its largest component.
  static StaticTable quantize(std::span<const float> vectors, std::size_t dimensions);
  // out (dimensions): the direction of the sum over `ids` (each below vocabulary), zeros when nothing is left. Added in
  // the order of ids: equal ids give equal bits.
  void embed(std::span<const std::int32_t> ids, std::span<float> out) const;
};

// A table and the tokenizer its rows belong to. Immutable.
class StaticModel {
 public:
  static constexpr std::size_t kDimensionsMax = 4096;

  // Takes the tokenizer from `tokenizer_folder` (an encoder's); kBadData when it has more tokens than the table.
  static Result<StaticModel> create(StaticTable table, const std::string& tokenizer_folder);
  static Result<StaticModel> load(const std::string& folder);
  Status save(const std::string& folder) const;

  const StaticTable& table() const { return table_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  StaticModel() = default;
  StaticTable table_;
  std::string tokenizer_folder_;
  std::unique_ptr<const Tokenizer> tokenizer_;
};

class StaticRung : public Rung {
 public:
  // kBadData when the head takes vectors of another size.
  static Result<std::unique_ptr<StaticRung>> create(std::shared_ptr<const StaticModel> model, SoftmaxHead head);
  static Result<std::unique_ptr<StaticRung>> load(const std::string& folder, std::size_t labels);

  RungKind kind() const override { return RungKind::kStatic; }
  std::size_t labels() const override { return head_.labels; }
  std::size_t tokens_max() const override { return 0; }  // no limit
  std::unique_ptr<Rung::Scratch> make_scratch() const override;
  void score(TextBatch& batch, std::span<const std::uint32_t> rows, Rung::Scratch& scratch,
             std::span<float> log_probabilities) const override;
  Status save(const std::string& folder) const override;

  const StaticModel& model() const { return *model_; }
  const SoftmaxHead& head() const { return head_; }

 private:
  class StaticScratch;
  StaticRung(std::shared_ptr<const StaticModel> model, SoftmaxHead head);

  std::shared_ptr<const StaticModel> model_;
  SoftmaxHead head_;
};

}  // namespace smidgen
