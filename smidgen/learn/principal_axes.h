// Mean, covariance and principal axes of dense rows: the head trainer rotates its features onto them, distillation
// keeps the first of them. Sums run in double over slabs of fixed size, added in order: any number of threads gives the
// same bits.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/symmetric_eigen.h"

namespace smidgen {

struct PrincipalAxes {
  std::vector<double> mean;  // (dimensions)
  SymmetricEigen eigen;      // of the covariance (divided by the number of rows); values not negative
};

// features: (rows, dimensions) row-major, rows >= 1. A feature that is not finite is kBadData naming its row.
Result<PrincipalAxes> principal_axes(std::span<const float> features, std::size_t dimensions, ThreadPool& pool);

// (rows, components): (x - mean) on the first `components` axes.
std::vector<float> project(std::span<const float> features, const PrincipalAxes& axes, std::size_t components,
                           ThreadPool& pool);

}  // namespace smidgen
