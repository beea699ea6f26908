#include <doctest.h>

#include <cmath>

#include "hpt/error.hpp"
#include "hpt/transform.hpp"

using namespace hpt;

TEST_CASE("population deviation, and the worked values") {  // behaviour 5.7
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

TEST_CASE("neighbouring floats count as different targets") {
  const double one = 1.0, next = std::nextafter(1.0, 2.0);
  const Standardization units(Vector{one, next});
  CHECK(std::isfinite(units.forward(next)));
  CHECK(units.forward(next) > units.forward(one));
}

TEST_CASE("no targets, and targets that are not finite, are refused") {
  CHECK_THROWS_AS(Standardization(Vector{}), InvalidArgument);
  CHECK_THROWS_AS(Standardization(Vector{1.0, NAN}), InvalidArgument);
  CHECK_THROWS_AS(Standardization(Vector{1.0, INFINITY}), InvalidArgument);
}

namespace {

constexpr double tail_limit = 3.0;  // in spreads of the better half

double spread_above(VectorView y, const Compression& map, double pivot) {
  double squares = 0.0;
  int count = 0;
  for (const double value : y) {
    if (!(value > pivot)) continue;
    squares += std::pow(map.forward(value) - pivot, 2);
    ++count;
  }
  return std::sqrt(squares / count);
}

}  // namespace

TEST_CASE("targets without a heavy tail do not change") {
  const Vector symmetric{-3.0, -1.0, 0.0, 1.0, 3.0}, good_tail{-100.0, -10.0, 0.0, 1.0, 2.0};
  for (const Vector& y : {symmetric, good_tail, Vector{5.0}, Vector{1.0, 1.0, 1.0}, Vector{1.0, 2.0}}) {
    const Compression map(y, tail_limit);
    CHECK(map.power() == 1.0);
    for (const double value : {-200.0, -1.0, 0.5, 1.5, 200.0}) {
      CHECK(map.forward(value) == value);
      CHECK(map.inverse(value) == value);
      CHECK(map.log_slope(value) == 0.0);
    }
  }
}

TEST_CASE("a heavy tail is compressed to the stated spread, the better half does not change") {
  const Vector y{-2.0, -1.0, 0.0, 10.0, 1e4};  // median 0, spread below it sqrt(5 / 3)
  const Compression map(y, tail_limit);
  CHECK(map.power() < 1.0);
  for (const double value : {-5.0, -2.0, -1.0, 0.0}) CHECK(map.forward(value) == value);
  CHECK(spread_above(y, map, 0.0) == doctest::Approx(tail_limit * std::sqrt(5.0 / 3.0)));
}

TEST_CASE("beside a crowd, far targets keep a part of their differences") {
  const Vector crowd{-3e-6, -2e-6, -1e-6, 0.0, 1e-6,
                     2e-6,  0.2,   0.5,   1.0};  // quartiles of the worse half: 0.2, 1
  const Compression map(crowd, tail_limit);
  CHECK(map.power() < 0.0);
  const double near = map.forward(0.2) - 1e-6, far = map.forward(1.0) - 1e-6;
  CHECK((far - near) / far == doctest::Approx(0.05 * 0.8).epsilon(1e-3));
  for (const double worst : {1e20, 1e100, 1e300}) {
    const Compression reaching(Vector{-2.0, -1.0, 0.0, worst, 0.9 * worst}, tail_limit);
    CHECK(reaching.power() < 0.0);
    CHECK(reaching.forward(worst) == doctest::Approx(32.0 * std::sqrt(5.0 / 3.0)));
  }
  const Compression equal(Vector{-2.0, -1.0, 0.0, 1e9, 1e9}, tail_limit);  // a penalty: nothing to keep apart
  CHECK(equal.forward(1e9) == doctest::Approx(tail_limit * std::sqrt(5.0 / 3.0)));
}

TEST_CASE("the pivot moves up until something lies below it") {
  const Vector y{1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 1e9};
  const Compression map(y, tail_limit);
  CHECK(map.forward(2.0) == 2.0);
  CHECK(map.forward(1e9) < 10.0);
}

TEST_CASE("compression increases, has its inverse and its slope everywhere") {
  for (const double far : {1e2, 1e6, 1e15, 1e100}) {
    const Vector y{-2.0, -1.0, 0.0, 0.5, far, 0.8 * far, -0.3};
    const Compression map(y, tail_limit);
    double before = map.forward(-3.0);
    for (const double value : {-1.0, 0.0, 1e-3, 0.5, 3.0, 20.0, 0.5 * far, far, 2.0 * far}) {
      const double c = map.forward(value), step = 1e-6 * std::max(1.0, std::abs(value));
      CHECK(c >= before);
      before = c;
      if (far > 1e6 && value > 1e3) continue;  // the image of a far tail is flat to the last digit
      CHECK(map.inverse(c) == doctest::Approx(value).epsilon(1e-6));
      if (value == far) continue;  // one-sided slopes differ where the chord begins
      const double difference = (map.forward(value + step) - map.forward(value - step)) / (2.0 * step);
      CHECK(map.log_slope(value) == doctest::Approx(std::log(difference)).epsilon(1e-4));
    }
  }
}

TEST_CASE("a transform keeps the order of targets of any magnitude and maps back") {
  for (const double size : {1e-300, 1.0, 1e300, 1.7e308}) {
    const Vector y{0.0, -0.1 * size, 0.05 * size, 0.9 * size, size, -0.2 * size, 0.1 * size};
    const TargetTransform map(y, tail_limit);
    CHECK(map.compression().power() < 1.0);
    double sum = 0.0, squares = 0.0;
    for (const double value : y) {
      const double z = map.forward(value);
      CHECK(std::isfinite(z));
      sum += z;
      squares += z * z;
      CHECK(std::abs(map.inverse(z) / size - value / size) < 1e-6);
    }
    CHECK(std::abs(sum) < 1e-9);
    CHECK(squares == doctest::Approx(static_cast<double>(y.size())));
    CHECK(map.forward(0.9 * size) < map.forward(size));
    CHECK(map.forward(-0.2 * size) < map.forward(-0.1 * size));
  }
  const Vector plain{0.9, 0.5, 0.7};  // behaviour 5.7: nothing to draw in
  CHECK(TargetTransform(plain, tail_limit).forward(0.9) == doctest::Approx(1.224745).epsilon(1e-6));
  CHECK(TargetTransform(plain, tail_limit).slope(0.3) == doctest::Approx(0.163299).epsilon(1e-5));
}

TEST_CASE("a target of any size does not round the differences of the others away") {
  for (const double far : {1e16, 1e30, 1e300}) {
    const Vector y{0.5, 0.4, 0.3, 0.2, 0.1, 0.05, far, 1e-3 * far};
    const TargetTransform map(y, tail_limit);
    for (std::size_t i = 0; i < 6; ++i)
      CHECK(map.inverse(map.forward(y[i])) == doctest::Approx(y[i]).epsilon(1e-9));
    CHECK(map.forward(0.5) - map.forward(0.4) > 1e-3);
    CHECK(std::isfinite(map.forward(far) * map.forward(far)));
  }
}

TEST_CASE("beyond the worst target the inverse stays of its order") {
  const Vector y{-2.0, -1.0, 0.0, 0.5, 1e15, 1e14, -0.3};
  const TargetTransform map(y, 0.5);
  const double worst = map.forward(1e15);
  CHECK(map.inverse(worst + 1.0) > 1e15);
  CHECK(map.inverse(worst + 1.0) < 1e17);
  CHECK(std::isfinite(map.log_slope(worst + 1.0)));
}

TEST_CASE("a change of units changes nothing") {
  const Vector y{0.3, 0.1, 0.25, 7.0, 900.0, 0.2};
  Vector other;
  for (const double value : y) other.push_back(1e5 * value - 3.0);
  const TargetTransform a(y, tail_limit), b(other, tail_limit);
  for (std::size_t i = 0; i < y.size(); ++i)
    CHECK(a.forward(y[i]) == doctest::Approx(b.forward(other[i])).epsilon(1e-8));
}

TEST_CASE("an infinite limit only standardises, and targets without a tail do not change") {
  const Vector y{1.0, 2.0, 3.0, 1e6};
  CHECK(TargetTransform(y, INFINITY).compression().power() == 1.0);
  CHECK_THROWS_AS(TargetTransform(y, 0.0), InvalidArgument);
  CHECK_THROWS_AS(TargetTransform(y, NAN), InvalidArgument);
}
