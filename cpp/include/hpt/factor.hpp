// The factor of a large positive definite matrix and its inverse, in blocks that our threads share.
//
// The blocks depend on the order of the matrix alone and each is one call of the BLAS on one thread, so the
// number of threads changes no bit.
#pragma once

#include "hpt/blas.hpp"

namespace hpt {

// Lower factor of A (n, n) in place, as `cholesky(A)`; returns what that returns.
int cholesky(SquareMatrix& A, int threads);
// L <- lower triangle of (L L^T)^-1. `scratch`, of the same order, is overwritten.
void invert_from_cholesky(SquareMatrix& L, SquareMatrix& scratch, int threads);

}  // namespace hpt
