#include <doctest.h>

#include <algorithm>
#include <cmath>

#include "hpt/hyperparameters.hpp"
#include "reference_blas.hpp"

using namespace hpt;

TEST_CASE("gradients agree with finite differences to 1e-6, in every kind of space") {
  const Coordinates spaces[] = {reference::mixed_space(),
                                Coordinates({Coordinate::continuous(), Coordinate::continuous()}),
                                Coordinates({Coordinate::categorical(3), Coordinate::categorical(4)})};
  for (int k = 0; k < 6; ++k) {
    const Coordinates& space = spaces[k % 3];
    const bool warped = k >= 3;
    const Matrix X = reference::points(space, 70, 11);
    const Vector y = reference::normals(70, 12);
    Vector theta = pack(space, prior_mode(space));
    const Vector shift = reference::normals(16, 13);
    for (std::size_t i = 0; i < theta.size(); ++i) theta[i] += 0.3 * shift[i];
    theta[static_cast<std::size_t>(space.size()) + 1] = std::log(0.05);
    if (warped) {
      for (std::size_t i = 0; i < 2 * space.numeric().size(); ++i) theta.push_back(0.3 * shift[i]);
    }
    Vector gradient(theta.size()), unused(theta.size());
    negative_log_posterior(space, X, y, theta, gradient);
    for (std::size_t i = 0; i < theta.size(); ++i) {
      // Fourth-order differences: their own error stays below 1e-8 here.
      constexpr double h = 1e-3;
      double f[4];
      int at = 0;
      for (const double step : {-2.0, -1.0, 1.0, 2.0}) {
        Vector moved(theta);
        moved[i] += step * h;
        f[at++] = negative_log_posterior(space, X, y, moved, unused);
      }
      const double slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
      CHECK(std::abs(gradient[i] - slope) < 1e-6 * std::max(1.0, std::abs(slope)));
    }
  }
}

TEST_CASE("a fit lowers the objective and finds which coordinate matters") {
  const Coordinates space({Coordinate::continuous(), Coordinate::continuous()});
  const Matrix X = reference::points(space, 30, 21);
  Vector y;
  for (Index i = 0; i < 30; ++i) y.push_back(std::sin(6.0 * X(i, 0)));
  const Hyperparameters at = fit_hyperparameters(space, X, y);
  CHECK(at.length_scales[1] > 3.0 * at.length_scales[0]);
  CHECK(at.noise < 1e-3);
  CHECK(at.noise >= noise_floor * (1.0 - 1e-12));
  CHECK(at.warp_a.size() == 2);
  Vector gradient(9);
  CHECK(negative_log_posterior(space, X, y, pack(space, at), gradient) <
        negative_log_posterior(space, X, y, pack(space, prior_mode(space)), gradient));
  FitOptions plain;
  plain.warping = false;
  CHECK(fit_hyperparameters(space, X, y, plain).warp_a.empty());
  FitOptions again;
  again.start = at;
  again.threads = 3;
  const Hyperparameters refined = fit_hyperparameters(space, X, y, again);
  CHECK(negative_log_posterior(space, X, y, pack(space, refined), gradient) <=
        negative_log_posterior(space, X, y, pack(space, at), gradient));
}

TEST_CASE("packing is undone by unpacking") {
  const Coordinates space = reference::mixed_space();
  const Hyperparameters at{Vector{0.4, 1.0, 0.6, 0.9, 0.5, 2.0}, 1.7, 1e-3, -0.2, 0.4};
  const Hyperparameters back = unpack(space, pack(space, at));
  for (std::size_t i = 0; i < 6; ++i) CHECK(back.length_scales[i] == doctest::Approx(at.length_scales[i]));
  CHECK(back.amplitude == doctest::Approx(1.7));
  CHECK(back.noise == doctest::Approx(1e-3));
  CHECK(back.mean == -0.2);
  CHECK(back.mixing == doctest::Approx(0.4));
}

TEST_CASE("random points correlate as little or as much a priori in any dimension, of any kind") {
  for (const Index d : {2, 10, 50}) {
    const auto dimension = static_cast<double>(d);
    const auto count = static_cast<std::size_t>(d);
    // Numbers a root mean square distance of 1 / sqrt(6) apart in each coordinate.
    Vector zero(count, 0.0), apart(count, std::sqrt(1.0 / 6.0));
    const Coordinates numbers(std::vector<Coordinate>(count, Coordinate::continuous()));
    CHECK(Kernel(numbers, prior_mode(numbers))(zero, apart) == doctest::Approx(0.0439).epsilon(0.01));
    // Categories that differ in as many of five-valued coordinates as random ones do.
    Vector other(count, 0.0);
    const auto differing = static_cast<std::size_t>(std::lround(0.8 * dimension));
    std::fill_n(other.begin(), differing, 1.0);
    const Coordinates categories(std::vector<Coordinate>(count, Coordinate::categorical(5)));
    CHECK(Kernel(categories, prior_mode(categories))(zero, other) ==
          doctest::Approx(std::exp(-static_cast<double>(differing) / (0.35 * dimension))));
  }
}

TEST_CASE("in a wide space length scales that move together cost what their shared deviation says") {
  const Coordinates space(std::vector<Coordinate>(120, Coordinate::continuous()));
  const std::vector<NormalPrior> of = priors(space, false);
  Vector mode, moved, slopes;
  for (const NormalPrior& each : of) mode.push_back(each.center);
  const double at_mode = add_negative_log_prior(space, of, mode, 0.0);
  moved = mode;
  for (std::size_t i = 0; i < 120; ++i) moved[i] += 2.0;
  const double together = shared_deviation * shared_deviation + scale_deviation * scale_deviation / 120.0;
  CHECK(add_negative_log_prior(space, of, moved, 0.0) - at_mode == doctest::Approx(4.0 / (2.0 * together)));
  moved[7] -= 1.0;  // against the others it costs what its own deviation says
  const double before = add_negative_log_prior(space, of, moved, 0.0);
  moved[7] += 1.0;
  CHECK(before - add_negative_log_prior(space, of, moved, 0.0) > 0.4 / (scale_deviation * scale_deviation));

  slopes.resize(of.size());
  moved[3] += 0.7;
  prior_gradient(space, of, moved, slopes);
  for (const std::size_t i : {std::size_t{3}, std::size_t{50}, std::size_t{121}}) {
    constexpr double h = 1e-4;
    Vector lower(moved), upper(moved);
    lower[i] -= h;
    upper[i] += h;
    const double slope =
        (add_negative_log_prior(space, of, upper, 0.0) - add_negative_log_prior(space, of, lower, 0.0)) /
        (2.0 * h);
    CHECK(slopes[i] == doctest::Approx(slope).epsilon(1e-6));
  }
}

TEST_CASE("in a wide space a smooth function of every coordinate gets longer length scales in a few steps") {
  const Coordinates space(std::vector<Coordinate>(120, Coordinate::continuous()));
  const Matrix X = reference::points(space, 40, 31);
  Vector y;
  double mean = 0.0;
  for (Index i = 0; i < X.rows(); ++i) {
    y.push_back(0.0);
    for (Index j = 0; j < space.size(); ++j) y.back() += 0.3 * X(i, j);
    mean += y.back() / 40.0;
  }
  for (double& each : y) each -= mean;
  const Hyperparameters at = fit_hyperparameters(space, X, y), before = prior_mode(space);
  Vector ratios;
  for (std::size_t i = 0; i < 120; ++i) ratios.push_back(at.length_scales[i] / before.length_scales[i]);
  std::sort(ratios.begin(), ratios.end());
  CHECK(ratios[60] > 1.5);
  CHECK(at.warp_a.empty());
}
