// The covariance of two points of a mixed space.
//
//   n      points                        X: (n, d)    encoded points
//   p, c   numeric, categorical coords   d = p + c
//   l_i    length scale of coordinate i  s            amplitude, k(x, x) = s
//   k_x    Matern-5/2 of the numbers     k_h          kernel of the categories
//   lam    mixing of sum and product, in (0, 1)
//
//   r^2 = sum_i ((x_i - x'_i) / l_i)^2                      over numeric coordinates
//   k_x = (1 + sqrt5 r + 5 r^2 / 3) exp(-sqrt5 r)           Snoek, Larochelle and Adams 2012, eq. 3; AMT 5.2
//   k_h = exp(-sum_j [h_j != h'_j] / l_j)                   over categorical coordinates
//   k   = s ((1 - lam) / 2 (k_x + k_h) + lam k_x k_h)       Ru et al. 2020 (CoCaBO), eq. 2
// A space of one kind has k = s k_x or s k_h.
#pragma once

#include "hpt/coordinates.hpp"
#include "hpt/view.hpp"

namespace hpt {

struct Hyperparameters {
  Vector length_scales;    // (d,)
  double amplitude = 1.0;  // variance of the function, in standardised units
  double noise = 1e-3;     // variance of an observation about it
  double mean = 0.0;       // constant mean
  double mixing = 0.5;     // lam; without effect in a space of one kind
};

// k_x and its derivative to r^2.
struct Matern {
  double value, slope;
};
Matern matern52(double squared_distance);

class Kernel {
 public:
  Kernel(const Coordinates& space, const Hyperparameters& at);
  double amplitude() const { return amplitude_; }
  double operator()(VectorView a, VectorView b) const;
  Matrix cross(MatrixView A, MatrixView B) const;  // (a, d), (b, d) -> (a, b)
  // k (n,) to every row of X, and its gradient to the continuous coordinates of x, one row each: dk (q, n).
  void gradient(VectorView x, MatrixView X, MutableVectorView k, Matrix& dk) const;

  // K of X with X, and what its derivatives are made of; lower triangles only, (n, n).
  struct Terms {
    Matrix K;
    Matrix numeric;      // dk / d(r^2)
    Matrix categorical;  // dk / d(log k_h)
    Matrix mixing;       // dk / d(lam)
  };
  Terms terms(MatrixView X) const;

 private:
  struct Parts {
    double squared_distance, mismatch;
  };
  Parts parts(VectorView a, VectorView b) const;
  const Coordinates& space_;
  double amplitude_, mixing_;
  Vector inverse_;  // (d,) 1 / l
  bool mixed_;
};

}  // namespace hpt
