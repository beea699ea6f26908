#include "hpt/gaussian_process.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "hpt/blas.hpp"
#include "hpt/error.hpp"

namespace hpt {
namespace {

Vector standardize(const TargetTransform& units, VectorView y) {
  Vector z;
  z.reserve(y.size());
  for (const double value : y) z.push_back(units.forward(value));
  return z;
}

}  // namespace

GaussianProcess GaussianProcess::fit(Coordinates space, MatrixView X, VectorView y,
                                     const FitOptions& options) {
  require(X.rows() >= 1, "a fit needs at least one observation");
  require(X.rows() == static_cast<Index>(y.size()), "X and y differ in their number of observations");
  space.check(X);
  Hyperparameters at = fit_hyperparameters(space, X, standardize(TargetTransform(y), y), options);
  return GaussianProcess(std::move(space), X, y, std::move(at));
}

GaussianProcess::GaussianProcess(Coordinates space, MatrixView X, VectorView y, Hyperparameters at)
    : space_(std::move(space)), at_(std::move(at)), units_(y), X_(X), Z_(X.rows(), 1) {
  require(X.rows() == static_cast<Index>(y.size()), "X and y differ in their number of observations");
  space_.check(X);
  for (Index i = 0; i < X.rows(); ++i) Z_(i, 0) = units_.forward(y[static_cast<std::size_t>(i)]);
  factor();
  solve();
}

void GaussianProcess::factor() {
  const Matrix K = Kernel(space_, at_).terms(X_).K;
  int order = 0;
  for (double jitter : {0.0, 1e-10, 1e-8, 1e-6, 1e-4}) {
    L_ = K;
    for (Index i = 0; i < L_.rows(); ++i) L_(i, i) += at_.noise + jitter * at_.amplitude;
    order = cholesky(L_);
    jitter_ = jitter;
    if (order == 0) return;
  }
  throw NotPositiveDefinite(order, jitter_);
}

void GaussianProcess::solve() {
  alpha_ = Z_;
  for (Index i = 0; i < alpha_.rows(); ++i) {
    for (double& value : alpha_.row(i)) value -= at_.mean;
  }
  solve_columns(L_, alpha_);
  solve_columns_transposed(L_, alpha_);
}

void GaussianProcess::append(VectorView x, VectorView z) {
  const Index n = X_.rows();
  const Kernel kernel(space_, at_);
  Vector row(static_cast<std::size_t>(n) + 1);
  for (Index j = 0; j < n; ++j) row[static_cast<std::size_t>(j)] = kernel(x, X_.row(j));
  const MutableVectorView old(row.data(), static_cast<std::size_t>(n));
  solve_lower(L_, old);
  const double diagonal = at_.amplitude * (1.0 + jitter_) + at_.noise;
  const double rest = diagonal - dot(old, old);
  // In exact arithmetic the rest is at least the noise; rounding may leave less where points repeat.
  row.back() = std::sqrt(std::max(rest, std::max(0.5 * at_.noise, 1e-12 * at_.amplitude)));
  Matrix grown(n + 1, n + 1);
  for (Index i = 0; i < n; ++i) std::copy_n(L_.row(i).begin(), n, grown.row(i).begin());
  std::copy(row.begin(), row.end(), grown.row(n).begin());
  L_ = std::move(grown);
  X_.append_row(x);
  Z_.append_row(z);
}

GaussianProcess GaussianProcess::condition_on(MatrixView X_new, VectorView y_new) const {
  require(X_new.rows() == static_cast<Index>(y_new.size()), "X and y differ in their number of observations");
  space_.check(X_new);
  GaussianProcess out(*this);
  Vector z(static_cast<std::size_t>(sets()));
  for (Index i = 0; i < X_new.rows(); ++i) {
    const double target = y_new[static_cast<std::size_t>(i)];
    require(std::isfinite(target), "targets must be finite");
    std::fill(z.begin(), z.end(), units_.forward(target));
    out.append(X_new.row(i), z);
  }
  out.solve();
  return out;
}

GaussianProcess GaussianProcess::imagine(MatrixView pending, Index draws, Stream stream) const {
  require(sets() == 1, "pending trials are imagined once");
  require(draws >= 1, "at least one draw is needed");
  space_.check(pending);
  GaussianProcess out(*this);
  out.Z_ = Matrix(Z_.rows(), draws);
  for (Index i = 0; i < Z_.rows(); ++i) std::fill(out.Z_.row(i).begin(), out.Z_.row(i).end(), Z_(i, 0));
  out.solve();
  Matrix mean;
  double variance = 0.0;
  Vector z(static_cast<std::size_t>(draws));
  for (Index i = 0; i < pending.rows(); ++i) {
    const VectorView x = pending.row(i);
    out.predict_standardized(MatrixView(x.data(), 1, pending.cols()), mean, {&variance, 1});
    const double deviation = std::sqrt(variance + at_.noise);
    for (Index s = 0; s < draws; ++s)
      z[static_cast<std::size_t>(s)] = mean(0, s) + deviation * stream.normal();
    out.append(x, z);
    out.solve();
  }
  return out;
}

double GaussianProcess::floor_variance(double v) const {
  return std::max(v, 1e-14 * at_.amplitude);
}

void GaussianProcess::predict_standardized(MatrixView X, Matrix& mean, MutableVectorView variance) const {
  Matrix K = Kernel(space_, at_).cross(X, X_);  // (m, n)
  mean = multiply(K, alpha_);
  solve_rows(L_, K);
  for (Index i = 0; i < X.rows(); ++i) {
    for (double& value : mean.row(i)) value += at_.mean;
    variance[static_cast<std::size_t>(i)] = floor_variance(at_.amplitude - dot(K.row(i), K.row(i)));
  }
}

void GaussianProcess::predict(MatrixView X, MutableVectorView mean, MutableVectorView variance) const {
  space_.check(X);
  Matrix means;
  predict_standardized(X, means, variance);
  for (Index i = 0; i < X.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double slope = units_.slope(means(i, 0));
    mean[at] = units_.inverse(means(i, 0));
    variance[at] *= slope * slope;
  }
}

GaussianProcess::Slopes GaussianProcess::predict_with_slopes(VectorView x) const {
  const Index n = X_.rows(), q = static_cast<Index>(space_.continuous().size());
  Vector k(static_cast<std::size_t>(n));
  Matrix dk(q, n);
  Kernel(space_, at_).gradient(x, X_, k, dk);
  Slopes out;
  out.mean.assign(static_cast<std::size_t>(sets()), at_.mean);
  for (Index i = 0; i < n; ++i) {
    for (Index s = 0; s < sets(); ++s)
      out.mean[static_cast<std::size_t>(s)] += k[static_cast<std::size_t>(i)] * alpha_(i, s);
  }
  out.dmean = multiply(dk, alpha_);
  solve_lower(L_, k);
  out.variance = floor_variance(at_.amplitude - dot(k, k));
  solve_lower_transposed(L_, k);  // K^-1 k
  out.dvariance.resize(static_cast<std::size_t>(q));
  for (Index c = 0; c < q; ++c) out.dvariance[static_cast<std::size_t>(c)] = -2.0 * dot(dk.row(c), k);
  return out;
}

double GaussianProcess::log_marginal_likelihood() const {
  double value = -0.5 * static_cast<double>(X_.rows()) * std::log(2.0 * std::numbers::pi);
  for (Index i = 0; i < X_.rows(); ++i)
    value -= 0.5 * (Z_(i, 0) - at_.mean) * alpha_(i, 0) + std::log(L_(i, i));
  return value;
}

}  // namespace hpt
