// Gaussian-process regression on a mixed space.
//
//   n      observations            X: (n, d)      y: (n,)
//   S      sets of targets, one unless pending trials were given imagined outcomes
//   z      standardised targets    Z: (n, S)
//   L      lower Cholesky factor of k(X, X) + noise I, (n, n)
//   beta   L^-1 (Z - mean), (n, S)           alpha   L^-T beta, (n, S)
//   mean   m(x) = mean + k(x, X) alpha       variance   v(x) = k(x, x) - |L^-1 k(X, x)|^2
// Rasmussen and Williams, "Gaussian processes for machine learning", 2006, algorithm 2.1.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "hpt/blas.hpp"
#include "hpt/coordinates.hpp"
#include "hpt/growing_factor.hpp"
#include "hpt/hyperparameters.hpp"
#include "hpt/kernel.hpp"
#include "hpt/parallel.hpp"
#include "hpt/random.hpp"
#include "hpt/transform.hpp"
#include "hpt/view.hpp"

namespace hpt {

// A few of a model's points. Conditioning on less leaves more: their factor bounds every variance from above,
// and near them it is close to what all points leave.
struct Landmarks {
  std::vector<Index> rows;  // among the model's points, ascending
  Columns columns;
  SquareMatrix L;  // the factor of their covariance
};

// Predictions at some points and the inputs of their slopes; the next call reuses the memory.
struct Predictions {
  Index rows = 0;
  Matrix mean;      // (m, S)
  Vector variance;  // (m,)
  Matrix points;    // (m, d), placed by the kernel
  Matrix values;    // (m, stride): k, later weights
  Matrix slopes;    // (m, stride): dk / d(r^2)
  Matrix solved;    // (m, stride): L^-1 k, later K^-1 k
  Vector scratch;
  // Where set, the variances are the bounds that these leave, and means are of all points as ever.
  const Landmarks* landmarks = nullptr;
  Matrix gathered;  // (m, their stride): of the landmarks, as `solved`
};

// Immutable after construction; readable from many threads.
class GaussianProcess {
 public:
  // Hyperparameters by maximum a posteriori.
  static GaussianProcess fit(Coordinates space, MatrixView X, VectorView y, const FitOptions& options = {});
  // Given hyperparameters, such as those of an earlier fit. X (n, d), y (n,), n >= 1. The first `base` rows
  // are factored as one matrix, the others appended row by row; all as one where `base` is not below n.
  GaussianProcess(Coordinates space, MatrixView X, VectorView y, Hyperparameters at, int threads = 1,
                  Index base = std::numeric_limits<Index>::max());
  // What the constructor makes of further observations, (k, d), with the same hyperparameters and base, which
  // is below theirs, and of new targets for all, (n + k,): the same bits at the price of k rows.
  GaussianProcess extend(MatrixView X_new, VectorView y) const;

  // The same observations and transform at hyperparameters drawn from their density by a chain that begins at
  // its own (slice_sampling.hpp); none where the covariance cannot be factored there.
  std::vector<GaussianProcess> resample(Index count, Stream stream) const;

  // The same hyperparameters and standardisation with further observations, one row of the factor at a time.
  GaussianProcess condition_on(MatrixView X_new, VectorView y_new) const;
  // Imagined outcomes at pending points, in their order: `draws` sets that share one factor. Each outcome is
  // drawn from the prediction given the points before it, so common numbers make the sets a joint sample.
  GaussianProcess imagine(MatrixView pending, Index draws, Stream stream) const;
  // Further pending points of a model that imagines: what imagining all of them at once makes.
  GaussianProcess imagine_further(MatrixView pending) const;

  // In the units of y, without the observations' noise. mean, variance: (m,); of the first set of targets.
  void predict(MatrixView X, MutableVectorView mean, MutableVectorView variance) const;
  // Mean -+ width deviations of transformed targets, each end mapped back: X (m, d), ends (m,).
  void predict_band(MatrixView X, double width, MutableVectorView lower, MutableVectorView upper) const;
  // In standardised units: mean (m, S), variance (m,).
  void predict_standardized(MatrixView X, Matrix& mean, MutableVectorView variance,
                            const Team& team = Team()) const;
  // Means, and upper bounds of the variances without a solve: conditioning on the most informative
  // observation of a point leaves k(x, x) - k(x, x_j)^2 / (k(x_j, x_j) + noise), on all of them no more.
  void predict_bounds(MatrixView X, Matrix& mean, MutableVectorView variance,
                      const Team& team = Team()) const;
  // The mean alone, averaged over the sets, (m,): costs no solve.
  void predict_mean(MatrixView X, MutableVectorView mean, const Team& team = Team()) const;
  // The same in single precision, with the size of their errors, to choose among points that differ by more.
  double predict_rough_mean(MatrixView X, MutableVectorView mean, const Team& team = Team()) const;
  // The same of every set, (m, S).
  void predict_means(MatrixView X, Matrix& mean, const Team& team = Team()) const;
  Landmarks landmarks(std::vector<Index> rows) const;
  // Upper bounds of the variances, (m,), from the landmarks alone.
  void bound_variances(MatrixView X, const Landmarks& landmarks, MutableVectorView variance,
                       const Team& team = Team()) const;
  // The model's points of largest covariance with each of X, `each` of them, all together and ascending.
  std::vector<Index> nearest(MatrixView X, Index each) const;
  // Covariance of the function at X (m, d), (m, m), without noise, in standardised units.
  Matrix covariance(MatrixView X) const;
  // Draws of the function at X (m, d), jointly, given a set of targets: (draws, m), in standardised units.
  Matrix sample(MatrixView X, Index draws, Stream stream, Index set = 0) const;
  // The mean at the model's own points, from its targets: K alpha = Z - mean - noise alpha. (n, S)
  Matrix fitted_means() const;
  // All at once for a few points, (m, d); with slopes if `pull_back` is to follow.
  void predict(MatrixView X, bool with_slopes, Predictions& out) const;
  // The gradient to the continuous coordinates of X, (m, q), of a function with these derivatives to the
  // predictions: dmean (m, S), dvariance (m,). Overwrites the predictions.
  void pull_back(MatrixView X, const Matrix& dmean, VectorView dvariance, Predictions& at,
                 Matrix& gradient) const;
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
  Index observed() const { return observed_; }  // points that are not imagined
  double jitter() const { return jitter_; }     // added to the diagonal, relative to the amplitude
  double log_marginal_likelihood() const;       // of the first set of standardised targets
  // log p(y, hyperparameters | X) of the original targets, of a fit; NaN without one.
  double density() const { return density_; }

 private:
  // `fewer` with the factor's rows of further points behind its own, and its targets copied to every set.
  GaussianProcess(const GaussianProcess& fewer, MatrixView X_new, Index sets);
  void settle(Hyperparameters at, const Team& team = Team());
  void factor(const Team& team);
  void append_to_factor(Index first);
  // Row i of beta; target(s, mean, deviation) is the standardised target of set s.
  template <typename Target>
  void append(Index i, Target target);
  void draw_outcomes(Index first);  // of points `first` and on, and alpha
  void predict_bounds(const Landmarks& landmarks, Predictions& out) const;
  Matrix covariance(MatrixView X, const Predictions& at) const;  // `at`: the predictions at X
  void solve_back(Predictions& at) const;
  void solve_targets();  // beta from the targets, and alpha
  void finish();         // alpha from beta
  double floor_variance(double v) const;
  Index blocks() const { return columns_.stride / loops::width; }

  Coordinates space_;
  Hyperparameters at_;
  Kernel kernel_;
  TargetTransform units_;
  Matrix X_;
  Matrix Z_;
  Matrix beta_;
  Columns columns_;
  GrowingFactor L_;
  Index base_ = 0, observed_ = 0;
  std::optional<Stream> fantasies_;  // the next draws of a model that imagines
  Matrix weights_;                   // (S, stride): alpha, a set a row, padded with zeros
  Vector average_weights_;           // (stride,): their average
  double jitter_ = 0.0;
  double density_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace hpt
