#include <doctest.h>

#include <cmath>

#include "hpt/blas.hpp"
#include "hpt/error.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

Matrix positive_definite(Index n) {
  const Vector entries = reference::normals(n * n, 5);
  Matrix A(n, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      for (Index k = 0; k < n; ++k) A(i, j) += entries[i * n + k] * entries[j * n + k];
    }
    A(i, i) += 1.0;
  }
  return A;
}

}  // namespace

TEST_CASE("the factor is lower, row by row, and its solves undo it") {
  constexpr Index n = 7;
  const Matrix A = positive_definite(n);
  Matrix L(A);
  REQUIRE(cholesky(L) == 0);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      double sum = 0.0;
      for (Index k = 0; k < n; ++k) sum += L(i, k) * L(j, k);
      CHECK(sum == doctest::Approx(A(i, j)));
      if (j > i) CHECK(L(i, j) == 0.0);
    }
  }
  SquareMatrix padded(n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) padded(i, j) = A(i, j);
  }
  REQUIRE(cholesky(padded) == 0);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) CHECK(padded(i, j) == L(i, j));
  }
  Vector padded_row(reference::normals(n, 6));
  solve_rows(padded, padded_row.data(), 1, n);
  solve_rows_transposed(padded, padded_row.data(), 1, n);
  invert_from_cholesky(padded);
  Matrix inverse(n, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) inverse(i, j) = i >= j ? padded(i, j) : padded(j, i);
  }
  const Matrix identity = multiply(inverse, A);
  const Vector b = reference::normals(n, 6);
  Vector x(b);
  solve_lower(L, x);
  solve_lower_transposed(L, x);
  Matrix row(1, n), column(n, 1), columns(n, 2);  // a single column has a path of its own
  for (Index i = 0; i < n; ++i) {
    row(0, i) = column(i, 0) = columns(i, 0) = b[i];
    columns(i, 1) = 2.0 * b[i];
  }
  solve_rows(L, row.data(), 1, n);
  solve_columns(L, column);
  solve_columns(L, columns);
  for (Index i = 0; i < n; ++i) {
    double back = 0.0;
    for (Index j = 0; j < n; ++j) {
      back += A(i, j) * x[j];
      CHECK(std::abs(identity(i, j) - (i == j)) < 1e-9);
    }
    CHECK(back == doctest::Approx(b[i]));
    CHECK(row(0, i) == doctest::Approx(column(i, 0)));
    CHECK(columns(i, 0) == doctest::Approx(column(i, 0)));
  }
  solve_columns_transposed(L, column);
  solve_columns_transposed(L, columns);
  for (Index i = 0; i < n; ++i) {
    CHECK(column(i, 0) == doctest::Approx(x[i]));
    CHECK(columns(i, 1) == doctest::Approx(2.0 * x[i]));
    CHECK(padded_row[i] == doctest::Approx(x[i]));
  }
}

TEST_CASE("a matrix that is not positive definite names its minor") {
  Matrix A(3, 3);
  A(0, 0) = 1.0;
  A(1, 1) = -1.0;
  A(2, 2) = 1.0;
  CHECK(cholesky(A) == 2);
}

TEST_CASE("guards hold the BLAS to one thread and restore what they found") {
  REQUIRE(reference::threads() == 4);
  {
    const SingleThreadedBlas outer;
    CHECK(reference::threads() == 1);
    {
      const SingleThreadedBlas inner;
      CHECK(reference::threads() == 1);
    }
    CHECK(reference::threads() == 1);
  }
  CHECK(reference::threads() == 4);
}

TEST_CASE("a table of another version is refused") {
  BlasTable other = reference::table();
  other.version = 0;
  CHECK_THROWS_AS(install_blas(other), InvalidArgument);
}

TEST_CASE("empty operands are fine") {
  Matrix empty(0, 0), none(0, 3);
  CHECK(cholesky(empty) == 0);
  CHECK(multiply(none, Matrix(3, 2)).rows() == 0);
  solve_rows(empty, none.data(), 0, 0);
}
