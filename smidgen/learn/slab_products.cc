#include "smidgen/learn/slab_products.h"

#include <algorithm>

#include "smidgen/tensor/kernels.h"
#include "smidgen/tensor/matmul.h"

namespace smidgen {

namespace {

constexpr std::size_t kSlabsMax = 16, kSlabRowsMin = 128;

}  // namespace

SlabProducts::SlabProducts(std::span<const float> features, std::size_t dimensions, std::span<const std::uint32_t> rows,
                           std::size_t outputs)
    : dimensions_(dimensions), outputs_(outputs), rows_(rows.size() * dimensions), bias_(outputs) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(&features[rows[i] * dimensions], dimensions, &rows_[i * dimensions]);
  }
  const std::size_t slabs = std::clamp<std::size_t>(rows.size() / kSlabRowsMin, 1, kSlabsMax);
  for (std::size_t slab = 0; slab <= slabs; ++slab) begins_.push_back(rows.size() * slab / slabs);
  for (std::size_t slab = 0; slab < slabs; ++slab) {
    const std::size_t begin = begins_[slab];
    packed_rows_.push_back(PackedMatrix::pack(kernels(), rows_.data() + begin * dimensions, begins_[slab + 1] - begin,
                                              dimensions, dimensions, 1));
  }
  weights_.resize(outputs * dimensions);
  logits_.resize(rows.size() * outputs);
  gradients_.resize(slabs * outputs * dimensions);
}

void SlabProducts::set_weights(std::span<const double> theta) {
  const double* from = theta.data();
  for (std::size_t k = 0; k < outputs_; ++k) {
    for (std::size_t j = 0; j < dimensions_; ++j) weights_[k * dimensions_ + j] = static_cast<float>(*from++);
    bias_[k] = static_cast<float>(*from++);
  }
  packed_weights_ = PackedMatrix::pack(kernels(), weights_.data(), dimensions_, outputs_, 1, dimensions_);
}

std::span<float> SlabProducts::forward(std::size_t slab) {
  const std::size_t begin = begins_[slab], count = begins_[slab + 1] - begin;
  float* logits = &logits_[begin * outputs_];
  matmul(nullptr, &rows_[begin * dimensions_], count, dimensions_, packed_weights_, bias_.data(), logits, outputs_);
  return {logits, count * outputs_};
}

void SlabProducts::backward(std::size_t slab) {
  const std::size_t begin = begins_[slab], count = begins_[slab + 1] - begin;
  matmul_transposed(nullptr, &logits_[begin * outputs_], count, outputs_, outputs_, packed_rows_[slab],
                    &gradients_[slab * outputs_ * dimensions_], dimensions_);
}

void SlabProducts::add_gradient(std::span<double> gradient, ThreadPool& pool) const {
  pool.parallel_for(outputs_, [&](std::size_t k, std::size_t) {
    double* to = &gradient[k * (dimensions_ + 1)];
    for (std::size_t slab = 0; slab < slabs(); ++slab) {
      const float* from = &gradients_[(slab * outputs_ + k) * dimensions_];
      for (std::size_t j = 0; j < dimensions_; ++j) to[j] += static_cast<double>(from[j]);
    }
  });
}

}  // namespace smidgen
