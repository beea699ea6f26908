#include <doctest.h>

#include <algorithm>
#include <cmath>

#include "hpt/factor.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

// A positive definite matrix whose entries fall off from the diagonal.
SquareMatrix positive_definite(Index n) {
  const Vector entries = reference::normals(n, 7);
  SquareMatrix A(n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j)
      A(i, j) = entries[static_cast<std::size_t>(i)] * entries[static_cast<std::size_t>(j)] /
                static_cast<double>(1 + i - j);
    A(i, i) += 2.0;
  }
  return A;
}

double largest_difference(const SquareMatrix& A, const SquareMatrix& B) {
  double out = 0.0;
  for (Index i = 0; i < A.rows(); ++i) {
    for (Index j = 0; j <= i; ++j) out = std::max(out, std::abs(A(i, j) - B(i, j)));
  }
  return out;
}

}  // namespace

TEST_CASE("blocks agree with the whole, and the number of threads changes no bit") {
  for (const Index n : {1, 100, 401, 515}) {
    const SquareMatrix A = positive_definite(n);
    SquareMatrix whole(A), scratch(n), inverse;
    REQUIRE(cholesky(whole) == 0);
    SquareMatrix alone(A), shared(A);
    REQUIRE(cholesky(alone, Team()) == 0);
    REQUIRE(cholesky(shared, Team(3)) == 0);
    CHECK(largest_difference(alone, whole) < 1e-12);
    CHECK(largest_difference(alone, shared) == 0.0);
    invert_from_cholesky(whole);
    invert_from_cholesky(alone, scratch, Team());
    invert_from_cholesky(shared, scratch, Team(3));
    CHECK(largest_difference(alone, whole) < 1e-12);
    CHECK(largest_difference(alone, shared) == 0.0);
  }
}

TEST_CASE("the first minor that is not positive is named, in whichever block it is") {
  for (const Index bad : {5, 300, 400}) {
    SquareMatrix A = positive_definite(420);
    A(bad, bad) = -1.0;
    CHECK(cholesky(A, Team(2)) == bad + 1);
  }
}

TEST_CASE("a few right-hand sides are solved as the BLAS solves them") {
  Vector scratch;
  for (const Index n : {1, 2, 3, 4, 7, 100, 131}) {
    SquareMatrix L = positive_definite(n);
    REQUIRE(cholesky(L) == 0);
    for (const Index m : {1, 8, 11}) {
      const Vector normals = reference::normals(m * (n + 3), 3);
      Vector few(normals), many(normals);
      solve_few_rows(L, few.data(), m, n + 3, scratch);
      solve_rows(L, many.data(), m, n + 3);
      for (std::size_t i = 0; i < few.size(); ++i) CHECK(few[i] == doctest::Approx(many[i]).epsilon(1e-12));
      for (const Index alone : {1, 4, 5}) {  // the same bits in any company
        if (alone > m) continue;
        Vector fewer(normals);
        solve_few_rows(L, fewer.data(), alone, n + 3, scratch);
        CHECK(std::equal(few.begin(), few.begin() + alone * (n + 3), fewer.begin()));
        solve_few_rows_transposed(L, fewer.data(), alone, n + 3, scratch);
        Vector again(few);
        solve_few_rows_transposed(L, again.data(), m, n + 3, scratch);
        CHECK(std::equal(again.begin(), again.begin() + alone * (n + 3), fewer.begin()));
      }
      solve_few_rows_transposed(L, few.data(), m, n + 3, scratch);
      solve_rows_transposed(L, many.data(), m, n + 3);
      for (std::size_t i = 0; i < few.size(); ++i) CHECK(few[i] == doctest::Approx(many[i]).epsilon(1e-11));
    }
  }
}
