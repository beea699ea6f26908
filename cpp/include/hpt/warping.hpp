// Kumaraswamy input warping, w(x) = 1 - (1 - x^a)^b, one pair of exponents a numeric coordinate.
//
// Snoek, Swersky, Zemel and Adams, "Input warping for Bayesian optimization of non-stationary functions",
// ICML 2014. a < 1 spreads values near 0 (log-like), b < 1 those near 1; a = b = 1 is the identity.
#pragma once

#include "hpt/view.hpp"

namespace hpt {

struct Warped {
  double value;   // w
  double dx;      // dw/dx
  double dlog_a;  // dw/d log a
  double dlog_b;  // dw/d log b
};

// x in [0, 1] is first squeezed into [1e-9, 1 - 1e-9], where every derivative is finite; a, b > 0.
Warped warp(double x, double a, double b);

namespace loops {

inline constexpr Index warp_width = 8;  // values warped together

struct WarpBlock {
  double value[warp_width], dx[warp_width], dlog_a[warp_width], dlog_b[warp_width];
};

// One block, each value with exponents of its own; the same bits as `warp`. `values` may be x.
void warp_values(const double* x, const double* a, const double* b, double* values);
void warp_slopes(const double* x, const double* a, const double* b, WarpBlock& out);

}  // namespace loops
}  // namespace hpt
