#include "smidgen/learn/principal_axes.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "smidgen/tensor/kernels.h"
#include "smidgen/tensor/matmul.h"

namespace smidgen {

namespace {

constexpr std::size_t kSlabRows = 1024;

std::vector<double> column_means(std::span<const float> features, std::size_t dimensions) {
  std::vector<double> mean(dimensions);
  const std::size_t rows = features.size() / dimensions;
  for (std::size_t i = 0; i < rows; ++i) {
    const float* row = &features[i * dimensions];
    for (std::size_t j = 0; j < dimensions; ++j) mean[j] += static_cast<double>(row[j]);
  }
  for (double& value : mean) value /= static_cast<double>(rows);
  return mean;
}

// (rows, dimensions), less the mean.
std::vector<float> centred(std::span<const float> features, std::span<const double> mean) {
  std::vector<float> out(features.size());
  const std::size_t dimensions = mean.size();
  for (std::size_t i = 0; i < features.size(); i += dimensions) {
    for (std::size_t j = 0; j < dimensions; ++j) {
      out[i + j] = static_cast<float>(static_cast<double>(features[i + j]) - mean[j]);
    }
  }
  return out;
}

std::vector<double> covariance_of(std::span<const float> rows_centred, std::size_t dimensions, ThreadPool& pool) {
  const std::size_t rows = rows_centred.size() / dimensions, slabs = (rows + kSlabRows - 1) / kSlabRows;
  std::vector<double> sum(dimensions * dimensions);
  // A few slabs at a time, so that memory does not grow with the rows.
  const std::size_t together = 8;
  std::vector<std::vector<float>> partial(std::min(together, slabs));
  for (std::size_t first = 0; first < slabs; first += together) {
    const std::size_t count = std::min(together, slabs - first);
    pool.parallel_for(count, [&](std::size_t s, std::size_t) {
      const std::size_t begin = (first + s) * kSlabRows, size = std::min(kSlabRows, rows - begin);
      const float* block = rows_centred.data() + begin * dimensions;
      partial[s].resize(dimensions * dimensions);
      const PackedMatrix packed = PackedMatrix::pack(kernels(), block, size, dimensions, dimensions, 1);
      matmul_transposed(nullptr, block, size, dimensions, dimensions, packed, partial[s].data(), dimensions);
    });
    pool.parallel_for(dimensions, [&](std::size_t i, std::size_t) {
      for (std::size_t s = 0; s < count; ++s) {
        for (std::size_t j = 0; j < dimensions; ++j) {
          sum[i * dimensions + j] += static_cast<double>(partial[s][i * dimensions + j]);
        }
      }
    });
  }
  for (double& value : sum) value /= static_cast<double>(rows);
  return sum;
}

}  // namespace

Result<PrincipalAxes> principal_axes(std::span<const float> features, std::size_t dimensions, ThreadPool& pool) {
  SMIDGEN_CHECK(dimensions >= 1 && features.size() >= dimensions && features.size() % dimensions == 0);
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (!std::isfinite(features[i])) {
      return Error::bad_data("feature " + std::to_string(i % dimensions) + " of row " + std::to_string(i / dimensions) +
                             " is not a finite number")
          .hint("check the encoder's weights");
    }
  }
  PrincipalAxes axes;
  axes.mean = column_means(features, dimensions);
  const std::vector<double> covariance = covariance_of(centred(features, axes.mean), dimensions, pool);
  SMIDGEN_ASSIGN(axes.eigen, symmetric_eigen(covariance, dimensions));
  for (double& value : axes.eigen.values) value = std::max(value, 0.0);
  return axes;
}

std::vector<float> project(std::span<const float> features, const PrincipalAxes& axes, std::size_t components,
                           ThreadPool& pool) {
  const std::size_t dimensions = axes.mean.size(), rows = features.size() / dimensions;
  SMIDGEN_CHECK(components <= dimensions);
  const std::vector<float> rows_centred = centred(features, axes.mean);
  const std::vector<float> vectors(axes.eigen.vectors.begin(),
                                   axes.eigen.vectors.begin() + static_cast<std::ptrdiff_t>(components * dimensions));
  std::vector<float> out(rows * components);
  const PackedMatrix packed = PackedMatrix::pack(kernels(), vectors.data(), dimensions, components, 1, dimensions);
  matmul(&pool, rows_centred.data(), rows, dimensions, packed, nullptr, out.data(), components);
  return out;
}

}  // namespace smidgen
