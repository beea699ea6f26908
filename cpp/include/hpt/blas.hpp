// A table of BLAS and LAPACK routines, installed once by the owner of a BLAS, and the few calls that are made
// of it.
//
// The routines are column-major. A row-major lower triangle L is, seen by column, the upper triangle Lᵀ, so
// the calls below ask for 'U' and get the lower factor without a copy.
#pragma once

#include "hpt/view.hpp"

namespace hpt {

using blas_int = int;

struct BlasTable {
  static constexpr int current_version = 1;
  int version = current_version;
  void (*dgemm)(char* transa, char* transb, blas_int* m, blas_int* n, blas_int* k, double* alpha, double* a,
                blas_int* lda, double* b, blas_int* ldb, double* beta, double* c, blas_int* ldc) = nullptr;
  void (*dtrsm)(char* side, char* uplo, char* transa, char* diag, blas_int* m, blas_int* n, double* alpha,
                double* a, blas_int* lda, double* b, blas_int* ldb) = nullptr;
  void (*dtrsv)(char* uplo, char* trans, char* diag, blas_int* n, double* a, blas_int* lda, double* x,
                blas_int* incx) = nullptr;
  void (*dpotrf)(char* uplo, blas_int* n, double* a, blas_int* lda, blas_int* info) = nullptr;
  void (*dpotri)(char* uplo, blas_int* n, double* a, blas_int* lda, blas_int* info) = nullptr;
  // The pool's size is process-global. Both are null where the library offers no such call.
  int (*get_threads)() = nullptr;
  void (*set_threads)(int) = nullptr;
};

void install_blas(const BlasTable& table);

// Holds the BLAS to one thread while any guard lives, then restores what the first one found. A result's bits
// depend on the thread count, and OpenBLAS's spinning barriers stall on shared cores.
class SingleThreadedBlas {
 public:
  SingleThreadedBlas();
  ~SingleThreadedBlas();
  SingleThreadedBlas(const SingleThreadedBlas&) = delete;
  SingleThreadedBlas& operator=(const SingleThreadedBlas&) = delete;
};

// (n, n), its rows padded to whole blocks of the kernel's loops and kept apart from powers of two, which
// would put all rows on the same lines of the cache. Only the lower triangle has a meaning. There is memory
// for whole blocks of rows as well: a search that grows by a row asks for the same size many times over,
// which allocators then have at hand.
class SquareMatrix {
 public:
  SquareMatrix() = default;
  explicit SquareMatrix(Index n);  // of zeros
  static SquareMatrix unset(Index n);
  Index rows() const { return n_; }
  Index stride() const { return stride_; }
  double* row(Index i) { return storage_.data() + i * stride_; }
  const double* row(Index i) const { return storage_.data() + i * stride_; }
  double& operator()(Index i, Index j) { return row(i)[j]; }
  double operator()(Index i, Index j) const { return row(i)[j]; }

 private:
  std::vector<double, UnsetAllocator> storage_;
  Index n_ = 0, stride_ = 0;
};

// The leading n rows and columns of a lower factor.
struct Factor {
  Factor(const double* first, Index order, Index row_stride) : data(first), n(order), stride(row_stride) {}
  Factor(const Matrix& L) : Factor(L.data(), L.rows(), L.cols()) {}
  Factor(const SquareMatrix& L) : Factor(L.row(0), L.rows(), L.stride()) {}
  Factor head(Index order) const { return {data, order, stride}; }
  const double* data;
  Index n, stride;
};

// Lower Cholesky factor of A (n, n) in place; the strict upper triangle of a Matrix is set to zero, that of a
// SquareMatrix unchanged. Returns 0, or the order of the first leading minor that is not positive.
int cholesky(Matrix& A);
int cholesky(SquareMatrix& A);
int cholesky_block(double* A, Index n, Index stride);                    // a part of a larger matrix
void invert_from_cholesky(SquareMatrix& L);                              // L <- lower triangle of (L L^T)^-1
void solve_lower(Factor L, MutableVectorView b);                         // b (n,) <- L⁻¹ b
void solve_lower_transposed(Factor L, MutableVectorView b);              // b (n,) <- L⁻ᵀ b
void solve_rows(Factor L, double* B, Index m, Index stride);             // B (m, n): each row b <- L⁻¹ b
void solve_rows_transposed(Factor L, double* B, Index m, Index stride);  // each row b <- L⁻ᵀ b
void solve_columns(Factor L, double* B, Index m, Index stride);          // B (n, m) <- L⁻¹ B
void solve_columns(Factor L, Matrix& B);                                 // B (n, m) <- L⁻¹ B
void solve_columns_transposed(Factor L, Matrix& B);                      // B (n, m) <- L⁻ᵀ B
Matrix multiply(MatrixView A, MatrixView B);                             // (m, k) x (k, n) -> (m, n)

// A matrix somewhere in memory, optionally read as its transpose.
struct Operand {
  const double* data;
  Index stride;
  bool transposed = false;
};
struct Target {
  double* data;
  Index stride;
};
// C (m, n) <- alpha A B + beta C with A (m, k) and B (k, n); the former content of C is ignored where beta is
// 0.
void multiply(double alpha, Operand A, Operand B, double beta, Target C, Index m, Index n, Index k);

double dot(VectorView a, VectorView b);

}  // namespace hpt
