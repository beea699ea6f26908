// A table of BLAS and LAPACK routines, installed once by whoever owns a BLAS, and the few calls made of it.
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

// Lower Cholesky factor of A (n, n) in place; its strict upper triangle is set to zero.
// Returns 0, or the order of the first leading minor that is not positive.
int cholesky(Matrix& A);
// A⁻¹ (n, n), both triangles, from the factor L (n, n).
Matrix inverse_from_cholesky(const Matrix& L);
void solve_lower(const Matrix& L, MutableVectorView b);             // b <- L⁻¹ b
void solve_lower_transposed(const Matrix& L, MutableVectorView b);  // b <- L⁻ᵀ b
void solve_rows(const Matrix& L, Matrix& B);                        // B (m, n): each row b <- L⁻¹ b
void solve_columns(const Matrix& L, Matrix& B);                     // B (n, m) <- L⁻¹ B
void solve_columns_transposed(const Matrix& L, Matrix& B);          // B (n, m) <- L⁻ᵀ B
Matrix multiply(MatrixView A, MatrixView B);                        // (m, k) x (k, n) -> (m, n)

double dot(VectorView a, VectorView b);

}  // namespace hpt
