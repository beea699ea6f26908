#include "hpt/acquisition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "hpt/error.hpp"

namespace hpt {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double density(double z) {
  return std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
}
double distribution(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

// c(t) = 2 / (t + 3 / (t + 4 / ...)) + t, so that Mills' ratio is 1 / (t + 1 / c). 40 terms suffice from t =
// 5 on.
double continued_fraction(double t) {
  double c = t;
  for (int k = 40; k >= 2; --k) c = t + k / c;
  return c;
}

}  // namespace

double expected_improvement(double mean, double deviation, double incumbent) {
  require(deviation >= 0.0, "a deviation must not be below 0");
  if (deviation == 0.0) return std::max(incumbent - mean, 0.0);
  const double z = (incumbent - mean) / deviation;
  if (z < -5.0) return deviation * std::exp(log_h(z).value);
  return deviation * (density(z) + z * distribution(z));
}

LogH log_h(double z) {
  if (z > -5.0) {
    const double phi = density(z), Phi = distribution(z);
    const double h = phi + z * Phi;
    return {std::log(h), Phi / h, phi / h};
  }
  // With t = -z and Mills' ratio R(t) = 1 / (t + 1 / c), h = phi (1 - t R) = phi / (t c + 1): nothing
  // cancels.
  const double t = -z;
  const double c = continued_fraction(t);
  const double log_phi = -0.5 * t * t - 0.5 * std::log(2.0 * std::numbers::pi);
  return {log_phi - std::log1p(t * c), c, t * c + 1.0};
}

LogImprovement log_expected_improvement(double mean, double deviation, double incumbent) {
  require(deviation > 0.0, "a deviation must be above 0");
  const LogH h = log_h((incumbent - mean) / deviation);
  return {std::log(deviation) + h.value, -h.Phi_ratio / deviation, h.phi_ratio / deviation};
}

LogExpectedImprovement::LogExpectedImprovement(const GaussianProcess& model) : model_(model) {
  Matrix mean;
  Vector variance(static_cast<std::size_t>(model.points().rows()));
  model.predict_standardized(model.points(), mean, variance);
  incumbents_.assign(static_cast<std::size_t>(model.sets()), infinity);
  for (Index i = 0; i < mean.rows(); ++i) {
    for (Index s = 0; s < mean.cols(); ++s) {
      auto& incumbent = incumbents_[static_cast<std::size_t>(s)];
      incumbent = std::min(incumbent, mean(i, s));
    }
  }
}

Vector LogExpectedImprovement::operator()(MatrixView X) const {
  Matrix mean;
  Vector variance(static_cast<std::size_t>(X.rows())), out(variance.size());
  model_.predict_standardized(X, mean, variance);
  const std::size_t sets = incumbents_.size();
  Vector each(sets);
  for (Index i = 0; i < X.rows(); ++i) {
    const double deviation = std::sqrt(variance[static_cast<std::size_t>(i)]);
    for (std::size_t s = 0; s < sets; ++s) {
      each[s] = log_expected_improvement(mean(i, static_cast<Index>(s)), deviation, incumbents_[s]).value;
    }
    const double largest = *std::max_element(each.begin(), each.end());
    double sum = 0.0;
    for (const double value : each) sum += std::exp(value - largest);
    out[static_cast<std::size_t>(i)] = largest + std::log(sum / static_cast<double>(sets));
  }
  return out;
}

double LogExpectedImprovement::operator()(VectorView x, MutableVectorView gradient) const {
  const GaussianProcess::Slopes at = model_.predict_with_slopes(x);
  const double deviation = std::sqrt(at.variance);
  std::vector<LogImprovement> each;
  double largest = -infinity;
  for (std::size_t s = 0; s < incumbents_.size(); ++s) {
    each.push_back(log_expected_improvement(at.mean[s], deviation, incumbents_[s]));
    largest = std::max(largest, each.back().value);
  }
  double sum = 0.0;
  for (const LogImprovement& one : each) sum += std::exp(one.value - largest);
  std::fill(gradient.begin(), gradient.end(), 0.0);
  for (std::size_t s = 0; s < each.size(); ++s) {
    const double weight = std::exp(each[s].value - largest) / sum;
    for (std::size_t q = 0; q < gradient.size(); ++q) {
      gradient[q] += weight * (each[s].dmean * at.dmean(static_cast<Index>(q), static_cast<Index>(s)) +
                               each[s].ddeviation * at.dvariance[q] / (2.0 * deviation));
    }
  }
  return largest + std::log(sum / static_cast<double>(each.size()));
}

}  // namespace hpt
