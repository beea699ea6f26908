#include <doctest.h>

#include <cmath>

#include "hpt/blas.hpp"
#include "hpt/error.hpp"
#include "hpt/kernel.hpp"
#include "reference_blas.hpp"

using namespace hpt;

TEST_CASE("Matern-5/2's published values and slope") {  // AMT 5.2
  CHECK(matern52(0.0).value == 1.0);
  CHECK(matern52(0.25).value == doctest::Approx(0.8286).epsilon(1e-4));
  CHECK(matern52(1.0).value == doctest::Approx(0.5240).epsilon(1e-4));
  CHECK(matern52(4.0).value == doctest::Approx(0.1387).epsilon(4e-4));
  for (const double q : {1e-3, 0.3, 2.0, 30.0}) {
    const double h = 1e-6 * q;
    CHECK(matern52(q).slope ==
          doctest::Approx((matern52(q + h).value - matern52(q - h).value) / (2 * h)).epsilon(1e-6));
  }
}

TEST_CASE("the mixed kernel is the stated sum and product") {
  const Coordinates space({Coordinate::continuous(), Coordinate::categorical(3), Coordinate::categorical(2)});
  const Hyperparameters at{Vector{0.5, 2.0, 0.7}, 3.0, 1e-3, 0.0, 0.25};
  const Kernel kernel(space, at);
  const double kx = matern52(0.16).value, kh = std::exp(-1.0 / 2.0);
  CHECK(kernel(Vector{0.1, 0, 1}, Vector{0.3, 2, 1}) ==
        doctest::Approx(3.0 * (0.375 * (kx + kh) + 0.25 * kx * kh)));
  CHECK(kernel(Vector{0.1, 0, 1}, Vector{0.1, 0, 1}) == doctest::Approx(3.0));
}

TEST_CASE("matrices of random points are positive definite, and their terms agree with the kernel") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 40, 3);
  const Hyperparameters at{Vector{0.4, 1.0, 0.6, 0.9, 0.5, 2.0}, 1.7, 1e-3, 0.0, 0.4};
  const Kernel kernel(space, at);
  const Kernel::Terms terms = kernel.terms(X);
  Matrix L(terms.K);
  for (Index i = 0; i < 40; ++i) {
    L(i, i) += 1e-8;
    for (Index j = 0; j <= i; ++j)
      CHECK(terms.K(i, j) == doctest::Approx(kernel(X.row(i), X.row(j))).epsilon(1e-14));
  }
  CHECK(cholesky(L) == 0);
}

TEST_CASE("gradients to the continuous coordinates agree with finite differences") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 9, 4);
  Matrix x = reference::points(space, 1, 5);
  const Hyperparameters at{Vector{0.4, 1.0, 0.6, 0.9, 0.5, 2.0}, 1.7, 1e-3, 0.0, 0.4};
  const Kernel kernel(space, at);
  Vector k(9);
  Matrix dk(2, 9);
  kernel.gradient(x.row(0), X, k, dk);
  constexpr double h = 1e-6;
  for (Index q = 0; q < 2; ++q) {
    const Index column = space.continuous()[q];
    Matrix up(x), down(x);
    up(0, column) += h;
    down(0, column) -= h;
    for (Index b = 0; b < 9; ++b) {
      CHECK(k[b] == doctest::Approx(kernel(x.row(0), X.row(b))));
      CHECK(dk(q, b) ==
            doctest::Approx((kernel(up.row(0), X.row(b)) - kernel(down.row(0), X.row(b))) / (2 * h))
                .epsilon(1e-6));
    }
  }
}

TEST_CASE("impossible hyperparameters are refused") {
  const Coordinates space({Coordinate::continuous()});
  CHECK_THROWS_AS(Kernel(space, {Vector{0.0}, 1.0, 0.0, 0.0, 0.5}), InvalidArgument);
  CHECK_THROWS_AS(Kernel(space, {Vector{1.0, 1.0}, 1.0, 0.0, 0.0, 0.5}), InvalidArgument);
  CHECK_THROWS_AS(Kernel(space, {Vector{1.0}, 0.0, 0.0, 0.0, 0.5}), InvalidArgument);
  CHECK_THROWS_AS(Kernel(space, {Vector{1.0}, 1.0, -1.0, 0.0, 0.5}), InvalidArgument);
}
