#include <doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "hpt/coordinates.hpp"
#include "hpt/error.hpp"
#include "reference_blas.hpp"

using namespace hpt;

TEST_CASE("every level of a discrete coordinate is decoded to itself") {
  for (const Coordinate& c : {Coordinate::integer(-3, 12), Coordinate::integer(1, 1000, Scale::logarithmic),
                              Coordinate::categorical(30), Coordinate::integer(5, 5)}) {
    for (std::uint64_t k = 0; k < c.levels(); ++k) {
      const double x = c.at_level(k);
      CHECK(c.legal(x));
      CHECK(c.level(x) == k);
      CHECK(c.snap(x) == x);
    }
  }
}

TEST_CASE("wide integers keep their neighbours apart") {
  const Coordinate c = Coordinate::integer(0, 1LL << 52);
  for (const std::uint64_t k : {0ULL, 1ULL, 12345678901234ULL, (1ULL << 51) - 1, (1ULL << 52) - 1}) {
    CHECK(c.level(c.at_level(k)) == k);
  }
  CHECK_THROWS_AS(Coordinate::integer(0, 1LL << 53), InvalidArgument);
  CHECK_THROWS_AS(
      Coordinate::integer(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()),
      InvalidArgument);
}

TEST_CASE("integers have equal shares on a linear scale and the stated ones on a logarithmic one") {
  const Coordinate three = Coordinate::integer(1, 3);
  CHECK(three.level(0.33) == 0);
  CHECK(three.level(0.34) == 1);
  CHECK(three.level(0.67) == 2);
  CHECK(three.level(1.0) == 2);
  const Coordinate thousand = Coordinate::integer(1, 1000, Scale::logarithmic);
  CHECK(thousand.level(0.14452) == 0);
  CHECK(thousand.level(0.14454) == 1);
  CHECK(thousand.level(1.0 - 0.000131) == 999);
  CHECK(thousand.level(1.0 - 0.000133) == 998);
}

TEST_CASE("a finite space is counted and listed once") {
  const Coordinates space(
      {Coordinate::integer(2, 4), Coordinate::categorical(4), Coordinate::categorical(1)});
  REQUIRE(space.cardinality().has_value());
  CHECK(*space.cardinality() == 12);
  std::set<Vector> all;
  Vector x(3);
  for (std::uint64_t number = 0; number < 12; ++number) {
    space.at(number, x);
    all.insert(x);
  }
  CHECK(all.size() == 12);
  CHECK_FALSE(reference::mixed_space().cardinality().has_value());
  const Coordinate wide = Coordinate::integer(0, (1LL << 52) - 1);
  CHECK_FALSE(Coordinates({wide, wide}).cardinality().has_value());
}

TEST_CASE("points are the same by level, or within 1e-9") {
  const Coordinates space({Coordinate::continuous(), Coordinate::integer(1, 10)});
  CHECK(space.same(Vector{0.5, 0.05}, Vector{0.5 + 1e-12, 0.051}));
  CHECK_FALSE(space.same(Vector{0.5, 0.05}, Vector{0.5 + 1e-6, 0.05}));
  CHECK_FALSE(space.same(Vector{0.5, 0.05}, Vector{0.5, 0.15}));
}

TEST_CASE("illegal points are refused") {
  const Coordinates space = reference::mixed_space();
  Matrix X = reference::points(space, 3, 1);
  space.check(X);
  for (const auto& [column, value] :
       {std::pair<Index, double>{0, 1.1}, {0, -0.1}, {1, 3.0}, {1, 0.5}, {3, NAN}}) {
    Matrix bad(X);
    bad(2, column) = value;
    CHECK_THROWS_AS(space.check(bad), InvalidArgument);
  }
  CHECK_THROWS_AS(space.check(Matrix(1, 2)), InvalidArgument);
  CHECK_THROWS_AS(Coordinates({}), InvalidArgument);
  CHECK_THROWS_AS(Coordinate::integer(2, 1), InvalidArgument);
  CHECK_THROWS_AS(Coordinate::integer(0, 9, Scale::logarithmic), InvalidArgument);
  CHECK_THROWS_AS(Coordinate::categorical(0), InvalidArgument);
}
