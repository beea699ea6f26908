#include <doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "hpt/acquisition.hpp"
#include "hpt/error.hpp"
#include "hpt/score.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Matrix rows(Index count, Index d, double shift) {
  Matrix out(count, d);
  for (Index i = 0; i < count; ++i) {
    for (Index j = 0; j < d; ++j) {
      const double x = 0.37 * static_cast<double>(i + 1) + 0.61 * static_cast<double>(j) + shift;
      out(i, j) = x - std::floor(x);
    }
  }
  return out;
}

// A model of count points of d coordinates whose targets lie about `level`, `spread` apart.
GaussianProcess model_of(Index count, Index d, double level, double spread) {
  const Matrix X = rows(count, d, 0.0);
  Vector y;
  for (Index i = 0; i < count; ++i) y.push_back(level + spread * std::sin(6.0 * X(i, 0)));
  Hyperparameters at;
  at.length_scales.assign(static_cast<std::size_t>(d), 0.4);
  at.noise = 1e-4;
  at.tail_limit = infinity;
  return GaussianProcess(
      Coordinates(std::vector<Coordinate>(static_cast<std::size_t>(d), Coordinate::continuous())), X, y, at);
}

}  // namespace

TEST_CASE("candidates of models of different dimensions are ranked by one incumbent") {
  const GaussianProcess good = model_of(6, 1, 0.0, 1.0), poor = model_of(9, 3, 50.0, 2.0);
  const double incumbent = common_incumbent({&good, &poor});
  CHECK(incumbent == common_incumbent({&good}));
  const Matrix none1(0, 1), none3(0, 3), first = rows(4, 1, 0.2), second = rows(5, 3, 0.2);
  const std::vector<Vector> found = score({{&good, none1, first, 1, 2}, {&poor, none3, second, 3, 4}});
  REQUIRE(found.size() == 2);
  REQUIRE(found[0].size() == 4);
  REQUIRE(found[1].size() == 5);
  const auto check = [&](const GaussianProcess& model, const Matrix& candidates, const Vector& scores) {
    Vector mean(scores.size()), variance(scores.size());
    model.predict(candidates, mean, variance);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double expected = log_expected_improvement(mean[i], std::sqrt(variance[i]), incumbent).value;
      CHECK(scores[i] == doctest::Approx(expected).epsilon(1e-9));
      CHECK(std::isfinite(scores[i]));
    }
  };
  check(good, first, found[0]);
  check(poor, second, found[1]);
  CHECK(*std::max_element(found[0].begin(), found[0].end()) >
        *std::max_element(found[1].begin(), found[1].end()));
}

TEST_CASE("outcomes imagined for running trials are the same every time and change the incumbent") {
  const GaussianProcess good = model_of(6, 1, 0.0, 1.0), other = model_of(5, 2, 0.5, 1.0);
  const Matrix none(0, 2), pending = rows(2, 1, 0.55), first = rows(3, 1, 0.5), second = rows(3, 2, 0.2);
  const std::vector<Contender> contenders = {{&good, pending, first, 7, 8}, {&other, none, second, 9, 4}};
  CHECK(score(contenders) == score(contenders));
  const Matrix quiet(0, 1);
  const Vector before = score({{&good, quiet, first, 7, 8}, {&other, none, second, 9, 4}})[1];
  const Vector after = score(contenders)[1];
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(after[i] != before[i]);
}

TEST_CASE("what cannot be ranked is refused") {
  CHECK_THROWS_AS(score({}), InvalidArgument);
  CHECK_THROWS_AS(common_incumbent({}), InvalidArgument);
  const GaussianProcess model = model_of(6, 1, 0.0, 1.0);
  const Matrix none(0, 1), wrong = rows(2, 2, 0.0), right = rows(2, 1, 0.0);
  CHECK_THROWS_AS(score({{&model, none, wrong, 1, 1}}), InvalidArgument);
  CHECK_THROWS_AS(score({{&model, none, right, 1, 1}}, 0), InvalidArgument);
}
