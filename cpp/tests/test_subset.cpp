#include <doctest.h>

#include <algorithm>

#include "hpt/error.hpp"
#include "hpt/subset.hpp"
#include "reference_blas.hpp"

using namespace hpt;

TEST_CASE("the best are kept, and every far corner is represented") {
  const Coordinates space = reference::mixed_space();
  Matrix X = reference::points(space, 300, 1);
  const Vector y = reference::normals(300, 2);
  const std::vector<Index> rows = representative(space, X, y, 40);
  CHECK(rows.size() == 40);
  CHECK(std::is_sorted(rows.begin(), rows.end()));
  CHECK(std::adjacent_find(rows.begin(), rows.end()) == rows.end());
  const Index best = std::min_element(y.begin(), y.end()) - y.begin();
  CHECK(std::binary_search(rows.begin(), rows.end(), best));
  CHECK(rows == representative(space, X, y, 40));

  const Coordinates line({Coordinate::continuous()});
  Matrix crowd(101, 1, 0.5);
  crowd(70, 0) = 1.0;  // the only one away from the crowd, and the worst
  Vector equal(101, 0.0);
  equal[70] = 1.0;
  const std::vector<Index> few = representative(line, crowd, equal, 8);
  CHECK(few.size() == 8);
  CHECK(std::binary_search(few.begin(), few.end(), Index{70}));
}

TEST_CASE("up to the limit all are kept, and invalid input is refused") {
  const Coordinates line({Coordinate::continuous()});
  CHECK(representative(line, Matrix(3, 1), Vector(3), 3) == std::vector<Index>{0, 1, 2});
  CHECK(representative(line, Matrix(3, 1), Vector(3), 1).size() == 1);
  CHECK_THROWS_AS(representative(line, Matrix(3, 1), Vector(3), 0), InvalidArgument);
  CHECK_THROWS_AS(representative(line, Matrix(3, 1), Vector(2), 2), InvalidArgument);
}
