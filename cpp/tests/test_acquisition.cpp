#include <doctest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "hpt/acquisition.hpp"
#include "hpt/error.hpp"
#include "reference_blas.hpp"

using namespace hpt;

TEST_CASE("expected improvement's published values") {  // behaviour 5.5
  CHECK(std::abs(expected_improvement(0.30, 0.05, 0.28) - 0.01152) < 5e-6);
  CHECK(std::abs(expected_improvement(0.27, 0.01, 0.28) - 0.01083) < 5e-6);
  CHECK(std::abs(expected_improvement(0.28, 0.04, 0.28) - 0.01596) < 5e-6);
  CHECK(expected_improvement(0.1, 0.0, 0.3) == doctest::Approx(0.2));
  CHECK(expected_improvement(0.4, 0.0, 0.3) == 0.0);
}

TEST_CASE("log h in the tail") {  // values of log(phi(z) + z Phi(z))
  const double known[][2] = {{3.0, 1.09873966532771},     {0.0, -0.918938533204673},
                             {-1.0, -2.48512102571264},   {-4.999, -16.7389398164127},
                             {-5.001, -16.7496634489014}, {-10.0, -55.5531220361224},
                             {-100.0, -5010.12957880025}, {-1000.0, -500014.734452091}};
  for (const auto& [z, value] : known) CHECK(log_h(z).value == doctest::Approx(value).epsilon(1e-14));
}

TEST_CASE("log h and its ratios join smoothly where the formula changes") {
  const LogH left = log_h(std::nextafter(-5.0, -6.0)), right = log_h(std::nextafter(-5.0, 0.0));
  CHECK(left.value == doctest::Approx(right.value).epsilon(1e-13));
  CHECK(left.Phi_ratio == doctest::Approx(right.Phi_ratio).epsilon(1e-12));
  CHECK(left.phi_ratio == doctest::Approx(right.phi_ratio).epsilon(1e-12));
}

TEST_CASE("derivatives of the log expected improvement") {
  constexpr double h = 1e-6;
  for (const double mean : {-2.0, 0.0, 1.0, 30.0}) {
    for (const double deviation : {0.05, 1.0}) {
      const auto at = [&](double m, double s) { return log_expected_improvement(m, s, 0.2).value; };
      const LogImprovement exact = log_expected_improvement(mean, deviation, 0.2);
      CHECK(exact.dmean ==
            doctest::Approx((at(mean + h, deviation) - at(mean - h, deviation)) / (2 * h)).epsilon(1e-6));
      CHECK(exact.ddeviation ==
            doctest::Approx((at(mean, deviation + h * deviation) - at(mean, deviation - h * deviation)) /
                            (2 * h * deviation))
                .epsilon(1e-6));
    }
  }
  CHECK_THROWS_AS(log_expected_improvement(0.0, 0.0, 0.0), InvalidArgument);
}

TEST_CASE("one point at a time equals many at once, and its gradient finite differences") {
  const Coordinates space = reference::mixed_space();
  const GaussianProcess model =
      GaussianProcess::fit(space, reference::points(space, 20, 61), reference::normals(20, 62));
  const GaussianProcess imagined =
      model.imagine(reference::points(space, 3, 63), 5, Stream(2, 3, Use::fantasies));
  const LogExpectedImprovement acquisition(imagined);
  const Matrix X = reference::points(space, 10, 64);
  const Vector many = acquisition(X);
  Vector gradient(2), unused(2);
  constexpr double h = 1e-5;
  for (Index i = 0; i < 10; ++i) {
    CHECK(acquisition(X.row(i), gradient) == doctest::Approx(many[i]).epsilon(1e-10));
    for (std::size_t q = 0; q < 2; ++q) {
      Matrix up(X), down(X);
      up(i, space.continuous()[q]) += h;
      down(i, space.continuous()[q]) -= h;
      const double slope = (acquisition(up.row(i), unused) - acquisition(down.row(i), unused)) / (2 * h);
      CHECK(std::abs(gradient[q] - slope) < 1e-6 * std::max(1.0, std::abs(slope)));
    }
  }
}

TEST_CASE("the logarithm is that of the average over the sets") {
  const Coordinates space({Coordinate::continuous()});
  Matrix X(2, 1);
  X(1, 0) = 1.0;
  const double pending = 0.5, x = 0.7;
  const GaussianProcess model =
      GaussianProcess(space, X, Vector{0.0, 1.0}, {Vector{0.4}, 1.0, 1e-3, 0.0, 0.5})
          .imagine(MatrixView(&pending, 1, 1), 6, Stream(4, 1, Use::fantasies));
  const LogExpectedImprovement acquisition(model);
  Matrix mean;
  double variance = 0.0, sum = 0.0;
  model.predict_standardized(MatrixView(&x, 1, 1), mean, {&variance, 1});
  for (Index s = 0; s < 6; ++s)
    sum += expected_improvement(mean(0, s), std::sqrt(variance), acquisition.incumbents()(s, 0));
  CHECK(acquisition(MatrixView(&x, 1, 1))[0] == doctest::Approx(std::log(sum / 6)).epsilon(1e-12));
}

TEST_CASE("the logarithm of the normal distribution is exact far into the tail") {
  CHECK(log_distribution(0.0).value == doctest::Approx(std::log(0.5)).epsilon(1e-15));
  CHECK(log_distribution(8.0).value == doctest::Approx(-6.220960574271785e-16).epsilon(0.1));
  CHECK(log_distribution(-10.0).value == doctest::Approx(-53.23128515051247).epsilon(1e-14));
  CHECK(log_distribution(-1000.0).value == doctest::Approx(-500007.82669481214).epsilon(1e-14));
  for (const double z : {-30.0, -5.0 - 1e-9, -5.0 + 1e-9, -1.0, 0.3, 4.0}) {
    const double h = 1e-6, slope = log_distribution(z).slope;
    CHECK(slope == doctest::Approx((log_distribution(z + h).value - log_distribution(z - h).value) / (2 * h))
                       .epsilon(1e-6));
  }
}

TEST_CASE("a trial that may fail is worth less, with the right gradient, for one point as for many") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 20, 61), queries = reference::points(space, 10, 64);
  Vector failed(20, 0.0);
  for (std::size_t i = 0; i < 20; i += 4) failed[i] = 1.0;
  FitOptions options;
  options.tail_limit = std::numeric_limits<double>::infinity();
  const GaussianProcess model = GaussianProcess::fit(space, X, reference::normals(20, 62));
  const GaussianProcess labels = GaussianProcess::fit(space, X, failed, options);
  const LogExpectedImprovement plain(model);
  const LogExpectedImprovement cautious(model, std::numeric_limits<double>::infinity(), 1.0, &labels);
  const Vector without = plain(queries), with = cautious(queries);
  Vector gradient(2), unused(2), mean(10), variance(10);
  labels.predict(queries, mean, variance);
  const double noise = std::pow(labels.transform().slope(0.0), 2) * labels.hyperparameters().noise;
  constexpr double h = 1e-5;
  for (Index i = 0; i < 10; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const double z = (0.5 - mean[k]) / std::sqrt(variance[k] + noise);
    CHECK(with[k] - without[k] == doctest::Approx(log_distribution(z).value).epsilon(1e-9));
    CHECK(cautious(queries.row(i), gradient) == doctest::Approx(with[k]).epsilon(1e-10));
    for (std::size_t q = 0; q < 2; ++q) {
      Matrix up(queries), down(queries);
      up(i, space.continuous()[q]) += h;
      down(i, space.continuous()[q]) -= h;
      const double slope = (cautious(up.row(i), unused) - cautious(down.row(i), unused)) / (2 * h);
      CHECK(std::abs(gradient[q] - slope) < 1e-6 * std::max(1.0, std::abs(slope)));
    }
  }
}

TEST_CASE("the gradients of the other acquisitions are finite differences too") {
  const Coordinates space = reference::mixed_space();
  const GaussianProcess model =
      GaussianProcess::fit(space, reference::points(space, 20, 61), reference::normals(20, 62))
          .imagine(reference::points(space, 2, 63), 3, Stream(2, 3, Use::fantasies));
  const LogExpectedImprovement noisy(model, std::numeric_limits<double>::infinity(), 1.3, nullptr, 6, 5,
                                     Stream(1, 2, Use::incumbents));
  const LogExpectedImprovement augmented(model, std::numeric_limits<double>::infinity(), 1.3, nullptr, true);
  const ConfidenceBound bound(model, 2.0);
  CHECK(noisy.incumbents().rows() == 3);
  CHECK(noisy.incumbents().cols() == 5);
  const Matrix X = reference::points(space, 10, 64);
  Vector gradient(2), unused(2);
  constexpr double h = 1e-5;
  for (const Acquisition* acquisition :
       {static_cast<const Acquisition*>(&noisy), static_cast<const Acquisition*>(&augmented),
        static_cast<const Acquisition*>(&bound)}) {
    const Vector many = (*acquisition)(X);
    for (Index i = 0; i < 10; ++i) {
      CHECK((*acquisition)(X.row(i), gradient) ==
            doctest::Approx(many[static_cast<std::size_t>(i)]).epsilon(1e-10));
      for (std::size_t q = 0; q < 2; ++q) {
        Matrix up(X), down(X);
        up(i, space.continuous()[q]) += h;
        down(i, space.continuous()[q]) -= h;
        const double slope =
            ((*acquisition)(up.row(i), unused) - (*acquisition)(down.row(i), unused)) / (2 * h);
        CHECK(std::abs(gradient[q] - slope) < 1e-6 * std::max(1.0, std::abs(slope)));
      }
    }
  }
}

TEST_CASE("bounds are above the values, and equal to them with a single observation") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 30, 61), queries = reference::points(space, 200, 64);
  const GaussianProcess fitted = GaussianProcess::fit(space, X, reference::normals(30, 62));
  const GaussianProcess imagined =
      fitted.imagine(reference::points(space, 2, 63), 3, Stream(2, 3, Use::fantasies));
  FitOptions options;
  options.tail_limit = std::numeric_limits<double>::infinity();
  Vector failed(30, 0.0);
  failed[3] = failed[8] = 1.0;
  const GaussianProcess labels = GaussianProcess::fit(space, X, failed, options);
  const double worst = std::numeric_limits<double>::infinity();
  for (const GaussianProcess* model : {&fitted, &imagined}) {
    const LogExpectedImprovement plain(*model, worst, 1.3), augmented(*model, worst, 1.0, nullptr, true),
        cautious(*model, worst, 1.0, &labels),
        noisy(*model, worst, 1.0, nullptr, 6, 5, Stream(1, 2, Use::incumbents));
    const ConfidenceBound bound(*model, 2.0);
    for (const Acquisition* each :
         std::initializer_list<const Acquisition*>{&plain, &augmented, &cautious, &noisy, &bound}) {
      const Vector values = (*each)(queries), bounds = each->bounds(queries, Team(2));
      for (std::size_t i = 0; i < values.size(); ++i) CHECK(bounds[i] >= values[i] - 1e-9);
    }
  }
  // With one observation the bound is exact.
  Matrix one;
  one.append_row(X.row(0));
  const GaussianProcess single(space, one, Vector{1.0}, prior_mode(space));
  const ConfidenceBound bound(single, 2.0);
  CHECK_THROWS_AS(ConfidenceBound(single, -1.0), InvalidArgument);
  const Vector values = bound(queries), bounds = bound.bounds(queries);
  for (std::size_t i = 0; i < values.size(); ++i)
    CHECK(bounds[i] == doctest::Approx(values[i]).epsilon(1e-12));
}

TEST_CASE("the augmentation is that of Huang et al., however small deviation or noise") {
  for (const double noise : {1e-8, 1e-2, 3.0}) {
    for (const double variance : {1e-4, 1e-2, 1.0}) {
      const LogAugmentation at = log_augmentation(variance, noise);
      const double plain = std::log(1.0 - std::sqrt(noise / (variance + noise)));
      CHECK(at.value == doctest::Approx(plain).epsilon(1e-9));
      const double h = 1e-6 * variance;
      const double slope =
          (log_augmentation(variance + h, noise).value - log_augmentation(variance - h, noise).value) /
          (2 * h);
      CHECK(at.dvariance == doctest::Approx(slope).epsilon(1e-6));
    }
  }
  // s^2 / (2 sigma^2) where the deviation is far below the noise
  CHECK(log_augmentation(1e-14, 1.0).value == doctest::Approx(std::log(0.5e-14)).epsilon(1e-12));
}

TEST_CASE(
    "augmented, the improvement is less by the augmentation of the model's noise, for one as for many") {
  const Coordinates space = reference::mixed_space();
  const GaussianProcess model(space, reference::points(space, 20, 61), reference::normals(20, 62),
                              prior_mode(space));
  const double worst = std::numeric_limits<double>::infinity();
  const LogExpectedImprovement plain(model, worst, 1.3), augmented(model, worst, 1.3, nullptr, true);
  const Matrix X = reference::points(space, 10, 64);
  Matrix mean;
  Vector variance(10), unused(2);
  model.predict_standardized(X, mean, variance);
  const Vector without = plain(X), with = augmented(X);
  for (Index i = 0; i < 10; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const double expected = without[k] + log_augmentation(variance[k], model.hyperparameters().noise).value;
    CHECK(with[k] == doctest::Approx(expected).epsilon(1e-12));
    CHECK(augmented(X.row(i), unused) == doctest::Approx(expected).epsilon(1e-9));
  }
}

TEST_CASE("without noise the best value is known, and both improvements are one") {
  const Coordinates space({Coordinate::continuous()});
  Matrix X(3, 1);
  X(1, 0) = 0.5;
  X(2, 0) = 1.0;
  const GaussianProcess model(space, X, Vector{0.3, 0.1, 1.0}, {Vector{0.4}, 1.0, 1e-9, 0.0, 0.5});
  const LogExpectedImprovement plain(model);
  const LogExpectedImprovement noisy(model, std::numeric_limits<double>::infinity(), 1.0, nullptr, 3, 8,
                                     Stream(1, 2, Use::incumbents));
  for (Index k = 0; k < 8; ++k)
    CHECK(noisy.incumbents()(0, k) == doctest::Approx(plain.incumbents()(0, 0)).epsilon(1e-3));
}
