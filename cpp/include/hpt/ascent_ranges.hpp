// Between which values the ascent of an acquisition may move the continuous coordinates of its starts.
#pragma once

#include "hpt/gaussian_process.hpp"
#include "hpt/view.hpp"

namespace hpt {

struct AscentRanges {
  Matrix lower, upper;  // (k, c), of c continuous coordinates
};

// starts: (k, d). held: (d,), values of coordinates, NaN where one is free; or empty.
//
// In a wide space, a start that is off the ends of a range, while all of the best points (`parents`) are at
// one, stays where it is there. A search has few trials for its many slopes: one that was guessed wrong early
// takes a coordinate to an end. From then on ascent would bring every trial back to it, because other
// coordinates can move for the sake of variance at no cost, so that no trial would tell what lies off the
// end.
AscentRanges ascent_ranges(const GaussianProcess& model, const Matrix& starts, VectorView held);

}  // namespace hpt
