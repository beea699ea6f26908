#include <doctest.h>

#include <cmath>
#include <limits>

#include "hpt/blas.hpp"
#include "hpt/dispatch.hpp"
#include "hpt/error.hpp"
#include "hpt/kernel.hpp"
#include "hpt/warping.hpp"
#include "reference_blas.hpp"

using namespace hpt;

TEST_CASE("Matern-5/2's published values and slope") {  // behaviour 5.2
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

TEST_CASE_TEMPLATE("our exp is as accurate as the library's, down to underflow", Fused, std::false_type,
                   std::true_type) {
  double worst = 0.0;
  for (int i = 0; i <= 700'000; ++i) {
    const double x = -1e-3 * i;
    worst = std::max(worst, std::abs(exp_of_negative<Fused::value>(x) / std::exp(x) - 1.0));
  }
  CHECK(worst < 5e-16);
  CHECK(exp_of_negative<Fused::value>(0.0) == 1.0);
  CHECK(exp_of_negative<Fused::value>(-1e308) == exp_of_negative<Fused::value>(-700.0));
}

TEST_CASE_TEMPLATE(
    "the kernel's exponential less one and its logarithm are good to a few ulp, near 0 and 1 too", Fused,
    std::false_type, std::true_type) {
  constexpr double ulp = std::numeric_limits<double>::epsilon();
  double worst_exponential = 0.0, worst_logarithm = 0.0;
  for (double e = -300.0; e <= 0.0; e += 0.01) {
    const double x = -std::pow(10.0, e / 18.75);  // -1e-16 to -1
    for (const double each : {x, 700.0 * x}) {
      const double less_one = std::expm1(each);
      worst_exponential = std::max(
          worst_exponential, std::abs(exponential_of_negative<Fused::value>(each).less_one / less_one - 1.0));
    }
    for (const double each : {-x, 1.0 + x, std::pow(10.0, e)}) {
      if (each == 0.0 || each == 1.0) continue;
      worst_logarithm =
          std::max(worst_logarithm, std::abs(log_of_fraction<Fused::value>(each) / std::log(each) - 1.0));
    }
  }
  CHECK(worst_exponential < 4.0 * ulp);
  CHECK(worst_logarithm < 4.0 * ulp);
  CHECK(exponential_of_negative<Fused::value>(0.0).less_one == 0.0);
  CHECK(log_of_fraction<Fused::value>(1.0) == 0.0);
  CHECK(log_of_fraction<Fused::value>(0.0) == doctest::Approx(-1022.0 * std::log(2.0)).epsilon(1e-15));
}

TEST_CASE("rows of many points agree with the definition, whatever the block they fall in") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 101, 3);
  const Hyperparameters at{Vector{0.4, 1.0, 0.6, 0.9, 0.5, 2.0},
                           1.7,
                           1e-3,
                           0.0,
                           0.4,
                           Vector{1.5, 0.7, 1.0, 2.0},
                           Vector{1.0, 0.6, 1.4, 0.9}};
  const Kernel kernel(space, at);
  const Matrix K = kernel.cross(X, X);
  for (Index a = 0; a < 101; ++a) {
    for (Index b = 0; b < 101; ++b) {
      double squared = 0.0, mismatch = 0.0;
      for (std::size_t i = 0; i < 4; ++i) {
        const Index column = space.numeric()[i];
        const double difference = warp(X(a, column), at.warp_a[i], at.warp_b[i]).value -
                                  warp(X(b, column), at.warp_a[i], at.warp_b[i]).value;
        squared += std::pow(difference / at.length_scales[column], 2);
      }
      for (const Index j : space.categorical()) mismatch += X(a, j) != X(b, j) ? 1 / at.length_scales[j] : 0;
      const double kx = matern52(squared).value, kh = std::exp(-mismatch);
      CHECK(K(a, b) == doctest::Approx(1.7 * (0.3 * (kx + kh) + 0.4 * kx * kh)).epsilon(1e-13));
      CHECK(K(a, b) == K(b, a));
      CHECK(K(a, b) == kernel(X.row(a), X.row(b)));
    }
    CHECK(K(a, a) == 1.7);
  }
  Matrix L(K);
  for (Index i = 0; i < 101; ++i) L(i, i) += 1e-8;
  CHECK(cholesky(L) == 0);
}

TEST_CASE("impossible hyperparameters are refused") {
  const Coordinates space({Coordinate::continuous()});
  CHECK_THROWS_AS(Kernel(space, {Vector{0.0}, 1.0, 0.0, 0.0, 0.5}), InvalidArgument);
  CHECK_THROWS_AS(Kernel(space, {Vector{1.0, 1.0}, 1.0, 0.0, 0.0, 0.5}), InvalidArgument);
  CHECK_THROWS_AS(Kernel(space, {Vector{1.0}, 0.0, 0.0, 0.0, 0.5}), InvalidArgument);
  CHECK_THROWS_AS(Kernel(space, {Vector{1.0}, 1.0, -1.0, 0.0, 0.5}), InvalidArgument);
}
