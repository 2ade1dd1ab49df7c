// Encoder::Climb: the layers in parts, with the rows of inner layers kept between them.
#include <algorithm>
#include <numeric>

#include "smidgen/model/encoder.h"

namespace smidgen {

void Encoder::start(std::span<const std::span<const std::int32_t>> sequences, Climb& climb) const {
  climb.ids_.clear();
  climb.lengths_.clear();
  climb.rows_.clear();
  climb.layers_ = 0;
  for (const auto& sequence : sequences) {
    climb.ids_.insert(climb.ids_.end(), sequence.begin(), sequence.end());
    climb.lengths_.push_back(sequence.size());
  }
}

void Encoder::climb(std::size_t layers, Scratch& scratch, Climb& climb, float* out) const {
  SMIDGEN_CHECK(layers > climb.layers_ && layers <= config_.body.layers);
  const std::size_t width = dimensions();
  const std::span<const std::int32_t> ids = climb.ids_;
  const std::span<const std::size_t> lengths = climb.lengths_;
  climb.rows_.resize(ids.size() * width);
  std::size_t token = 0;
  for (std::size_t first = 0; first < lengths.size();) {
    const std::span<const std::size_t> together = lengths.subspan(first, end_of_pass(lengths, first) - first);
    const std::size_t tokens = std::accumulate(together.begin(), together.end(), std::size_t{0});
    const std::span<float> rows = std::span(climb.rows_).subspan(token * width, tokens * width);
    if (climb.layers_ > 0) body_.set_rows(rows, scratch.body_);
    body_.run({ids.subspan(token, tokens), {}, together}, climb.layers_, layers, scratch.body_);
    if (layers < config_.body.layers) std::copy_n(scratch.body_.rows(), rows.size(), rows.begin());
    const float* read = body_.exit_rows(scratch.body_);
    for (const std::size_t length : together) {
      pool(read, length, out + first++ * width);
      read += length * width;
    }
    token += tokens;
  }
  climb.layers_ = layers;
}

void Encoder::keep(std::span<const std::uint32_t> which, Climb& climb) const {
  const std::size_t width = climb.layers_ > 0 ? dimensions() : 0;
  std::size_t token = 0, kept_tokens = 0, next = 0;
  for (std::size_t i = 0; i < climb.lengths_.size(); ++i) {
    const std::size_t length = climb.lengths_[i];
    if (next < which.size() && which[next] == i) {
      std::copy_n(climb.ids_.begin() + static_cast<std::ptrdiff_t>(token), length,
                  climb.ids_.begin() + static_cast<std::ptrdiff_t>(kept_tokens));
      std::copy_n(climb.rows_.begin() + static_cast<std::ptrdiff_t>(token * width), length * width,
                  climb.rows_.begin() + static_cast<std::ptrdiff_t>(kept_tokens * width));
      climb.lengths_[next++] = length;
      kept_tokens += length;
    }
    token += length;
  }
  SMIDGEN_CHECK(next == which.size());
  climb.lengths_.resize(next);
  climb.ids_.resize(kept_tokens);
  climb.rows_.resize(kept_tokens * width);
}

}  // namespace smidgen
