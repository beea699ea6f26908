#include "hpt/blas.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "hpt/error.hpp"
#include "hpt/kernel_loops.hpp"

namespace hpt {
namespace {

BlasTable table;  // the core's only global: written once at load
std::mutex guard_mutex;
int guards = 0;
int threads_before = 0;

blas_int narrow(Index n) {
  return static_cast<blas_int>(n);
}

// The routines take pointers to everything and never write through those named const here.
double* loose(const double* p) {
  return const_cast<double*>(p);
}

// Column by column, a row-major B (rows, cols) with `stride` between its rows is (cols, rows).
void triangular_solve(char side, char trans, Factor L, double* B, Index rows, Index cols, Index stride) {
  if (rows == 0 || cols == 0 || L.n == 0) return;
  char uplo = 'U', diag = 'N';
  blas_int m = narrow(cols), n = narrow(rows), lda = narrow(L.stride), ldb = narrow(stride);
  double one = 1.0;
  table.dtrsm(&side, &uplo, &trans, &diag, &m, &n, &one, loose(L.data), &lda, B, &ldb);
}

void triangular_solve(char trans, Factor L, MutableVectorView b) {
  if (b.empty()) return;
  char uplo = 'U', diag = 'N';
  blas_int n = narrow(L.n), lda = narrow(L.stride), one = 1;
  table.dtrsv(&uplo, &trans, &diag, &n, loose(L.data), &lda, b.data(), &one);
}

int factor_in_place(double* A, Index order, Index stride) {
  char uplo = 'U';
  blas_int n = narrow(order), lda = narrow(stride), info = 0;
  if (n == 0) return 0;
  table.dpotrf(&uplo, &n, A, &lda, &info);
  for (Index i = 0; i < order && info == 0; ++i) {
    if (!std::isfinite(A[i * stride + i])) return narrow(i + 1);  // LAPACK does not report an overflow
  }
  return info;
}

}  // namespace

void install_blas(const BlasTable& given) {
  require(given.version == BlasTable::current_version,
          "the BLAS table has another version than the core; rebuild both extension modules");
  table = given;
}

SingleThreadedBlas::SingleThreadedBlas() {
  const std::lock_guard lock(guard_mutex);
  if (guards++ == 0 && table.get_threads && table.set_threads) {
    threads_before = table.get_threads();
    if (threads_before != 1) table.set_threads(1);
  }
}

SingleThreadedBlas::~SingleThreadedBlas() {
  const std::lock_guard lock(guard_mutex);
  if (--guards == 0 && table.get_threads && table.set_threads && threads_before != 1) {
    table.set_threads(threads_before);
  }
}

SquareMatrix SquareMatrix::unset(Index n) {
  SquareMatrix out;
  out.n_ = n;
  out.stride_ = loops::blocks_of(n) * loops::width + 8;
  out.storage_.resize(static_cast<std::size_t>(loops::blocks_of(n) * loops::width * out.stride_));
  return out;
}

SquareMatrix::SquareMatrix(Index n) : SquareMatrix(unset(n)) {
  std::fill(storage_.begin(), storage_.end(), 0.0);
}

int cholesky(Matrix& A) {
  const int info = factor_in_place(A.data(), A.rows(), A.cols());
  for (Index i = 0; i < A.rows() && info == 0; ++i) {
    for (Index j = i + 1; j < A.cols(); ++j) A(i, j) = 0.0;
  }
  return info;
}

int cholesky(SquareMatrix& A) {
  return factor_in_place(A.row(0), A.rows(), A.stride());
}

int cholesky_block(double* A, Index n, Index stride) {
  return factor_in_place(A, n, stride);
}

void invert_from_cholesky(SquareMatrix& L) {
  char uplo = 'U';
  blas_int n = narrow(L.rows()), lda = narrow(L.stride()), info = 0;
  if (n == 0) return;
  table.dpotri(&uplo, &n, L.row(0), &lda, &info);
  if (info != 0) throw NotPositiveDefinite(info, 0.0);
}

void solve_lower(Factor L, MutableVectorView b) {
  triangular_solve('T', L, b);
}
void solve_lower_transposed(Factor L, MutableVectorView b) {
  triangular_solve('N', L, b);
}
void solve_rows(Factor L, double* B, Index m, Index stride) {
  triangular_solve('L', 'T', L, B, m, L.n, stride);
}
void solve_rows_transposed(Factor L, double* B, Index m, Index stride) {
  triangular_solve('L', 'N', L, B, m, L.n, stride);
}
void solve_columns(Factor L, double* B, Index m, Index stride) {
  triangular_solve('R', 'N', L, B, L.n, m, stride);
}
// A single column takes dtrsv, which reads the factor where it is: dtrsm copies it first.
void solve_columns(Factor L, Matrix& B) {
  if (B.cols() == 1) return solve_lower(L, {B.data(), static_cast<std::size_t>(L.n)});
  triangular_solve('R', 'N', L, B.data(), L.n, B.cols(), B.cols());
}
void solve_columns_transposed(Factor L, Matrix& B) {
  if (B.cols() == 1) return solve_lower_transposed(L, {B.data(), static_cast<std::size_t>(L.n)});
  triangular_solve('R', 'T', L, B.data(), L.n, B.cols(), B.cols());
}

Matrix multiply(MatrixView A, MatrixView B) {
  Matrix C(A.rows(), B.cols());
  multiply(1.0, {A.data(), A.cols()}, {B.data(), B.cols()}, 0.0, {C.data(), C.cols()}, C.rows(), C.cols(),
           A.cols());
  return C;
}

// Column by column, C' (n, m) = B' A'.
void multiply(double alpha, Operand A, Operand B, double beta, Target C, Index m, Index n, Index k) {
  if (m == 0 || n == 0 || k == 0) return;
  char of_b = B.transposed ? 'T' : 'N', of_a = A.transposed ? 'T' : 'N';
  blas_int rows = narrow(n), cols = narrow(m), inner = narrow(k);
  blas_int ldb = narrow(B.stride), lda = narrow(A.stride), ldc = narrow(C.stride);
  table.dgemm(&of_b, &of_a, &rows, &cols, &inner, &alpha, loose(B.data), &ldb, loose(A.data), &lda, &beta,
              C.data, &ldc);
}

double dot(VectorView a, VectorView b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace hpt
