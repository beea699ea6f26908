#include <doctest.h>

#include <cmath>

#include "hpt/error.hpp"
#include "hpt/warping.hpp"

using namespace hpt;

TEST_CASE("Kumaraswamy's published values") {  // AMT 5.3
  CHECK(warp(0.5, 2.0, 1.0).value == doctest::Approx(0.25));
  CHECK(warp(0.5, 0.5, 1.0).value == doctest::Approx(0.70711).epsilon(1e-5));
  CHECK(warp(0.1, 0.3, 1.0).value == doctest::Approx(0.50119).epsilon(1e-5));
  CHECK(warp(0.25, 0.5, 2.0).value == doctest::Approx(0.75));
}

TEST_CASE("derivatives agree with finite differences, and stay finite at the ends") {
  constexpr double h = 1e-6;
  for (const double a : {0.3, 1.0, 4.0}) {
    for (const double b : {0.25, 1.0, 3.0}) {
      for (const double x : {0.05, 0.5, 0.97}) {
        const Warped at = warp(x, a, b);
        CHECK(at.dx ==
              doctest::Approx((warp(x + h, a, b).value - warp(x - h, a, b).value) / (2 * h)).epsilon(1e-6));
        const double up = std::exp(h), down = std::exp(-h);
        CHECK(
            at.dlog_a ==
            doctest::Approx((warp(x, a * up, b).value - warp(x, a * down, b).value) / (2 * h)).epsilon(1e-6));
        CHECK(
            at.dlog_b ==
            doctest::Approx((warp(x, a, b * up).value - warp(x, a, b * down).value) / (2 * h)).epsilon(1e-6));
      }
      for (const double x : {0.0, 1.0}) {
        const Warped at = warp(x, a, b);
        CHECK(std::isfinite(at.dx + at.dlog_a + at.dlog_b));
        CHECK(std::abs(at.value - x) < 0.01);
      }
    }
  }
  CHECK_THROWS_AS(warp(0.5, 0.0, 1.0), InvalidArgument);
}
