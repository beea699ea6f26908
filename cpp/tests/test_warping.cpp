#include <doctest.h>

#include <algorithm>
#include <cmath>

#include "hpt/error.hpp"
#include "hpt/random.hpp"
#include "hpt/warping.hpp"

using namespace hpt;

TEST_CASE("Kumaraswamy's published values") {  // behaviour 5.3
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
  for (const double exponent : {1e-310, 1e-300, 1e300}) {
    for (const double x : {0.0, 0.5, 1.0}) {
      const double alone = warp(x, exponent, 1.0).value, inner = warp(x, 1.0, exponent).value;
      CHECK((alone >= 0.0 && alone <= 1.0 && inner >= 0.0 && inner <= 1.0));
    }
  }
  CHECK_THROWS_AS(warp(0.5, 0.0, 1.0), InvalidArgument);
}

TEST_CASE("a value is warped the same way whatever its neighbours are, with its slopes or without") {
  constexpr Index width = loops::warp_width;
  Stream stream(1, 1, Use::candidate_scramble);
  for (int round = 0; round < 50; ++round) {
    double x[width], a[width], b[width], values[width];
    for (Index j = 0; j < width; ++j) {
      x[j] = round < 2 ? round : stream.uniform();
      a[j] = std::exp(3.0 * stream.uniform() - 1.5);
      b[j] = std::exp(3.0 * stream.uniform() - 1.5);
    }
    loops::WarpBlock all;
    loops::warp_slopes(x, a, b, all);
    loops::warp_values(x, a, b, values);
    for (Index j = 0; j < width; ++j) {
      const Warped alone = warp(x[j], a[j], b[j]);
      CHECK(values[j] == alone.value);
      CHECK(all.value[j] == alone.value);
      CHECK(all.dx[j] == alone.dx);
      CHECK(all.dlog_a[j] == alone.dlog_a);
      CHECK(all.dlog_b[j] == alone.dlog_b);
      const double t = std::clamp(x[j], 1e-9, 1.0 - 1e-9);
      const double twin = -std::expm1(b[j] * std::log(-std::expm1(a[j] * std::log(t))));
      CHECK(std::abs(alone.value - twin) < 1e-15);
    }
    loops::warp_values(x, a, b, x);  // in place
    CHECK(std::equal(x, x + width, values));
  }
}
