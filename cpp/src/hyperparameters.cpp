#include "hpt/hyperparameters.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "hpt/blas.hpp"
#include "hpt/error.hpp"
#include "hpt/lbfgsb.hpp"

namespace hpt {
namespace {

struct NormalPrior {
  double center, deviation, lower, upper;
};

// Places of the entries of theta after the d length scales.
struct Layout {
  explicit Layout(const Coordinates& space)
      : d(static_cast<std::size_t>(space.size())),
        mixed(!space.numeric().empty() && !space.categorical().empty()) {}
  std::size_t d;
  bool mixed;
  std::size_t amplitude() const { return d; }
  std::size_t noise() const { return d + 1; }
  std::size_t mean() const { return d + 2; }
  std::size_t mixing() const { return d + 3; }
  std::size_t size() const { return d + 3 + (mixed ? 1 : 0); }
};

std::vector<NormalPrior> priors(const Coordinates& space) {
  const Layout at(space);
  const double spread = 0.5 * std::log(static_cast<double>(at.d));
  std::vector<NormalPrior> out(at.size());
  for (const Index i : space.numeric()) {
    out[static_cast<std::size_t>(i)] = {std::log(0.4) + spread, 1.2, std::log(1e-3), std::log(1e3)};
  }
  for (const Index j : space.categorical()) {
    out[static_cast<std::size_t>(j)] = {spread, 1.2, std::log(1e-2), std::log(1e3)};
  }
  out[at.amplitude()] = {0.0, 1.0, std::log(1e-3), std::log(1e3)};
  out[at.noise()] = {std::log(3e-4), 2.0, std::log(noise_floor), std::log(10.0)};
  out[at.mean()] = {0.0, 1.0, -10.0, 10.0};
  if (at.mixed) out[at.mixing()] = {0.0, 1.5, -6.0, 6.0};
  return out;
}

// Adds -tr(W dK/dtheta) / 2 for every entry of theta. Each pair of points stands for two equal entries of W,
// so that the half of the trace cancels off the diagonal.
void add_likelihood_gradient(const Coordinates& space, MatrixView X, const Hyperparameters& values,
                             const Kernel::Terms& terms, const Vector& alpha, const Matrix& inverse,
                             MutableVectorView gradient) {
  const Layout at(space);
  double trace = 0.0, amplitude = 0.0, mixing = 0.0;
  for (Index a = 0; a < X.rows(); ++a) {
    const double alpha_a = alpha[static_cast<std::size_t>(a)];
    for (Index b = 0; b < a; ++b) {
      const double w = alpha_a * alpha[static_cast<std::size_t>(b)] - inverse(a, b);
      amplitude -= w * terms.K(a, b);
      if (at.mixed) mixing -= w * terms.mixing(a, b);
      if (!space.numeric().empty()) {
        const double slope = 2.0 * w * terms.numeric(a, b);  // -w dk/d(r^2) x -2 (difference / l)^2
        for (const Index i : space.numeric()) {
          const double difference = X(a, i) - X(b, i);
          gradient[static_cast<std::size_t>(i)] += slope * difference * difference;
        }
      }
      if (!space.categorical().empty()) {
        const double slope = -w * terms.categorical(a, b);  // d(log k_h) / d(log l_j) = [h_j != h'_j] / l_j
        for (const Index j : space.categorical()) {
          if (X(a, j) != X(b, j)) gradient[static_cast<std::size_t>(j)] += slope;
        }
      }
    }
    trace += alpha_a * alpha_a - inverse(a, a);
  }
  for (const Index i : space.numeric()) {
    const auto k = static_cast<std::size_t>(i);
    gradient[k] /= values.length_scales[k] * values.length_scales[k];
  }
  for (const Index j : space.categorical()) {
    const auto k = static_cast<std::size_t>(j);
    gradient[k] /= values.length_scales[k];
  }
  gradient[at.amplitude()] = amplitude - 0.5 * trace * values.amplitude;
  gradient[at.noise()] = -0.5 * trace * values.noise;
  for (const double entry : alpha) gradient[at.mean()] -= entry;
  if (at.mixed) gradient[at.mixing()] = mixing * values.mixing * (1.0 - values.mixing);
}

// -log p(theta), adding its gradient.
double add_priors(const Coordinates& space, VectorView theta, MutableVectorView gradient) {
  const std::vector<NormalPrior> prior = priors(space);
  double value = 0.0;
  for (std::size_t i = 0; i < prior.size(); ++i) {
    const double z = (theta[i] - prior[i].center) / prior[i].deviation;
    value += 0.5 * z * z + std::log(prior[i].deviation * std::sqrt(2.0 * std::numbers::pi));
    gradient[i] += z / prior[i].deviation;
  }
  return value;
}

}  // namespace

Vector pack(const Coordinates& space, const Hyperparameters& at) {
  const Layout layout(space);
  require(at.length_scales.size() == layout.d, "one length scale a coordinate is needed");
  Vector theta(layout.size());
  for (std::size_t i = 0; i < layout.d; ++i) theta[i] = std::log(at.length_scales[i]);
  theta[layout.amplitude()] = std::log(at.amplitude);
  theta[layout.noise()] = std::log(at.noise);
  theta[layout.mean()] = at.mean;
  if (layout.mixed) theta[layout.mixing()] = std::log(at.mixing / (1.0 - at.mixing));
  return theta;
}

Hyperparameters unpack(const Coordinates& space, VectorView theta) {
  const Layout layout(space);
  require(theta.size() == layout.size(), "theta has the wrong length for this space");
  Hyperparameters out;
  out.length_scales.resize(layout.d);
  for (std::size_t i = 0; i < layout.d; ++i) out.length_scales[i] = std::exp(theta[i]);
  out.amplitude = std::exp(theta[layout.amplitude()]);
  out.noise = std::exp(theta[layout.noise()]);
  out.mean = theta[layout.mean()];
  if (layout.mixed) out.mixing = 1.0 / (1.0 + std::exp(-theta[layout.mixing()]));
  return out;
}

Hyperparameters prior_mode(const Coordinates& space) {
  Vector theta;
  for (const NormalPrior& prior : priors(space)) theta.push_back(prior.center);
  return unpack(space, theta);
}

double negative_log_posterior(const Coordinates& space, MatrixView X, VectorView y, VectorView theta,
                              MutableVectorView gradient) {
  const Hyperparameters values = unpack(space, theta);
  const Kernel::Terms terms = Kernel(space, values).terms(X);
  Matrix L(terms.K);
  for (Index a = 0; a < L.rows(); ++a) L(a, a) += values.noise;
  if (cholesky(L) != 0) return std::numeric_limits<double>::infinity();

  Vector alpha(y.begin(), y.end());
  for (double& value : alpha) value -= values.mean;
  solve_lower(L, alpha);
  double value =
      0.5 * dot(alpha, alpha) + 0.5 * static_cast<double>(X.rows()) * std::log(2.0 * std::numbers::pi);
  for (Index a = 0; a < L.rows(); ++a) value += std::log(L(a, a));
  solve_lower_transposed(L, alpha);

  std::fill(gradient.begin(), gradient.end(), 0.0);
  add_likelihood_gradient(space, X, values, terms, alpha, inverse_from_cholesky(L), gradient);
  return value + add_priors(space, theta, gradient);
}

Hyperparameters fit_hyperparameters(const Coordinates& space, MatrixView X, VectorView y,
                                    const FitOptions& options) {
  const std::vector<NormalPrior> prior = priors(space);
  Vector lower, upper, mode;
  for (const NormalPrior& each : prior) {
    lower.push_back(each.lower);
    upper.push_back(each.upper);
    mode.push_back(each.center);
  }
  const Objective objective = [&](VectorView theta, MutableVectorView gradient) {
    return negative_log_posterior(space, X, y, theta, gradient);
  };
  LbfgsbOptions search;
  search.iterations = options.iterations;
  search.evaluations = 2 * options.iterations;
  search.gradient_tolerance = 1e-4;
  search.value_tolerance = 1e-8;
  Vector best = mode, other = mode;
  for (Index i = 0; i < space.size(); ++i) other[static_cast<std::size_t>(i)] -= std::log(4.0);
  const double value = lbfgsb(objective, lower, upper, best, search).value;
  if (X.rows() > 1) {
    const double second = lbfgsb(objective, lower, upper, other, search).value;
    if (second < value || !std::isfinite(value)) best = other;
  }
  return unpack(space, best);
}

}  // namespace hpt
