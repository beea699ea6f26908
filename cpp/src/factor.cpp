#include "hpt/factor.hpp"

#include <algorithm>

#include "hpt/parallel.hpp"

namespace hpt {
namespace {

constexpr Index shared_order = 384;  // below it LAPACK's own blocks on one thread are as fast
constexpr Index panel = 128;         // columns that a step of the factor settles
constexpr Index chunk_rows = 128;    // rows that one thread takes at a time

Index chunks_of(Index rows) {
  return (rows + chunk_rows - 1) / chunk_rows;
}

}  // namespace

int cholesky(SquareMatrix& A, int threads) {
  const Index n = A.rows(), stride = A.stride();
  if (n < shared_order) return cholesky(A);
  for (Index k = 0; k < n; k += panel) {
    const Index end = std::min(n, k + panel), width = end - k;
    if (const int order = cholesky_block(&A(k, k), width, stride)) return static_cast<int>(k) + order;
    if (end == n) break;
    const Factor L(&A(k, k), width, stride);
    // Rows below the panel, then what the panel takes off the rest of the matrix.
    for_chunks(chunks_of(n - end), threads, [&](Index chunk) {
      const Index first = end + chunk * chunk_rows, rows = std::min(chunk_rows, n - first);
      solve_rows(L, &A(first, k), rows, stride);
    });
    for_chunks(chunks_of(n - end), threads, [&](Index chunk) {
      const Index first = end + chunk * chunk_rows, rows = std::min(chunk_rows, n - first);
      multiply(-1.0, {&A(first, k), stride}, {&A(end, k), stride, true}, 1.0, {&A(first, end), stride}, rows,
               first + rows - end, width);
    });
  }
  return 0;
}

// With L in blocks J of columns, inv(L)_JJ = inv(L_JJ), and below it
// inv(L)_BJ = -inv(L_BB) L_BJ inv(L_JJ); then (L L^T)^-1 = inv(L)^T inv(L).
void invert_from_cholesky(SquareMatrix& L, SquareMatrix& scratch, int threads) {
  const Index n = L.rows(), stride = L.stride();
  if (n < shared_order) return invert_from_cholesky(L);
  for_chunks(chunks_of(n), threads, [&](Index chunk) {
    const Index first = chunk * chunk_rows, end = std::min(n, first + chunk_rows), width = end - first;
    const Factor diagonal(&L(first, first), width, stride);
    for (Index i = first; i < end; ++i) {
      std::fill_n(&scratch(i, first), width, 0.0);
      scratch(i, i) = 1.0;
    }
    solve_columns(diagonal, &scratch(first, first), width, stride);
    if (end == n) return;
    for (Index i = end; i < n; ++i)
      std::transform(&L(i, first), &L(i, end), &scratch(i, first), [](double value) { return -value; });
    solve_rows_transposed(diagonal, &scratch(end, first), n - end, stride);
    solve_columns(Factor(&L(end, end), n - end, stride), &scratch(end, first), width, stride);
  });
  for_chunks(chunks_of(n), threads, [&](Index chunk) {
    const Index first = chunk * chunk_rows, end = std::min(n, first + chunk_rows);
    multiply(1.0, {&scratch(first, first), stride, true}, {&scratch(first, 0), stride}, 0.0,
             {&L(first, 0), stride}, end - first, end, n - first);
  });
}

}  // namespace hpt
