// A rung for tests: scores that depend on nothing but the text, the rung's name and the label count, so that every
// expected answer can be computed by hand. Its folder holds one file, `name.txt`.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "smidgen/base/file.h"
#include "smidgen/model/rung.h"

namespace smidgen {

class FakeRung : public Rung {
 public:
  FakeRung(RungKind kind, std::string name, std::size_t labels)
      : kind_(kind), name_(std::move(name)), labels_(labels) {}
  RungKind kind() const override { return kind_; }
  std::size_t labels() const override { return labels_; }
  std::size_t tokens_max() const override { return 8; }
  std::unique_ptr<Scratch> make_scratch() const override { return std::make_unique<Scratch>(); }

  void score(TextBatch& batch, std::span<const std::uint32_t> rows, Scratch& scratch,
             std::span<float> log_probabilities) const override {
    SMIDGEN_CHECK(log_probabilities.size() == rows.size() * labels_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string_view text = batch.text(rows[i]);
      if (text.size() > 40) ++scratch.rows_cut;
      score_text(text, log_probabilities.subspan(i * labels_, labels_));
    }
  }
  Status save(const std::string& folder) const override { return write_file_atomic(folder + "/name.txt", name_); }

  // Peaked by the hash of (name, text): a spread of sure and unsure rows.
  void score_text(std::string_view text, std::span<float> out) const {
    const std::size_t hash = std::hash<std::string>()(name_ + std::string(text));
    double total = 0;
    for (std::size_t label = 0; label < labels_; ++label) {
      const double sharpness = static_cast<double>(hash % 7);
      out[label] = static_cast<float>(label == hash % labels_ ? sharpness : 0.0);
      total += std::exp(static_cast<double>(out[label]));
    }
    for (float& value : out) value -= static_cast<float>(std::log(total));
  }

  // A RungLoader for what save() wrote.
  static Result<std::unique_ptr<Rung>> load(RungKind kind, const std::string& folder, std::size_t labels, std::size_t,
                                            Precision) {
    SMIDGEN_ASSIGN(std::string name, read_file(folder + "/name.txt", 100));
    return std::unique_ptr<Rung>(std::make_unique<FakeRung>(kind, std::move(name), labels));
  }

 private:
  RungKind kind_;
  std::string name_;
  std::size_t labels_;
};

}  // namespace smidgen
