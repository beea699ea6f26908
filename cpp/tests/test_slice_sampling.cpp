#include <doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "hpt/acquisition.hpp"
#include "hpt/maximize.hpp"
#include "hpt/slice_sampling.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

struct Moments {
  Vector mean, deviation;
};

Moments moments(const std::vector<Vector>& draws, const Vector& weights) {
  Moments out{Vector(draws[0].size()), Vector(draws[0].size())};
  double total = 0.0;
  for (std::size_t k = 0; k < draws.size(); ++k) {
    total += weights[k];
    for (std::size_t i = 0; i < out.mean.size(); ++i) {
      out.mean[i] += weights[k] * draws[k][i];
      out.deviation[i] += weights[k] * draws[k][i] * draws[k][i];
    }
  }
  for (std::size_t i = 0; i < out.mean.size(); ++i) {
    out.mean[i] /= total;
    out.deviation[i] = std::sqrt(out.deviation[i] / total - out.mean[i] * out.mean[i]);
  }
  return out;
}

}  // namespace

TEST_CASE("a chain's moments are those of draws from the prior, weighted by the likelihood") {
  const Coordinates space({Coordinate::continuous()});
  const Matrix X = reference::points(space, 4, 51);
  const Vector y{-1.2, 0.3, 1.4, -0.5};
  PosteriorDensity density(space, X, y, false);
  const auto& priors = density.priors();

  std::vector<Vector> prior;
  Vector weights;
  Stream stream(5, 1, Use::hyperparameters);
  while (prior.size() < 200000) {
    Vector theta;
    double log_prior = 0.0;
    bool inside = true;
    for (const NormalPrior& each : priors) {
      const double z = stream.normal();
      theta.push_back(each.center + each.deviation * z);
      inside = inside && theta.back() >= each.lower && theta.back() <= each.upper;
      log_prior -= 0.5 * z * z + std::log(each.deviation * std::sqrt(2.0 * std::acos(-1.0)));
    }
    if (!inside) continue;
    weights.push_back(std::exp(-density.value(theta) - log_prior));
    prior.push_back(std::move(theta));
  }
  const Moments expected = moments(prior, weights);

  Vector start;
  for (const NormalPrior& each : priors) start.push_back(each.center);
  const std::vector<Vector> chain = slice_sample(density, start, 40000, Stream(6, 1, Use::hyperparameters));
  const Moments sampled = moments(chain, Vector(chain.size(), 1.0));
  for (std::size_t i = 0; i < priors.size(); ++i) {
    CHECK(std::abs(sampled.mean[i] - expected.mean[i]) < 0.05 * expected.deviation[i]);
    CHECK(sampled.deviation[i] == doctest::Approx(expected.deviation[i]).epsilon(0.05));
  }
}

TEST_CASE(
    "a chain repeats itself, keeps inside the bounds and does not begin where nothing can be factored") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 25, 52);
  const Vector y = reference::normals(25, 53);
  PosteriorDensity density(space, X, y, true);
  Vector start;
  for (const NormalPrior& each : density.priors()) start.push_back(each.center);
  const Stream stream(7, 25, Use::hyperparameters);
  const std::vector<Vector> draws = slice_sample(density, start, 20, stream);
  CHECK(draws.size() == 20);
  CHECK(draws == slice_sample(density, start, 20, stream));
  CHECK(draws[0] != draws[1]);
  for (const Vector& theta : draws) {
    CHECK(std::isfinite(density.value(theta)));
    for (std::size_t i = 0; i < theta.size(); ++i) {
      CHECK(theta[i] >= density.priors()[i].lower);
      CHECK(theta[i] <= density.priors()[i].upper);
    }
  }
  const Layout layout(space, true);
  start[layout.noise()] = std::log(1e-300);
  for (Index i = 0; i < space.size(); ++i) start[static_cast<std::size_t>(i)] = std::log(1e12);
  CHECK(slice_sample(density, start, 1, stream).empty());
}

TEST_CASE(
    "an average is a mean, of what its parts are the logarithms of or of themselves, with its gradient") {
  const Coordinates space = reference::mixed_space();
  const GaussianProcess model =
      GaussianProcess::fit(space, reference::points(space, 20, 54), reference::normals(20, 55));
  const std::vector<GaussianProcess> drawn = model.resample(3, Stream(8, 20, Use::hyperparameters));
  REQUIRE(drawn.size() == 3);
  CHECK(drawn[0].hyperparameters().amplitude != drawn[1].hyperparameters().amplitude);
  CHECK(drawn[0].hyperparameters().tail_limit == model.hyperparameters().tail_limit);
  Vector labels(20, 0.0);
  labels[3] = labels[11] = 1.0;
  Hyperparameters at = prior_mode(space);
  at.tail_limit = std::numeric_limits<double>::infinity();
  const GaussianProcess failures(space, model.points(), labels, at);
  std::vector<std::unique_ptr<const Acquisition>> improvements, bounds;
  for (const GaussianProcess& each : drawn) {
    improvements.push_back(std::make_unique<LogExpectedImprovement>(each));
    bounds.push_back(std::make_unique<ConfidenceBound>(each, 2.0));
  }
  const AveragedAcquisition improvement(std::move(improvements), true, &failures);
  const AveragedAcquisition bound(std::move(bounds), false, &failures);

  const Matrix X = reference::points(space, 8, 56);
  const Feasibility success(failures);
  Matrix means;
  Vector variances(8);
  failures.predict_standardized(X, means, variances);
  Vector gradient(2), unused(2);
  constexpr double h = 1e-5;
  for (const AveragedAcquisition* average : {&improvement, &bound}) {
    const Vector values = (*average)(X);
    for (Index i = 0; i < 8; ++i) {
      double sum = 0.0;
      for (const GaussianProcess& each : drawn) {
        sum += average == &bound ? ConfidenceBound(each, 2.0)(X.row(i), unused)
                                 : std::exp(LogExpectedImprovement(each)(X.row(i), unused));
      }
      const double expected = (average == &bound ? sum / 3.0 : std::log(sum / 3.0)) +
                              success(means(i, 0), variances[static_cast<std::size_t>(i)]).value;
      CHECK(values[static_cast<std::size_t>(i)] == doctest::Approx(expected).epsilon(1e-9));
      CHECK((*average)(X.row(i), gradient) == doctest::Approx(expected).epsilon(1e-9));
      for (std::size_t q = 0; q < 2; ++q) {
        Matrix up(X), down(X);
        up(i, space.continuous()[q]) += h;
        down(i, space.continuous()[q]) -= h;
        const double slope = ((*average)(up.row(i), unused) - (*average)(down.row(i), unused)) / (2 * h);
        CHECK(std::abs(gradient[q] - slope) < 1e-6 * std::max(1.0, std::abs(slope)));
      }
    }
  }
}

TEST_CASE("averaged over draws, a proposal is a function of seed and trial, with pending points too") {
  const Coordinates space = reference::mixed_space();
  const GaussianProcess model =
      GaussianProcess::fit(space, reference::points(space, 12, 57), reference::normals(12, 58));
  SearchOptions options;
  options.samples = 4;
  const Matrix pending = reference::points(space, 2, 59), none(0, space.size());
  const auto found = propose(model, pending, none, 3, 15, options);
  CHECK(found == propose(model, pending, none, 3, 15, options));
  CHECK(found != propose(model, pending, none, 4, 15, options));
  options.threads = 2;
  CHECK(found == propose(model, pending, none, 3, 15, options));
}
