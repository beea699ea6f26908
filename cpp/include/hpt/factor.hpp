// The factor of a large positive definite matrix and its inverse, in blocks that our threads share, and
// solves for a few right-hand sides.
//
// The blocks depend on the order of the matrix alone and each is one call of the BLAS on one thread, so the
// number of threads changes no bit.
#pragma once

#include "hpt/blas.hpp"
#include "hpt/parallel.hpp"

namespace hpt {

// A square matrix somewhere in memory.
struct SquareView {
  SquareView(double* first, Index order, Index row_stride) : data(first), n(order), stride(row_stride) {}
  SquareView(SquareMatrix& A) : SquareView(A.row(0), A.rows(), A.stride()) {}
  double* at(Index i, Index j) const { return data + i * stride + j; }
  double* data;
  Index n, stride;
};

// Lower factor of A (n, n) in place, as `cholesky(A)`; returns what that returns.
int cholesky(SquareView A, const Team& team);
// L <- lower triangle of (L L^T)^-1. `scratch`, of the same order, is overwritten.
void invert_from_cholesky(SquareMatrix& L, SquareMatrix& scratch, const Team& team);

// As `solve_rows` and `solve_rows_transposed`, B (m, n), for few rows, where the BLAS would spend its time
// on a copy of the factor. `scratch` is working memory, allocated once.
void solve_few_rows(Factor L, double* B, Index m, Index stride, Vector& scratch);
void solve_few_rows_transposed(Factor L, double* B, Index m, Index stride, Vector& scratch);

// The last `count` rows of a lower factor L (n, n) whose other rows are done, in place of the same rows of
// the matrix, whose diagonal is `diagonal` throughout; what rounding leaves of a diagonal's square is at
// least `least`. The same bits in whatever portions rows are appended.
void append_rows(SquareView L, Index count, double diagonal, double least, Vector& scratch);

}  // namespace hpt
