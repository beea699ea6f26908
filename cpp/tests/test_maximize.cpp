#include <doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "hpt/acquisition.hpp"
#include "hpt/away.hpp"
#include "hpt/design.hpp"
#include "hpt/error.hpp"
#include "hpt/maximize.hpp"
#include "hpt/tried.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

// Many small pieces of a search that a unit test can afford under the sanitizers.
SearchOptions small_search() {
  SearchOptions options;
  options.candidates = 128;
  options.local = 32;
  options.starts = 3;
  return options;
}

double distance(VectorView a, VectorView b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("the first point is the middle, the others differ by trial and by seed") {
  const Coordinates space = reference::mixed_space();
  const Matrix none(0, space.size());
  const Vector middle = *design_point(space, none, 1, 1);
  CHECK(middle[0] == 0.5);
  CHECK(middle[1] == 1.0);
  CHECK(space[2].level(middle[2]) == 3);  // of -2 ... 4: 1
  CHECK(middle[3] == 0.5);
  std::set<Vector> all;
  for (std::uint64_t trial = 1; trial <= 50; ++trial) {
    all.insert(*design_point(space, none, 1, trial));
    if (trial > 1) all.insert(*design_point(space, none, 2, trial));
  }
  CHECK(all.size() == 99);
  CHECK_THROWS_AS(design_point(space, none, 1, 0), InvalidArgument);
}

TEST_CASE("a finite space is used up without a repeat, by first points and by proposals") {
  const Coordinates space({Coordinate::integer(1, 40), Coordinate::categorical(20)});  // 800 points
  for (const bool enumerated : {true, false}) {
    SearchOptions options = small_search();
    options.enumerable = enumerated ? 800 : 0;
    Matrix tried;
    Vector y;
    std::set<Vector> all;
    for (std::uint64_t trial = 1; trial <= 780; ++trial) {
      const Vector x = *design_point(space, tried.rows() ? tried : Matrix(0, 2), 3, trial);
      CHECK(all.insert(x).second);
      tried.append_row(x);
    }
    Matrix observed;
    for (Index i = 0; i < 10; ++i) {
      observed.append_row(tried.row(i));
      y.push_back(tried(i, 0) + tried(i, 1));
    }
    const GaussianProcess model = GaussianProcess::fit(space, observed, y);
    for (std::uint64_t trial = 781; trial <= 800; ++trial) {
      const std::optional<Vector> x = propose(model, Matrix(0, 2), tried, 3, trial, options);
      REQUIRE(x.has_value());
      CHECK(all.insert(*x).second);
      tried.append_row(*x);
    }
    CHECK_FALSE(propose(model, Matrix(0, 2), tried, 3, 801, options).has_value());
    CHECK_FALSE(design_point(space, tried, 3, 801).has_value());
  }
}

TEST_CASE("proposals are legal, repeat bit for bit, and approach the optimum") {
  const Coordinates space = reference::mixed_space();
  const auto f = [&](VectorView x) {
    return std::pow(x[0] - 0.3, 2) + std::pow(x[3] - 0.8, 2) + std::pow(x[2] - 0.5, 2) +
           (x[1] == 2.0 ? 0.0 : 0.5) + (x[5] == 0.0 ? 0.0 : 0.3);
  };
  const Matrix none(0, space.size());
  Matrix X = reference::points(space, 12, 71);
  Vector y;
  for (Index i = 0; i < X.rows(); ++i) y.push_back(f(X.row(i)));
  for (std::uint64_t trial = 13; trial <= 32; ++trial) {
    const GaussianProcess model = GaussianProcess::fit(space, X, y);
    const Vector x = *propose(model, none, none, 5, trial, small_search());
    CHECK(x == *propose(model, none, none, 5, trial, small_search()));
    space.check(MatrixView(x.data(), 1, space.size()));
    for (const Index i : space.discrete()) CHECK(space[i].snap(x[i]) == x[i]);
    X.append_row(x);
    y.push_back(f(x));
  }
  CHECK(*std::min_element(y.begin(), y.end()) < 0.03);
}

TEST_CASE("of categories with many values a share is scored, and the best is still approached") {
  const Coordinates space(std::vector<Coordinate>(4, Coordinate::categorical(200)));
  const auto f = [](VectorView x) {
    return static_cast<double>((x[0] > 99.0) + (x[1] > 99.0) + (x[2] > 99.0));
  };
  SearchOptions options = small_search();
  options.neighbours = 40;
  const Matrix none(0, 4);
  Matrix X = reference::points(space, 12, 91);
  Vector y;
  for (Index i = 0; i < X.rows(); ++i) y.push_back(f(X.row(i)));
  for (std::uint64_t trial = 13; trial <= 30; ++trial) {
    const GaussianProcess model = GaussianProcess::fit(space, X, y);
    const Vector x = *propose(model, none, none, 5, trial, options);
    CHECK(x == *propose(model, none, none, 5, trial, options));
    space.check(MatrixView(x.data(), 1, 4));
    X.append_row(x);
    y.push_back(f(x));
  }
  CHECK(*std::min_element(y.begin(), y.end()) == 0.0);
}

TEST_CASE("held coordinates stay where they are, and the others are searched given them") {
  const Coordinates space = reference::mixed_space();
  const double free = std::nan("");
  const Matrix none(0, space.size());
  const Matrix X = reference::points(space, 40, 71);
  Vector y;
  for (Index i = 0; i < X.rows(); ++i) y.push_back(std::pow(X(i, 0) - 0.3 - 0.4 * X(i, 3), 2));
  const GaussianProcess model = GaussianProcess::fit(space, X, y);
  SearchOptions options = small_search();
  options.held.assign(static_cast<std::size_t>(space.size()), free);
  options.held[3] = 0.75;
  options.held[1] = 2.0;
  const Vector x = *propose(model, none, none, 5, 41, options);
  CHECK(x[1] == 2.0);
  CHECK(x[3] == 0.75);
  CHECK(std::abs(x[0] - 0.6) < 0.1);
  CHECK(x == *propose(model, none, none, 5, 41, options));
  options.held.pop_back();
  CHECK_THROWS_AS(propose(model, none, none, 5, 41, options), InvalidArgument);
  options.held.assign(static_cast<std::size_t>(space.size()), 0.0);
  CHECK_THROWS_AS(propose(model, none, none, 5, 41, options), InvalidArgument);
}

TEST_CASE("a finite space is used up where a coordinate is held") {
  const Coordinates space({Coordinate::integer(1, 40), Coordinate::categorical(20)});
  for (const bool enumerated : {true, false}) {
    SearchOptions options = small_search();
    options.enumerable = enumerated ? 800 : 0;
    options.held = {std::nan(""), 7.0};
    Matrix tried = reference::points(space, 10, 3);
    Vector y;
    for (Index i = 0; i < 10; ++i) y.push_back(tried(i, 0));
    const GaussianProcess model = GaussianProcess::fit(space, tried, y);
    std::set<Vector> all;
    for (Index i = 0; i < 10; ++i) {
      if (tried(i, 1) == 7.0) all.insert(Vector(tried.row(i).begin(), tried.row(i).end()));
    }
    while (const std::optional<Vector> x = propose(model, Matrix(0, 2), tried, 3, 11, options)) {
      CHECK((*x)[1] == 7.0);
      REQUIRE(all.insert(*x).second);
      tried.append_row(*x);
    }
    CHECK(all.size() == 40);
  }
}

TEST_CASE("proposals keep away from pending points") {
  const Coordinates space({Coordinate::continuous(), Coordinate::continuous()});
  const Matrix X = reference::points(space, 15, 81);
  Vector y;
  for (Index i = 0; i < 15; ++i) y.push_back(std::pow(X(i, 0) - 0.4, 2) + std::pow(X(i, 1) - 0.6, 2));
  const GaussianProcess model = GaussianProcess::fit(space, X, y);
  Matrix pending(0, 2);
  for (std::uint64_t trial = 16; trial < 20; ++trial) {
    const Vector x = *propose(model, pending, Matrix(0, 2), 6, trial, small_search());
    for (Index i = 0; i < pending.rows(); ++i) CHECK(distance(x, pending.row(i)) > 1e-4);
    pending.append_row(x);
  }
}

TEST_CASE("more dimensions than the sequence has") {
  const Coordinates space(std::vector<Coordinate>(300, Coordinate::continuous()));
  const Vector x = *design_point(space, Matrix(0, 300), 1, 5);
  std::set<double> different(x.begin(), x.end());
  CHECK(different.size() == 300);
}

TEST_CASE("every criterion proposes legal untried points near the best of a bowl, and the same again") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 40, 81);
  Vector y;
  for (Index i = 0; i < X.rows(); ++i)
    y.push_back(std::pow(X(i, 0) - 0.4, 2) + std::pow(X(i, 3) - 0.6, 2) + 0.1 * X(i, 1));
  const GaussianProcess model = GaussianProcess::fit(space, X, y);
  const Matrix none(0, space.size());
  for (const Criterion criterion :
       {Criterion::improvement, Criterion::augmented_improvement, Criterion::noisy_improvement,
        Criterion::confidence_bound, Criterion::thompson}) {
    SearchOptions options = small_search();
    options.criterion = criterion;
    const Vector x = *propose(model, none, none, 5, 41, options);
    space.check(MatrixView(x.data(), 1, space.size()));
    CHECK(x == *propose(model, none, none, 5, 41, options));
    CHECK(std::abs(x[0] - 0.4) + std::abs(x[3] - 0.6) < 0.8);
    CHECK(*propose(model, Matrix(MatrixView(x.data(), 1, space.size())), none, 5, 42, options) != x);
  }
}

TEST_CASE("of a space that is scored whole, the best untried point is proposed") {
  const Coordinates space({Coordinate::integer(1, 25), Coordinate::categorical(20)});  // 500 points
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Matrix X = reference::points(space, 40, seed);
    const GaussianProcess model = GaussianProcess::fit(space, X, reference::normals(40, seed + 10));
    const Vector found = *propose(model, Matrix(0, 2), Matrix(0, 2), seed, 41, small_search());
    Tried tried(space);
    tried.add(X);
    Matrix untried;
    Vector x(2);
    for (std::uint64_t number = 0; number < 500; ++number) {
      space.at(number, x);
      if (!tried.contains(x)) untried.append_row(x);
    }
    const Vector values = LogExpectedImprovement(model, std::numeric_limits<double>::infinity(),
                                                 width_at(40, small_search().doubling))(untried);
    const auto best = std::max_element(values.begin(), values.end()) - values.begin();
    CHECK(found == Vector(untried.row(best).begin(), untried.row(best).end()));
  }
}

TEST_CASE("what correlates with points to keep away from is not proposed, nor improved on") {
  const Coordinates space({Coordinate::continuous(), Coordinate::integer(1, 20), Coordinate::categorical(3)});
  const Matrix X = reference::points(space, 30, 6);
  Vector y;
  for (Index i = 0; i < X.rows(); ++i)
    y.push_back(std::pow(X(i, 0) - 0.4, 2) + std::pow(X(i, 1) - 0.6, 2) + 0.1 * X(i, 2));
  const GaussianProcess model(space, X, y, Hyperparameters{.length_scales = {0.2, 0.2, 0.5}});
  const Matrix none(0, space.size());
  SearchOptions options = small_search();
  const Vector first = *propose(model, none, none, 5, 41, options);
  options.away.append_row(first);
  options.correlation = 0.3;
  for (const int steps : {0, 30}) {
    options.steps = steps;
    const Vector x = *propose(model, none, none, 5, 41, options);
    CHECK(model.kernel()(x, first) < 0.3 * model.hyperparameters().amplitude);
  }

  const Matrix mean = model.fitted_means();
  Index lowest = 0;
  for (Index i = 1; i < X.rows(); ++i) lowest = mean(i, 0) < mean(lowest, 0) ? i : lowest;
  const Away away(model, MatrixView(X.row(lowest).data(), 1, space.size()), 0.3);
  CHECK(away.contains(X.row(lowest)));
  const LogExpectedImprovement all(model);
  const LogExpectedImprovement others(model, std::numeric_limits<double>::infinity(), 1.0, nullptr, false,
                                      &away);
  CHECK(others.incumbents()(0, 0) > all.incumbents()(0, 0));
  options.correlation = 0.0;
  CHECK_THROWS_AS(propose(model, none, none, 5, 41, options), InvalidArgument);
}

TEST_CASE("a space that is all too near leaves a random point, and a finite one none") {
  const Coordinates line({Coordinate::continuous()}), short_line({Coordinate::integer(1, 6)});
  for (const Coordinates& space : {line, short_line}) {
    const Matrix X(1, 1, 0.5);
    const GaussianProcess model(space, X, Vector{1.0}, Hyperparameters{.length_scales = {50.0}});
    SearchOptions options = small_search();
    options.away = X;
    const auto found = propose(model, Matrix(0, 1), Matrix(0, 1), 5, 2, options);
    CHECK(found.has_value() == !space.cardinality().has_value());
  }
}
