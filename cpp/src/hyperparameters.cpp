#include "hpt/hyperparameters.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "hpt/error.hpp"
#include "hpt/lbfgsb.hpp"

namespace hpt {
namespace {

// From this many observations on, only the most promising start is followed, and not as far: a fit costs n^3,
// and the more data, the closer the last anchor's fit is to this one's.
constexpr Index many = 128;

struct Found {
  Vector theta;
  double value;
};

Found descend(PosteriorDensity& density, VectorView start, VectorView lower, VectorView upper,
              const LbfgsbOptions& options) {
  BoundedSearch search(start, lower, upper, options);
  Vector gradient(start.size());
  while (!search.done()) {
    const double value = density.value(search.trial());
    if (search.wants_gradient(value)) density.gradient(gradient);
    search.tell(value, gradient);
  }
  return {Vector(search.best().begin(), search.best().end()), search.result().value};
}

std::vector<Vector> starts(const Coordinates& space, const PosteriorDensity& density,
                           const FitOptions& options) {
  Vector mode;
  for (const NormalPrior& prior : density.priors()) mode.push_back(prior.center);
  Vector shorter = mode;
  for (Index i = 0; i < space.size(); ++i) shorter[static_cast<std::size_t>(i)] -= std::log(4.0);
  std::vector<Vector> out{mode, shorter};
  if (options.start) {
    Vector earlier = pack(space, *options.start);
    earlier.resize(mode.size(), 0.0);  // warping begins, or ends, at the identity
    for (std::size_t i = 0; i < mode.size(); ++i)
      earlier[i] = std::clamp(earlier[i], density.priors()[i].lower, density.priors()[i].upper);
    out.insert(out.begin(), std::move(earlier));
  }
  return out;
}

}  // namespace

double negative_log_posterior(const Coordinates& space, MatrixView X, VectorView y, VectorView theta,
                              MutableVectorView gradient) {
  PosteriorDensity density(space, X, y, theta.size() > Layout(space, false).size());
  const double value = density.value(theta);
  if (std::isfinite(value)) density.gradient(gradient);
  return value;
}

Hyperparameters fit_hyperparameters(const Coordinates& space, MatrixView X, VectorView y,
                                    const FitOptions& options) {
  require(options.iterations >= 1, "iterations must be at least 1");
  const bool warped = options.warping && X.rows() >= 2 * space.size();
  PosteriorDensity density(space, X, y, warped, options.threads);
  Vector lower, upper;
  for (const NormalPrior& each : density.priors()) {
    lower.push_back(each.lower);
    upper.push_back(each.upper);
  }
  LbfgsbOptions search;
  search.iterations = X.rows() < many ? options.iterations : std::min(options.iterations, 30);
  search.evaluations = search.iterations + 10;
  search.gradient_tolerance = 1e-3;
  search.value_tolerance = 1e-6;

  std::vector<Vector> from = starts(space, density, options);
  if (X.rows() >= many) {
    std::vector<double> values;
    for (const Vector& theta : from) values.push_back(density.value(theta));
    const auto best = std::min_element(values.begin(), values.end()) - values.begin();
    from = {from[static_cast<std::size_t>(best)]};
  }
  Found best{from[0], std::numeric_limits<double>::infinity()};
  for (const Vector& theta : from) {
    Found found = descend(density, theta, lower, upper, search);
    if (found.value < best.value) best = std::move(found);
  }
  return unpack(space, best.theta);
}

}  // namespace hpt
