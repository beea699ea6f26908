#include <doctest.h>

#include <cmath>

#include "hpt/error.hpp"
#include "hpt/transform.hpp"

using namespace hpt;

TEST_CASE("population deviation, and the worked values") {  // AMT 5.7
  const Vector y{0.9, 0.5, 0.7};
  const Standardization units(y);
  CHECK(units.mean() == doctest::Approx(0.7));
  CHECK(units.scale() == doctest::Approx(0.163299).epsilon(1e-6));
  CHECK(units.forward(0.9) == doctest::Approx(1.224745).epsilon(1e-6));
  CHECK(units.inverse(units.forward(0.123)) == doctest::Approx(0.123));
}

TEST_CASE("equal targets have scale 1, and any magnitude stays finite") {
  for (const double size : {1e-320, 1e-300, 1.0, 1e300, 1.7e308}) {
    const Standardization equal(Vector{size, size, size});
    CHECK(equal.scale() == 1.0);
    CHECK(equal.forward(size) == 0.0);
    const Standardization units(Vector{size, -size, 0.5 * size});
    double sum = 0.0, squares = 0.0;
    for (const double value : {size, -size, 0.5 * size}) {
      const double z = units.forward(value);
      sum += z;
      squares += z * z;
    }
    CHECK(std::abs(sum) < 1e-9);
    CHECK(squares == doctest::Approx(3.0));
    CHECK(units.inverse(units.forward(size)) == doctest::Approx(size));
  }
}

TEST_CASE("neighbouring floats are a variation like any other") {
  const double one = 1.0, next = std::nextafter(1.0, 2.0);
  const Standardization units(Vector{one, next});
  CHECK(std::isfinite(units.forward(next)));
  CHECK(units.forward(next) > units.forward(one));
}

TEST_CASE("no target, and none that is not finite") {
  CHECK_THROWS_AS(Standardization(Vector{}), InvalidArgument);
  CHECK_THROWS_AS(Standardization(Vector{1.0, NAN}), InvalidArgument);
  CHECK_THROWS_AS(Standardization(Vector{1.0, INFINITY}), InvalidArgument);
}
