#include <doctest.h>

#include <cstdint>

#include "hpt/view.hpp"

using namespace hpt;

TEST_CASE("arrays start on a cache line and rows append") {
  Matrix A;
  for (int i = 0; i < 100; ++i) A.append_row(Vector{1.0 * i, 2.0 * i, 3.0 * i});
  CHECK(A.rows() == 100);
  CHECK(A.cols() == 3);
  CHECK(A(99, 2) == 297.0);
  CHECK(reinterpret_cast<std::uintptr_t>(A.data()) % 64 == 0);
  const MatrixView head = MatrixView(A).head(2);
  CHECK(head.rows() == 2);
  CHECK(head.row(1)[1] == 2.0);
}
