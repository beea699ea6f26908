// Minimisation of a smooth function within bounds by limited-memory BFGS.
//
// The two-metric projection of Bertsekas, "Projected Newton methods for optimization problems with simple
// constraints", SIAM J. Control Optim. 20 (1982): coordinates held at a bound by the gradient rest, the
// others move along the two-loop direction of Nocedal 1980, and the step is projected and cut back until it
// descends (Armijo).
#pragma once

#include <functional>
#include <vector>

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

// The search as a state machine: it says where it needs the function next, so that many searches can
// have their points evaluated together. Nothing is allocated after construction.
//
//   while (!search.done()) { value = f(search.trial()); ...; search.tell(value, gradient); }
class BoundedSearch {
 public:
  // Starts from x (n,), moved into [lower, upper], which must outlive the search.
  BoundedSearch(VectorView x, VectorView lower, VectorView upper, const LbfgsbOptions& options);
  bool done() const { return done_; }
  VectorView trial() const { return trial_; }  // (n,), where the function is wanted
  // Whether a gradient will be looked at should this be the value at `trial`.
  bool wants_gradient(double value) const;
  void tell(double value, VectorView gradient);
  VectorView best() const { return x_; }
  const LbfgsbResult& result() const { return result_; }

 private:
  double mark_free();
  double choose_direction(double largest);
  void begin_step();
  bool set_trial(double length);
  void step_failed();
  void push_pair();
  void two_loops();
  double free_dot(VectorView a, VectorView b) const;

  VectorView lower_, upper_;
  LbfgsbOptions options_;
  Vector x_, gradient_, trial_, direction_, step_, change_;
  Matrix S_, Y_;  // (memory, n): the last steps and changes of the gradient, a ring
  Vector alpha_;  // (memory,)
  Index first_ = 0, count_ = 0;
  std::vector<char> free_;
  LbfgsbResult result_;
  double length_ = 0.0, predicted_ = 0.0;
  bool started_ = false, done_ = false;
};

// Minimises from x (n,), which is first moved into [lower, upper], and leaves the best point found in x.
LbfgsbResult lbfgsb(const Objective& f, VectorView lower, VectorView upper, MutableVectorView x,
                    const LbfgsbOptions& options = {});

}  // namespace hpt
