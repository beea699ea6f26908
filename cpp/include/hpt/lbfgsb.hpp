// Minimisation of a smooth function within bounds by limited-memory BFGS.
//
// The two-metric projection of Bertsekas, "Projected Newton methods for optimization problems with simple
// constraints", SIAM J. Control Optim. 20 (1982): coordinates held at a bound by the gradient rest, the
// others move along the two-loop direction of Nocedal 1980, and the step is projected and cut back until it
// descends (Armijo).
#pragma once

#include <functional>

#include "hpt/view.hpp"

namespace hpt {

// f(x), writing its gradient; an infinite or NaN value makes the search step back.
using Objective = std::function<double(VectorView x, MutableVectorView gradient)>;

struct LbfgsbOptions {
  int iterations = 50;
  int evaluations = 150;
  int memory = 8;
  double gradient_tolerance = 1e-6;  // on the largest entry of the projected gradient
  double value_tolerance = 1e-10;    // on the relative decrease of one step
};

struct LbfgsbResult {
  double value = 0.0;
  int iterations = 0;
  int evaluations = 0;
};

// Minimises from x (n,), which is first moved into [lower, upper], and leaves the best point found in x.
LbfgsbResult lbfgsb(const Objective& f, VectorView lower, VectorView upper, MutableVectorView x,
                    const LbfgsbOptions& options = {});

}  // namespace hpt
