#include "hpt/acquisition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

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

LogPhi log_distribution(double z) {
  if (z > -5.0) {
    const double Phi = distribution(z);
    return {std::log(Phi), density(z) / Phi};
  }
  // Phi(-t) = phi(t) R(t) with Mills' ratio R(t) = 1 / (t + 1 / c)
  const double t = -z, inverse_ratio = t + 1.0 / continued_fraction(t);
  return {-0.5 * t * t - 0.5 * std::log(2.0 * std::numbers::pi) - std::log(inverse_ratio), inverse_ratio};
}

Feasibility::Feasibility(const GaussianProcess& labels)
    : labels_(labels), middle_(labels.transform().forward(0.5)), noise_(labels.hyperparameters().noise) {
  require(labels.sets() == 1, "labels come in one set");
  require(std::isinf(labels.hyperparameters().tail_limit),
          "labels are compressed; give their model an infinite tail limit");
}

Feasibility::LogProbability Feasibility::operator()(double mean, double variance) const {
  const double deviation = std::sqrt(variance + noise_);
  const double z = (middle_ - mean) / deviation;
  const LogPhi at = log_distribution(z);
  return {at.value, -at.slope / deviation, -at.slope * z / (2.0 * deviation * deviation)};
}

LogImprovement log_expected_improvement(double mean, double deviation, double incumbent) {
  require(deviation > 0.0, "a deviation must be above 0");
  const LogH h = log_h((incumbent - mean) / deviation);
  return {std::log(deviation) + h.value, -h.Phi_ratio / deviation, h.phi_ratio / deviation};
}

LogAugmentation log_augmentation(double variance, double noise) {
  // 1 - sigma / t = s^2 / (t (t + sigma)) with t^2 = s^2 + sigma^2: nothing cancels.
  const double t = std::sqrt(variance + noise), sum = t + std::sqrt(noise);
  return {std::log(variance / (t * sum)), 1.0 / variance - (1.0 / t + 1.0 / sum) / (2.0 * t)};
}

Acquisition::Acquisition(const GaussianProcess& model, const GaussianProcess* labels) : model_(model) {
  if (labels == nullptr) return;
  require(labels->space() == model.space(), "labels are of another space");
  feasibility_.emplace(*labels);
}

void Acquisition::evaluate(MatrixView X, Batch& batch) const {
  const Index m = X.rows(), q = static_cast<Index>(model_.space().continuous().size());
  if (batch.gradients.rows() < m) {
    batch.gradients = Matrix(m, q);
    batch.values.resize(static_cast<std::size_t>(m));
  }
  worth(X, batch);
  if (feasibility_) add_feasibility(X, batch);
}

void Acquisition::add_feasibility(MatrixView X, Batch& batch) const {
  const GaussianProcess& labels = feasibility_->labels();
  const Index m = X.rows(), q = batch.gradients.cols();
  if (batch.feasible_gradients.rows() < m) {
    batch.feasible_gradients = Matrix(m, q);
    batch.feasible_dmean = Matrix(m, 1);
    batch.feasible_dvariance.resize(static_cast<std::size_t>(m));
  }
  labels.predict(X, true, batch.feasible);
  for (Index i = 0; i < m; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const auto at = (*feasibility_)(batch.feasible.mean(i, 0), batch.feasible.variance[k]);
    batch.values[k] += at.value;
    batch.feasible_dmean(i, 0) = at.dmean;
    batch.feasible_dvariance[k] = at.dvariance;
  }
  labels.pull_back(X, batch.feasible_dmean, batch.feasible_dvariance, batch.feasible,
                   batch.feasible_gradients);
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < q; ++j) batch.gradients(i, j) += batch.feasible_gradients(i, j);
  }
}

Vector Acquisition::bounds(MatrixView X, const Team&) const {
  return Vector(static_cast<std::size_t>(X.rows()), infinity);
}

Vector Acquisition::operator()(MatrixView X, const Team& team) const {
  Vector out = worth(X, team);
  add_feasibility(X, team, out);
  return out;
}

Vector Acquisition::of_predictions(MatrixView X, const Matrix& mean, VectorView variance,
                                   const Team& team) const {
  Vector out = scores(mean, variance);
  add_feasibility(X, team, out);
  return out;
}

Vector Acquisition::scores(const Matrix& mean, VectorView) const {
  return Vector(static_cast<std::size_t>(mean.rows()), infinity);
}

void Acquisition::add_feasibility(MatrixView X, const Team& team, Vector& values) const {
  if (!feasibility_) return;
  Matrix mean;
  Vector variance(values.size());
  feasibility_->labels().predict_standardized(X, mean, variance, team);
  for (std::size_t k = 0; k < values.size(); ++k)
    values[k] += (*feasibility_)(mean(static_cast<Index>(k), 0), variance[k]).value;
}

double Acquisition::operator()(VectorView x, MutableVectorView gradient) const {
  Batch batch;
  evaluate(MatrixView(x.data(), 1, static_cast<Index>(x.size())), batch);
  std::copy(batch.gradients.row(0).begin(), batch.gradients.row(0).end(), gradient.begin());
  return batch.values[0];
}

void PointwiseAcquisition::worth(MatrixView X, Batch& batch) const {
  const Index m = X.rows(), sets = model().sets();
  if (batch.dmean.rows() < m || batch.dmean.cols() != sets) {
    batch.dmean = Matrix(m, sets);
    batch.dvariance.resize(static_cast<std::size_t>(m));
  }
  model().predict(X, true, batch.at);
  for (Index i = 0; i < m; ++i) {
    const auto k = static_cast<std::size_t>(i);
    batch.values[k] =
        score(batch.at.mean.row(i), batch.at.variance[k], batch.dmean.row(i), batch.dvariance[k]);
  }
  model().pull_back(X, batch.dmean, batch.dvariance, batch.at, batch.gradients);
}

Vector PointwiseAcquisition::scores(const Matrix& mean, VectorView variance) const {
  Vector out;
  out.reserve(variance.size());
  for (std::size_t i = 0; i < variance.size(); ++i)
    out.push_back(score(mean.row(static_cast<Index>(i)), variance[i]));
  return out;
}

Vector PointwiseAcquisition::worth(MatrixView X, const Team& team) const {
  Matrix mean;
  Vector variance(static_cast<std::size_t>(X.rows()));
  model().predict_standardized(X, mean, variance, team);
  return scores(mean, variance);
}

// A probability of success could only lower them.
Vector PointwiseAcquisition::bounds(MatrixView X, const Team& team) const {
  Matrix mean;
  Vector variance(static_cast<std::size_t>(X.rows()));
  model().predict_bounds(X, mean, variance, team);
  return scores(mean, variance);
}

void AveragedAcquisition::worth(MatrixView X, Batch& batch) const {
  batch.parts.resize(parts_.size());
  for (std::size_t k = 0; k < parts_.size(); ++k) parts_[k]->evaluate(X, batch.parts[k]);
  const double count = static_cast<double>(parts_.size());
  for (Index i = 0; i < X.rows(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    const MutableVectorView gradient = batch.gradients.row(i);
    double largest = -infinity, sum = 0.0, weights = 0.0;
    for (const Batch& part : batch.parts) largest = std::max(largest, part.values[row]);
    std::fill(gradient.begin(), gradient.end(), 0.0);
    for (const Batch& part : batch.parts) {
      const double weight = logarithms_ ? std::exp(part.values[row] - largest) : 1.0;
      weights += weight;
      sum += part.values[row];
      for (std::size_t q = 0; q < gradient.size(); ++q)
        gradient[q] += weight * part.gradients(i, static_cast<Index>(q));
    }
    for (double& slope : gradient) slope /= weights;
    batch.values[row] = logarithms_ ? largest + std::log(weights / count) : sum / count;
  }
}

Vector AveragedAcquisition::worth(MatrixView X, const Team& team) const {
  std::vector<Vector> values;
  for (const auto& part : parts_) values.push_back((*part)(X, team));
  const double count = static_cast<double>(values.size());
  Vector out;
  for (std::size_t i = 0; i < values[0].size(); ++i) {
    double largest = -infinity, sum = 0.0, weights = 0.0;
    for (const Vector& each : values) largest = std::max(largest, each[i]);
    for (const Vector& each : values) {
      sum += each[i];
      weights += std::exp(each[i] - largest);
    }
    out.push_back(logarithms_ ? largest + std::log(weights / count) : sum / count);
  }
  return out;
}

Matrix searchable_means(const GaussianProcess& model) {
  const Coordinates& space = model.space();
  Matrix points;
  bool moved = false;
  for (Index i = 0; i < model.points().rows(); ++i) {
    points.append_row(model.points().row(i));
    for (const Index j : space.discrete()) {
      double& value = points(i, j);
      if (space[j].levels() > 1 || value == space[j].at_level(0)) continue;
      value = space[j].at_level(0);
      moved = true;
    }
  }
  if (!moved) return model.fitted_means();
  Matrix means(points.rows(), model.sets());
  model.predict_means(points, means);
  return means;
}

LogExpectedImprovement::LogExpectedImprovement(const GaussianProcess& model, double elsewhere, double width,
                                               const GaussianProcess* labels, bool augmented)
    : PointwiseAcquisition(model, labels),
      incumbents_(model.sets(), 1, elsewhere),
      width_(width),
      noise_(augmented ? model.hyperparameters().noise : 0.0) {
  require(width > 0.0, "a width must be above 0");
  const Matrix mean = searchable_means(model);
  for (Index i = 0; i < mean.rows(); ++i) {
    for (Index s = 0; s < mean.cols(); ++s) incumbents_(s, 0) = std::min(incumbents_(s, 0), mean(i, s));
  }
}

LogExpectedImprovement::LogExpectedImprovement(const GaussianProcess& model, double elsewhere, double width,
                                               const GaussianProcess* labels, Index points, Index draws,
                                               Stream stream)
    : PointwiseAcquisition(model, labels), incumbents_(model.sets(), draws, elsewhere), width_(width) {
  require(width > 0.0 && points >= 1 && draws >= 1, "width, points and draws must be above 0");
  const Matrix mean = model.fitted_means();
  std::vector<Index> order(static_cast<std::size_t>(mean.rows()));
  std::iota(order.begin(), order.end(), Index{0});
  for (Index s = 0; s < model.sets(); ++s) {
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return mean(a, s) < mean(b, s); });
    Matrix X;
    for (Index i = 0; i < std::min(points, mean.rows()); ++i)
      X.append_row(model.points().row(order[static_cast<std::size_t>(i)]));
    const Matrix drawn = model.sample(X, draws, stream, s);
    for (Index k = 0; k < draws; ++k)
      incumbents_(s, k) =
          std::min(incumbents_(s, k), *std::min_element(drawn.row(k).begin(), drawn.row(k).end()));
  }
}

// The average is taken as log sum exp with a running largest term.
double LogExpectedImprovement::score(VectorView mean, double variance) const {
  const double deviation = width_ * std::sqrt(variance);
  double largest = -infinity, sum = 0.0;
  for (std::size_t s = 0; s < mean.size(); ++s) {
    for (const double incumbent : incumbents_.row(static_cast<Index>(s))) {
      const double value = log_expected_improvement(mean[s], deviation, incumbent).value;
      if (value > largest) {
        sum *= std::exp(largest - value);
        largest = value;
      }
      sum += std::exp(value - largest);
    }
  }
  const double value = largest + std::log(sum / static_cast<double>(incumbents_.rows() * incumbents_.cols()));
  return noise_ > 0.0 ? value + log_augmentation(variance, noise_).value : value;
}

double LogExpectedImprovement::score(VectorView mean, double variance, MutableVectorView dmean,
                                     double& dvariance) const {
  const double deviation = width_ * std::sqrt(variance);
  double largest = -infinity, sum = 0.0, ddeviation = 0.0;
  std::fill(dmean.begin(), dmean.end(), 0.0);
  for (std::size_t s = 0; s < mean.size(); ++s) {
    for (const double incumbent : incumbents_.row(static_cast<Index>(s))) {
      const LogImprovement each = log_expected_improvement(mean[s], deviation, incumbent);
      if (each.value > largest) {
        const double shrink = std::exp(largest - each.value);
        sum *= shrink;
        ddeviation *= shrink;
        for (std::size_t before = 0; before <= s; ++before) dmean[before] *= shrink;
        largest = each.value;
      }
      const double weight = std::exp(each.value - largest);
      sum += weight;
      ddeviation += weight * each.ddeviation;
      dmean[s] += weight * each.dmean;
    }
  }
  for (double& slope : dmean) slope /= sum;
  dvariance = ddeviation / sum * width_ * width_ / (2.0 * deviation);
  const double value = largest + std::log(sum / static_cast<double>(incumbents_.rows() * incumbents_.cols()));
  if (noise_ == 0.0) return value;
  const LogAugmentation augmentation = log_augmentation(variance, noise_);
  dvariance += augmentation.dvariance;
  return value + augmentation.value;
}

ConfidenceBound::ConfidenceBound(const GaussianProcess& model, double beta, const GaussianProcess* labels)
    : PointwiseAcquisition(model, labels), beta_(beta) {
  require(beta >= 0.0, "beta must not be below 0");
}

double ConfidenceBound::score(VectorView mean, double variance) const {
  double sum = 0.0;
  for (const double each : mean) sum += each;
  return beta_ * std::sqrt(variance) - sum / static_cast<double>(mean.size());
}

double ConfidenceBound::score(VectorView mean, double variance, MutableVectorView dmean,
                              double& dvariance) const {
  std::fill(dmean.begin(), dmean.end(), -1.0 / static_cast<double>(mean.size()));
  dvariance = beta_ / (2.0 * std::sqrt(variance));
  return score(mean, variance);
}

}  // namespace hpt
