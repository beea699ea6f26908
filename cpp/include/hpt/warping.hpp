// Kumaraswamy input warping, w(x) = 1 - (1 - x^a)^b, one pair of exponents a numeric coordinate.
//
// Snoek, Swersky, Zemel and Adams, "Input warping for Bayesian optimization of non-stationary functions",
// ICML 2014. a < 1 spreads values near 0 (log-like), b < 1 those near 1; a = b = 1 is the identity.
#pragma once

namespace hpt {

struct Warped {
  double value;   // w
  double dx;      // dw/dx
  double dlog_a;  // dw/d log a
  double dlog_b;  // dw/d log b
};

// x in [0, 1] is first squeezed into [1e-9, 1 - 1e-9], where every derivative is finite; a, b > 0.
Warped warp(double x, double a, double b);
double warp_value(double x, double a, double b);  // the value alone, the same to the bit

}  // namespace hpt
