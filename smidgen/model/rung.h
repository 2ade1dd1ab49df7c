// A rung answers the one question of the ladder: texts in, one log-probability per label out. Immutable once loaded;
// what changes per call lives in Scratch, one per thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/crew.h"
#include "smidgen/base/result.h"
#include "smidgen/tensor/precision.h"
#include "smidgen/text/tokenizer.h"

namespace smidgen {

// A batch of texts on its way up the ladder, with the tokenizations that rungs share. Not thread-safe: one per thread
// at a time.
class TextBatch {
 public:
  // `texts` must outlive the batch.
  explicit TextBatch(std::span<const std::string_view> texts) : texts_(texts) {}
  std::size_t size() const { return texts_.size(); }
  std::string_view text(std::size_t row) const { return texts_[row]; }
  // Plain ids (no special tokens, no limit) of one row, computed at most once per tokenizer fingerprint.
  const std::vector<std::int32_t>& tokens(std::size_t row, const Tokenizer& tokenizer);

 private:
  struct Entry {
    bool done = false;
    std::vector<std::int32_t> ids;
  };
  std::span<const std::string_view> texts_;
  std::string fingerprint_;
  std::vector<Entry> entries_;
};

enum class RungKind { kLinear, kStatic, kEncoder };
std::string_view to_string(RungKind kind);

class Rung {
 public:
  class Scratch {
   public:
    virtual ~Scratch() = default;
    virtual void use(Crew*) {}   // idle cores that may take part in what takes long; null: none
    std::uint64_t rows_cut = 0;  // rows that were longer than tokens_max, counted over the life of the scratch
  };
  virtual ~Rung() = default;
  virtual RungKind kind() const = 0;
  virtual std::size_t labels() const = 0;
  virtual std::size_t tokens_max() const = 0;  // 0: no limit
  virtual std::unique_ptr<Scratch> make_scratch() const = 0;
  // log_probabilities: (rows.size(), labels()) row-major, natural logarithms, finite (>= -50), each row's exponentials
  // sum to 1. `rows` are indices into the batch. A row's answer never depends on the other rows (batch invariance, to
  // the bit).
  virtual void score(TextBatch& batch, std::span<const std::uint32_t> rows, Scratch& scratch,
                     std::span<float> log_probabilities) const = 0;
  // Writes the rung's checkpoint folder (`folder` exists and is empty). load_rung reads it back to equal scores.
  virtual Status save(const std::string& folder) const = 0;

  // Exits: rungs that answer from inner layers of an encoder that a later rung goes on with. What is here of them is
  // what rungs that have no layers say; EncoderRung has them.
  //
  // The layers after which it answers, where there are more; else 0.
  virtual std::size_t exit_after() const { return 0; }
  // Whether it goes on where `below` ended. Both are then given one scratch; of each batch `below` scores first, and
  // this one rows that were among its.
  virtual bool goes_on_from(const Rung& below) const;
  // What of save() is this exit's alone, and the way back: the exit of this rung's encoder after `layers` layers, with
  // the head that save_exit() or save() wrote. kBadData when there is no such layer below the last.
  virtual Status save_exit(const std::string& folder) const;
  virtual Result<std::unique_ptr<Rung>> load_exit(const std::string& folder, std::size_t layers) const;
};

// Opens the folder that save() wrote. Untrusted: every size is checked before allocation, NaN in weights refused.
// `precision` is that of an encoder's arithmetic; other rungs have none.
Result<std::unique_ptr<Rung>> load_rung(RungKind kind, const std::string& folder, std::size_t labels,
                                        std::size_t tokens_max, Precision precision = Precision::kF32);

}  // namespace smidgen
