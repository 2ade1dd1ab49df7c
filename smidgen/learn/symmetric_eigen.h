// Eigenvalues and eigenvectors of a real symmetric matrix, for principal components and for the preconditioner of the
// head trainer. Householder reduction to tridiagonal form, then implicit QL with Wilkinson's shift (Golub and Van Loan,
// "Matrix Computations", 4th edition, sections 8.3.1 and 8.3.3). One thread, fixed order of operations: the same input
// gives the same bits. O(n^3); about 0.2 s at n = 384.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "smidgen/base/result.h"

namespace smidgen {

struct SymmetricEigen {
  std::size_t size = 0;
  std::vector<double> values;   // falling
  std::vector<double> vectors;  // (size, size) row-major: row j is the unit eigenvector of values[j]
};

// `matrix` is (size, size), symmetric; only its lower triangle is read. The sign of a vector is fixed: its component of
// largest magnitude (the first of equals) is positive. Fails with kBadData when an entry is not finite.
Result<SymmetricEigen> symmetric_eigen(std::span<const double> matrix, std::size_t size);

}  // namespace smidgen
