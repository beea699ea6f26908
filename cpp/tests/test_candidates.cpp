#include <doctest.h>

#include <algorithm>

#include "hpt/candidates.hpp"
#include "hpt/maximize.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

Coordinates wide_space() {
  std::vector<Coordinate> items;
  for (int i = 0; i < 60; ++i) {
    items.push_back(Coordinate::continuous());
    items.push_back(Coordinate::integer(0, 9));
    items.push_back(Coordinate::categorical(4));
  }
  return Coordinates(items);
}

GaussianProcess model_of(const Coordinates& space, Index n) {
  const Matrix X = reference::points(space, n, 17);
  Vector y;
  for (Index i = 0; i < n; ++i) y.push_back(X(i, 0) + X(i, 1) + (X(i, 2) == 1.0 ? 0.0 : 1.0));
  return GaussianProcess(space, X, y, prior_mode(space));
}

}  // namespace

TEST_CASE("in a wide space perturbations change a share of the coordinates, the same with any threads") {
  const Coordinates space = wide_space();
  const GaussianProcess model = model_of(space, 12);
  Tried tried(space);
  tried.add(model.points());
  const Away nowhere(model, Matrix(0, space.size()), 0.5);
  const Matrix points = candidates(model, tried, nowhere, {}, 16, 200, 3, 20, Team(1));
  const Matrix again = candidates(model, tried, nowhere, {}, 16, 200, 3, 20, Team(3));
  REQUIRE(points.rows() > 150);
  REQUIRE(again.rows() == points.rows());
  int near = 0;
  for (Index k = 0; k < points.rows(); ++k) {
    CHECK(std::equal(points.row(k).begin(), points.row(k).end(), again.row(k).begin()));
    CHECK_FALSE(tried.contains(points.row(k)));
    Index least = space.size();
    for (Index i = 0; i < model.points().rows(); ++i) {
      Index changed = 0;
      for (Index j = 0; j < space.size(); ++j) changed += points(k, j) != model.points()(i, j);
      least = std::min(least, changed);
    }
    if (k < points.rows() - 200) continue;  // of the whole space
    CHECK(least > 5);
    near += least <= 72;  // of 180, three tenths of which are drawn
  }
  space.check(points);
  CHECK(near > 190);
}

TEST_CASE("in a wide space many integers and categories move in one proposal") {
  const Coordinates space = wide_space();
  Matrix X = reference::points(space, 60, 19);
  Vector y;
  for (Index i = 0; i < X.rows(); ++i) {
    double sum = 0.0;
    for (Index j = 0; j < space.size(); j += 3) sum += X(i, j + 1) + (X(i, j + 2) == 2.0 ? 0.0 : 1.0);
    y.push_back(sum);
  }
  const GaussianProcess model(space, X, y, prior_mode(space));
  const Matrix none(0, space.size());
  const auto best = std::min_element(y.begin(), y.end()) - y.begin();
  const Vector x = *propose(model, none, none, 1, 62);
  Index changed = 0;
  for (const Index j : space.discrete()) changed += x[static_cast<std::size_t>(j)] != X(best, j);
  CHECK(changed > 5);
  space.check(MatrixView(x.data(), 1, space.size()));
  SearchOptions threads;
  threads.threads = 3;
  CHECK(x == *propose(model, none, none, 1, 62, threads));
}
