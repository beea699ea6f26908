#include "reference_blas.hpp"

#include <cmath>
#include <vector>

namespace hpt::reference {
namespace {

int thread_count = 4;

int get_threads() {
  return thread_count;
}
void set_threads(int count) {
  thread_count = count;
}

// Column-major element.
double& at(double* a, blas_int lda, Index i, Index j) {
  return a[i + j * lda];
}

double operand(double* a, blas_int lda, char trans, Index i, Index j) {
  return trans == 'N' ? at(a, lda, i, j) : at(a, lda, j, i);
}

void dgemm(char* transa, char* transb, blas_int* m, blas_int* n, blas_int* k, double* alpha, double* a,
           blas_int* lda, double* b, blas_int* ldb, double* beta, double* c, blas_int* ldc) {
  for (Index i = 0; i < *m; ++i) {
    for (Index j = 0; j < *n; ++j) {
      double sum = 0.0;
      for (Index l = 0; l < *k; ++l) sum += operand(a, *lda, *transa, i, l) * operand(b, *ldb, *transb, l, j);
      at(c, *ldc, i, j) = *alpha * sum + (*beta == 0.0 ? 0.0 : *beta * at(c, *ldc, i, j));
    }
  }
}

// Solves op(A) x = b for an upper triangular A.
void solve(char trans, Index n, double* a, blas_int lda, double* x, Index stride) {
  if (trans == 'N') {
    for (Index i = n - 1; i >= 0; --i) {
      for (Index j = i + 1; j < n; ++j) x[i * stride] -= at(a, lda, i, j) * x[j * stride];
      x[i * stride] /= at(a, lda, i, i);
    }
  } else {
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < i; ++j) x[i * stride] -= at(a, lda, j, i) * x[j * stride];
      x[i * stride] /= at(a, lda, i, i);
    }
  }
}

void dtrsm(char* side, char*, char* trans, char*, blas_int* m, blas_int* n, double*, double* a, blas_int* lda,
           double* b, blas_int* ldb) {
  if (*side == 'L') {
    for (Index j = 0; j < *n; ++j) solve(*trans, *m, a, *lda, b + j * *ldb, 1);
  } else {  // X op(A) = B is op(A)' X' = B'
    const char other = *trans == 'N' ? 'T' : 'N';
    for (Index i = 0; i < *m; ++i) solve(other, *n, a, *lda, b + i, *ldb);
  }
}

void dtrsv(char*, char* trans, char*, blas_int* n, double* a, blas_int* lda, double* x, blas_int* incx) {
  solve(*trans, *n, a, *lda, x, *incx);
}

void dpotrf(char*, blas_int* n, double* a, blas_int* lda, blas_int* info) {
  *info = 0;
  for (Index j = 0; j < *n; ++j) {
    for (Index i = 0; i <= j; ++i) {
      double sum = at(a, *lda, i, j);
      for (Index k = 0; k < i; ++k) sum -= at(a, *lda, k, i) * at(a, *lda, k, j);
      if (i < j) {
        at(a, *lda, i, j) = sum / at(a, *lda, i, i);
      } else if (sum > 0.0) {
        at(a, *lda, j, j) = std::sqrt(sum);
      } else {
        *info = static_cast<blas_int>(j + 1);
        return;
      }
    }
  }
}

void dpotri(char*, blas_int* n, double* a, blas_int* lda, blas_int* info) {
  const Index size = *n;
  thread_local std::vector<double> inverse;  // kept: allocations that are counted are the core's own
  inverse.assign(static_cast<std::size_t>(size * size), 0.0);
  for (Index j = 0; j < size; ++j) {
    double* column = inverse.data() + j * size;
    column[j] = 1.0;
    solve('T', size, a, *lda, column, 1);
    solve('N', size, a, *lda, column, 1);
  }
  for (Index j = 0; j < size; ++j) {
    for (Index i = 0; i <= j; ++i) at(a, *lda, i, j) = inverse[static_cast<std::size_t>(i + j * size)];
  }
  *info = 0;
}

}  // namespace

int threads() {
  return thread_count;
}

BlasTable table() {
  BlasTable out;
  out.dgemm = &dgemm;
  out.dtrsm = &dtrsm;
  out.dtrsv = &dtrsv;
  out.dpotrf = &dpotrf;
  out.dpotri = &dpotri;
  out.get_threads = &get_threads;
  out.set_threads = &set_threads;
  return out;
}

}  // namespace hpt::reference
