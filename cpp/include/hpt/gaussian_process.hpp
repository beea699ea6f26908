// Gaussian-process regression on a mixed space.
//
//   n      observations            X: (n, d)      y: (n,)
//   S      sets of targets, one unless pending trials were given imagined outcomes
//   z      standardised targets    Z: (n, S)
//   L      lower Cholesky factor of k(X, X) + noise I, (n, n)
//   alpha  K^-1 (Z - mean), (n, S)
//   mean   m(x) = mean + k(x, X) alpha             variance   v(x) = k(x, x) - |L^-1 k(X, x)|^2
// Rasmussen and Williams, "Gaussian processes for machine learning", 2006, algorithm 2.1.
#pragma once

#include "hpt/coordinates.hpp"
#include "hpt/hyperparameters.hpp"
#include "hpt/kernel.hpp"
#include "hpt/random.hpp"
#include "hpt/transform.hpp"
#include "hpt/view.hpp"

namespace hpt {

// Immutable after construction; readable from many threads.
class GaussianProcess {
 public:
  // Hyperparameters by maximum a posteriori.
  static GaussianProcess fit(Coordinates space, MatrixView X, VectorView y, const FitOptions& options = {});
  // Hyperparameters as given (those of an earlier fit, say). X (n, d), y (n,), n >= 1.
  GaussianProcess(Coordinates space, MatrixView X, VectorView y, Hyperparameters at);

  // The same hyperparameters and standardisation with further observations, one row of the factor at a time.
  GaussianProcess condition_on(MatrixView X_new, VectorView y_new) const;
  // Imagined outcomes at pending points, in their order: `draws` sets that share one factor. Each outcome is
  // drawn from the prediction given the points before it, so common numbers make the sets a joint sample.
  GaussianProcess imagine(MatrixView pending, Index draws, Stream stream) const;

  // In the units of y, without the observations' noise. mean, variance: (m,); of the first set of targets.
  void predict(MatrixView X, MutableVectorView mean, MutableVectorView variance) const;
  // In standardised units: mean (m, S), variance (m,).
  void predict_standardized(MatrixView X, Matrix& mean, MutableVectorView variance) const;
  // At one point, with gradients to its continuous coordinates (q,): dmean (q, S), dvariance (q,).
  struct Slopes {
    Vector mean;  // (S,)
    double variance;
    Matrix dmean;      // (q, S)
    Vector dvariance;  // (q,)
  };
  Slopes predict_with_slopes(VectorView x) const;

  const Coordinates& space() const { return space_; }
  const Hyperparameters& hyperparameters() const { return at_; }
  const TargetTransform& transform() const { return units_; }
  MatrixView points() const { return X_; }
  Index sets() const { return Z_.cols(); }
  double jitter() const { return jitter_; }  // added to the diagonal, relative to the amplitude
  double log_marginal_likelihood() const;    // of the first set of standardised targets

 private:
  void factor();
  void append(VectorView x, VectorView z);  // one row: x (d,), z (S,)
  void solve();                             // alpha from L and Z
  double floor_variance(double v) const;

  Coordinates space_;
  Hyperparameters at_;
  TargetTransform units_;
  Matrix X_;
  Matrix Z_;
  Matrix L_;
  Matrix alpha_;
  double jitter_ = 0.0;
};

}  // namespace hpt
