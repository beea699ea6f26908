// Which observations an exact model keeps when there are too many for it.
#pragma once

#include <vector>

#include "hpt/coordinates.hpp"
#include "hpt/view.hpp"

namespace hpt {

// The rows, ascending, of at most `limit` of the observations X (n, d), y (n,), minimised: the best quarter
// of the limit, as many again that lie nearest to the five best, and for the rest, one after the other,
// whichever lies farthest from all taken so far (Gonzalez 1985), so that no region is left out. All rows
// where n <= limit. A pure function of its arguments, O(n limit d).
std::vector<Index> representative(const Coordinates& space, MatrixView X, VectorView y, Index limit);

}  // namespace hpt
