#include <doctest.h>

#include <limits>

#include "hpt/ascent_ranges.hpp"
#include "hpt/candidates.hpp"
#include "hpt/maximize.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

Coordinates numbers(int d) {
  std::vector<Coordinate> items(static_cast<std::size_t>(d), Coordinate::continuous());
  items[1] = Coordinate::integer(0, 9);
  return Coordinates(items);
}

// The lower the first half of the coordinates, the better; so many of the n points have them at their ends.
GaussianProcess descending(const Coordinates& space, Index n, Index at_ends) {
  Matrix X = reference::points(space, n, 23);
  const Index half = space.size() / 2;
  for (Index i = 0; i < at_ends; ++i) {
    for (Index j = 0; j < half; ++j) X(i, j) = 0.0;
  }
  Vector y;
  for (Index i = 0; i < n; ++i) {
    double sum = 0.0;
    for (Index j = 0; j < half; ++j) sum += X(i, j);
    y.push_back(sum);
  }
  return GaussianProcess(space, X, y, prior_mode(space));
}

}  // namespace

TEST_CASE("in a wide space a start keeps off the ends at which the best points are") {
  const Coordinates space = numbers(120);
  const GaussianProcess model = descending(space, 12, parents);
  Matrix starts(2, space.size());
  for (Index j = 0; j < space.size(); ++j) starts(1, j) = 0.25;
  const AscentRanges ranges = ascent_ranges(model, starts, {});
  REQUIRE(ranges.lower.cols() == 119);  // without the integer
  for (Index q = 0; q < 119; ++q) {
    const bool ends_there = space.continuous()[static_cast<std::size_t>(q)] < 60;
    CHECK(ranges.lower(0, q) == 0.0);
    CHECK(ranges.upper(0, q) == 1.0);
    CHECK(ranges.lower(1, q) == (ends_there ? 0.25 : 0.0));
    CHECK(ranges.upper(1, q) == (ends_there ? 0.25 : 1.0));
  }
  const AscentRanges undecided = ascent_ranges(descending(space, 12, parents - 1), starts, {});
  for (Index q = 0; q < 119; ++q) {
    CHECK(undecided.lower(1, q) == 0.0);
    CHECK(undecided.upper(1, q) == 1.0);
  }
}

TEST_CASE("elsewhere ascent has the whole range, and held coordinates stay") {
  const Coordinates space = numbers(8);
  const GaussianProcess model = descending(space, 12, parents);
  Matrix starts(1, 8);
  for (Index j = 0; j < 8; ++j) starts(0, j) = 0.25;
  Vector held(8, std::numeric_limits<double>::quiet_NaN());
  held[0] = 0.25;
  const AscentRanges ranges = ascent_ranges(model, starts, held);
  for (Index q = 0; q < 7; ++q) {
    CHECK(ranges.lower(0, q) == (q == 0 ? 0.25 : 0.0));
    CHECK(ranges.upper(0, q) == (q == 0 ? 0.25 : 1.0));
  }
}

TEST_CASE("in a wide space trials test what lies off the ends at which the best points are") {
  const Coordinates space = numbers(120);
  const GaussianProcess model = descending(space, 12, parents);
  const Matrix none(0, space.size());
  int off = 0;
  for (std::uint64_t trial = 13; trial < 21; ++trial) {
    const Vector x = *propose(model, none, none, 1, trial);
    for (const Index j : space.continuous())
      off += j < 60 && x[static_cast<std::size_t>(j)] > 0.0 && x[static_cast<std::size_t>(j)] < 1.0;
  }
  CHECK(off > 8);
}
