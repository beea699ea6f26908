#include "hpt/blas.hpp"

#include <cmath>
#include <mutex>

#include "hpt/error.hpp"

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

void triangular_solve(char side, char trans, const Matrix& L, Matrix& B) {
  if (B.rows() == 0 || B.cols() == 0 || L.rows() == 0) return;
  char uplo = 'U', diag = 'N';
  blas_int m = narrow(B.cols()), n = narrow(B.rows()), lda = narrow(L.cols()), ldb = narrow(B.cols());
  double one = 1.0;
  table.dtrsm(&side, &uplo, &trans, &diag, &m, &n, &one, loose(L.data()), &lda, B.data(), &ldb);
}

void triangular_solve(char trans, const Matrix& L, MutableVectorView b) {
  if (b.empty()) return;
  char uplo = 'U', diag = 'N';
  blas_int n = narrow(static_cast<Index>(b.size())), lda = narrow(L.cols()), one = 1;
  table.dtrsv(&uplo, &trans, &diag, &n, loose(L.data()), &lda, b.data(), &one);
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

int cholesky(Matrix& A) {
  char uplo = 'U';
  blas_int n = narrow(A.rows()), info = 0;
  if (n == 0) return 0;
  table.dpotrf(&uplo, &n, A.data(), &n, &info);
  if (info == 0) {
    for (Index i = 0; i < A.rows(); ++i) {
      if (!std::isfinite(A(i, i))) return narrow(i + 1);  // an overflow is no error to LAPACK
      for (Index j = i + 1; j < A.cols(); ++j) A(i, j) = 0.0;
    }
  }
  return info;
}

Matrix inverse_from_cholesky(const Matrix& L) {
  Matrix inverse(L);
  char uplo = 'U';
  blas_int n = narrow(L.rows()), info = 0;
  if (n == 0) return inverse;
  table.dpotri(&uplo, &n, inverse.data(), &n, &info);
  if (info != 0) throw NotPositiveDefinite(info, 0.0);
  for (Index i = 0; i < inverse.rows(); ++i) {
    for (Index j = i + 1; j < inverse.cols(); ++j) inverse(i, j) = inverse(j, i);
  }
  return inverse;
}

void solve_lower(const Matrix& L, MutableVectorView b) {
  triangular_solve('T', L, b);
}
void solve_lower_transposed(const Matrix& L, MutableVectorView b) {
  triangular_solve('N', L, b);
}
void solve_rows(const Matrix& L, Matrix& B) {
  triangular_solve('L', 'T', L, B);
}
void solve_columns(const Matrix& L, Matrix& B) {
  triangular_solve('R', 'N', L, B);
}
void solve_columns_transposed(const Matrix& L, Matrix& B) {
  triangular_solve('R', 'T', L, B);
}

Matrix multiply(MatrixView A, MatrixView B) {
  Matrix C(A.rows(), B.cols());
  if (C.rows() == 0 || C.cols() == 0 || A.cols() == 0) return C;
  char no = 'N';
  blas_int m = narrow(B.cols()), n = narrow(A.rows()), k = narrow(A.cols());
  double one = 1.0, zero = 0.0;
  table.dgemm(&no, &no, &m, &n, &k, &one, loose(B.data()), &m, loose(A.data()), &k, &zero, C.data(), &m);
  return C;
}

double dot(VectorView a, VectorView b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace hpt
