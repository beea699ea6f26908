// The factor of a large positive definite matrix and its inverse, in blocks that our threads share, and
// solves for a few right-hand sides.
//
// The blocks depend on the order of the matrix alone and each is one call of the BLAS on one thread, so the
// number of threads changes no bit.
#pragma once

#include "hpt/blas.hpp"
#include "hpt/parallel.hpp"

namespace hpt {

// Lower factor of A (n, n) in place, as `cholesky(A)`; returns what that returns.
int cholesky(SquareMatrix& A, const Team& team);
// L <- lower triangle of (L L^T)^-1. `scratch`, of the same order, is overwritten.
void invert_from_cholesky(SquareMatrix& L, SquareMatrix& scratch, const Team& team);

// As `solve_rows` and `solve_rows_transposed`, B (m, n), for few rows, where the BLAS would spend its time
// on a copy of the factor. `scratch` is working memory, allocated once.
void solve_few_rows(Factor L, double* B, Index m, Index stride, Vector& scratch);
void solve_few_rows_transposed(Factor L, double* B, Index m, Index stride, Vector& scratch);

}  // namespace hpt
