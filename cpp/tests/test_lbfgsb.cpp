#include <doctest.h>

#include <cmath>

#include "hpt/error.hpp"
#include "hpt/lbfgsb.hpp"

using namespace hpt;

namespace {

double rosenbrock(VectorView x, MutableVectorView g) {
  double value = 0.0;
  for (double& slope : g) slope = 0.0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i], b = 1.0 - x[i];
    value += 100.0 * a * a + b * b;
    g[i] += -400.0 * a * x[i] - 2.0 * b;
    g[i + 1] += 200.0 * a;
  }
  return value;
}

LbfgsbOptions patient() {
  LbfgsbOptions options;
  options.iterations = 2000;
  options.evaluations = 10000;
  options.value_tolerance = 0.0;
  options.gradient_tolerance = 1e-9;
  return options;
}

}  // namespace

TEST_CASE("Rosenbrock's valley, free") {
  Vector x(10, -1.2);
  const Vector lower(10, -5.0), upper(10, 5.0);
  const LbfgsbResult result = lbfgsb(rosenbrock, lower, upper, x, patient());
  for (const double value : x) CHECK(value == doctest::Approx(1.0).epsilon(1e-6));
  CHECK(result.iterations < 300);
}

TEST_CASE("Rosenbrock's valley, its minimum out of bounds") {  // at x = 1/2 the best is (1/2, 1/4), value 1/4
  Vector x{-1.0, 1.0};
  const LbfgsbResult result = lbfgsb(rosenbrock, Vector{-2.0, -2.0}, Vector{0.5, 2.0}, x, patient());
  CHECK(x[0] == 0.5);
  CHECK(x[1] == doctest::Approx(0.25).epsilon(1e-7));
  CHECK(result.value == doctest::Approx(0.25));
}

TEST_CASE("an ill-conditioned quadratic with a third of its bounds active") {
  constexpr std::size_t n = 30;
  Vector x(n, 0.9), lower(n, 0.0), upper(n, 1.0);
  const Objective f = [](VectorView u, MutableVectorView g) {
    double value = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const double weight = std::pow(10.0, 4.0 * static_cast<double>(i) / n);
      const double target = i % 3 == 0 ? -0.5 : 0.3;
      value += 0.5 * weight * (u[i] - target) * (u[i] - target);
      g[i] = weight * (u[i] - target);
    }
    return value;
  };
  lbfgsb(f, lower, upper, x, patient());
  for (std::size_t i = 0; i < n; ++i)
    CHECK(std::abs(x[i] - (i % 3 == 0 ? 0.0 : 0.3)) < 1e-5);  // the value is near 1e3
}

TEST_CASE("the search steps back from infinite values, and ends at once from a bad start") {
  const Objective f = [](VectorView u, MutableVectorView g) {
    g[0] = 1.0 - 1.0 / u[0];
    return u[0] > 0.0 ? u[0] - std::log(u[0]) : INFINITY;
  };
  Vector x{5.0};
  lbfgsb(f, Vector{-10.0}, Vector{10.0}, x, patient());
  CHECK(x[0] == doctest::Approx(1.0).epsilon(1e-6));
  Vector bad{-3.0};
  CHECK(std::isinf(lbfgsb(f, Vector{-10.0}, Vector{10.0}, bad, patient()).value));
  CHECK(bad[0] == -3.0);
}

TEST_CASE("budgets hold and bounds are checked") {
  Vector x(4, -1.2);
  LbfgsbOptions options;
  options.evaluations = 7;
  int calls = 0;
  const Objective counted = [&](VectorView u, MutableVectorView g) {
    ++calls;
    return rosenbrock(u, g);
  };
  CHECK(lbfgsb(counted, Vector(4, -2.0), Vector(4, 2.0), x, options).evaluations == 7);
  CHECK(calls == 7);
  CHECK_THROWS_AS(lbfgsb(counted, Vector(4, 1.0), Vector(4, 0.0), x, options), InvalidArgument);
  CHECK_THROWS_AS(lbfgsb(counted, Vector(3, 0.0), Vector(4, 1.0), x, options), InvalidArgument);
}
