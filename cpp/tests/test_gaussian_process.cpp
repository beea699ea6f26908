#include <doctest.h>

#include <algorithm>
#include <cmath>

#include "hpt/acquisition.hpp"
#include "hpt/error.hpp"
#include "hpt/gaussian_process.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

const Coordinates line({Coordinate::continuous()});

GaussianProcess worked() {  // behaviour 5.7
  Matrix X(3, 1);
  X(1, 0) = 0.6;
  X(2, 0) = 1.0;
  return GaussianProcess(line, X, Vector{0.9, 0.5, 0.7}, {Vector{0.5}, 1.0, 1e-3, 0.0, 0.5});
}

}  // namespace

TEST_CASE("the worked posterior, to every printed digit") {
  const double expected[4][5] = {{0.3, -0.19045, 0.66890, 0.38322, 0.00041},
                                 {0.5, -1.07909, 0.52379, 0.18603, 0.02304},
                                 {0.7, -1.09953, 0.52045, 0.15795, 0.01923},
                                 {0.8, -0.77819, 0.57292, 0.21896, 0.00167}};
  const GaussianProcess model = worked();
  for (const auto& [x, standard, original, deviation, improvement] : expected) {
    const double point = x;
    double mean = 0.0, variance = 0.0;
    model.predict(MatrixView(&point, 1, 1), {&mean, 1}, {&variance, 1});
    const double z = model.transform().forward(mean);
    const double s = std::sqrt(variance) / model.transform().slope(z);
    CHECK(std::abs(z - standard) < 5e-6);
    CHECK(std::abs(mean - original) < 5e-6);
    CHECK(std::abs(s - deviation) < 5e-6);
    CHECK(std::abs(expected_improvement(z, s, -1.224745) - improvement) < 5e-6);
  }
}

TEST_CASE("growing by rows equals factoring afresh") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 25, 31), P = reference::points(space, 50, 32);
  const Vector y = reference::normals(25, 33);
  const Hyperparameters at{Vector{0.4, 1.0, 0.6, 0.9, 0.5, 2.0}, 1.7, 1e-2, 0.3, 0.4};
  // The units of the targets are those of the first part, so compare in a model whose targets are
  // standardised alike.
  const GaussianProcess part(space, MatrixView(X).head(20), VectorView(y).first(20), at);
  const GaussianProcess grown = part.condition_on(MatrixView(X.row(20).data(), 5, 6), VectorView(y).last(5));
  Vector mean(50), variance(50), mean_part(50), variance_part(50);
  grown.predict(P, mean, variance);
  part.predict(P, mean_part, variance_part);
  const Matrix K = Kernel(space, at).cross(X, X);
  const Matrix C = Kernel(space, at).cross(P, X);
  Matrix L(K);
  for (Index i = 0; i < 25; ++i) L(i, i) += at.noise;
  REQUIRE(cholesky(L) == 0);
  Vector alpha;
  for (const double value : y) alpha.push_back(part.transform().forward(value) - at.mean);
  solve_lower(L, alpha);
  solve_lower_transposed(L, alpha);
  for (Index p = 0; p < 50; ++p) {
    const double expected = part.transform().inverse(at.mean + dot(C.row(p), alpha));
    CHECK(mean[p] == doctest::Approx(expected).epsilon(1e-9));
    CHECK(variance[p] <= variance_part[p] * (1.0 + 1e-9));
  }
}

TEST_CASE("slopes of mean and variance agree with finite differences") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 20, 41);
  const GaussianProcess model =
      GaussianProcess::fit(space, X, reference::normals(20, 42))
          .imagine(reference::points(space, 2, 43), 3, Stream(1, 1, Use::fantasies));
  Matrix x = reference::points(space, 1, 44);
  const GaussianProcess::Slopes at = model.predict_with_slopes(x.row(0));
  constexpr double h = 1e-5;
  for (Index q = 0; q < 2; ++q) {
    Matrix up(x), down(x);
    up(0, space.continuous()[q]) += h;
    down(0, space.continuous()[q]) -= h;
    const auto above = model.predict_with_slopes(up.row(0)), below = model.predict_with_slopes(down.row(0));
    for (std::size_t s = 0; s < 3; ++s) {
      const double slope = (above.mean[s] - below.mean[s]) / (2 * h);
      CHECK(std::abs(at.dmean(q, static_cast<Index>(s)) - slope) < 1e-6 * std::max(1.0, std::abs(slope)));
    }
    const double slope = (above.variance - below.variance) / (2 * h);
    CHECK(std::abs(at.dvariance[q] - slope) < 1e-6 * std::max(1.0, std::abs(slope)));
  }
}

TEST_CASE("imagined outcomes follow the predictive distribution and narrow it") {
  const GaussianProcess model = worked();
  const double x = 0.3;
  Matrix mean;
  double variance = 0.0, narrowed = 0.0;
  model.predict_standardized(MatrixView(&x, 1, 1), mean, {&variance, 1});
  const GaussianProcess imagined = model.imagine(MatrixView(&x, 1, 1), 4000, Stream(9, 1, Use::fantasies));
  REQUIRE(imagined.sets() == 4000);
  Matrix after;
  imagined.predict_standardized(MatrixView(&x, 1, 1), after, {&narrowed, 1});
  CHECK(narrowed < 2e-3);
  double sum = 0.0, squares = 0.0;
  for (Index s = 0; s < 4000; ++s) {
    sum += after(0, s);
    squares += after(0, s) * after(0, s);
  }
  const double average = sum / 4000;
  CHECK(std::abs(average - mean(0, 0)) < 5.0 * std::sqrt(variance / 4000));
  CHECK((squares / 4000 - average * average) == doctest::Approx(variance).epsilon(0.1));
}

TEST_CASE("one observation, equal targets, repeated points and any magnitude") {
  Matrix X(6, 1);
  for (Index i = 3; i < 6; ++i) X(i, 0) = 0.5;
  for (const double size : {1e-300, 1.0, 1e300}) {
    for (const bool equal : {true, false}) {
      for (const Index n : {1, 6}) {
        Vector y;
        for (Index i = 0; i < n; ++i) y.push_back(equal ? size : size * (1.0 + 0.3 * static_cast<double>(i)));
        const GaussianProcess model = GaussianProcess::fit(line, MatrixView(X).head(n), y);
        const double points[3] = {0.0, 0.5, 1.0};
        double mean[3], variance[3];
        model.predict(MatrixView(points, 3, 1), mean, variance);
        for (int i = 0; i < 3; ++i) {
          CHECK(std::isfinite(mean[i]));
          CHECK(variance[i] >= 0.0);
        }
        if (equal) CHECK(mean[0] == doctest::Approx(size).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("a singular covariance is fixed with jitter, an indefinite one is reported") {
  Matrix X(40, 1, 0.5);
  const Vector y = reference::normals(40, 51);
  const GaussianProcess model(line, X, y, {Vector{0.5}, 1.0, 0.0, 0.0, 0.5});
  CHECK(model.jitter() > 0.0);
  CHECK_THROWS_AS(GaussianProcess(line, X, y, {Vector{0.5}, 1.7e308, 1.7e308, 0.0, 0.5}),
                  NotPositiveDefinite);
}

TEST_CASE("shapes are checked") {
  CHECK_THROWS_AS(GaussianProcess::fit(line, Matrix(2, 1), Vector{1.0}), InvalidArgument);
  CHECK_THROWS_AS(GaussianProcess::fit(line, Matrix(0, 1), Vector{}), InvalidArgument);
  CHECK_THROWS_AS(worked().condition_on(Matrix(1, 1), Vector{}), InvalidArgument);
  CHECK_THROWS_AS(worked().condition_on(Matrix(1, 1), Vector{NAN}), InvalidArgument);
}

TEST_CASE("draws of the function have the mean and the covariance of the prediction") {
  const Coordinates space({Coordinate::continuous()});
  Matrix X(2, 1), query(3, 1);
  X(0, 0) = 0.2;
  X(1, 0) = 0.9;
  query(0, 0) = 0.2;
  query(1, 0) = 0.5;
  query(2, 0) = 0.55;
  const GaussianProcess model(space, X, Vector{1.0, -1.0}, {Vector{0.3}, 1.0, 1e-2, 0.0, 0.5});
  Matrix mean;
  Vector variance(3);
  model.predict_standardized(query, mean, variance);
  constexpr Index draws = 20000;
  const Matrix drawn = model.sample(query, draws, Stream(3, 1, Use::thompson));
  REQUIRE(drawn.rows() == draws);
  double product = 0.0;
  for (Index i = 0; i < 3; ++i) {
    double sum = 0.0, squares = 0.0;
    for (Index k = 0; k < draws; ++k) {
      const double rest = drawn(k, i) - mean(i, 0);
      sum += rest;
      squares += rest * rest;
      if (i == 2) product += rest * (drawn(k, 1) - mean(1, 0));
    }
    const double deviation = std::sqrt(variance[static_cast<std::size_t>(i)]);
    CHECK(std::abs(sum / draws) < 0.03 * deviation);
    CHECK(squares / draws == doctest::Approx(deviation * deviation).epsilon(0.03));
  }
  CHECK(product / draws / std::sqrt(variance[1] * variance[2]) > 0.95);  // neighbours move together
}
