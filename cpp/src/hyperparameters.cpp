#include "hpt/hyperparameters.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "hpt/error.hpp"
#include "hpt/lbfgsb.hpp"
#include "hpt/subset.hpp"

namespace hpt {
namespace {

// A fit costs n^3, and the more data, the closer an earlier fit is to this one's: up to `some` observations
// every start is followed to its end, from there on only the one that is best after a few steps, and from
// `many` on the earlier fit alone, unless the prior's mode is better or there was none.
constexpr Index some = 64, many = 256;
constexpr int first_steps = 5, resumed_steps = 15;

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

const Vector& better(PosteriorDensity& density, const Vector& a, const Vector& b) {
  return density.value(b) < density.value(a) ? b : a;
}

// All length scales of theta longer by the factor, of powers of two, that the density likes best.
Vector likeliest_scale(const Coordinates& space, PosteriorDensity& density, const Vector& theta) {
  constexpr int doublings = 5;
  Vector best = theta, longer = theta;
  double lowest = density.value(theta);
  for (int k = 0; k < doublings; ++k) {
    for (Index i = 0; i < space.size(); ++i) longer[static_cast<std::size_t>(i)] += std::log(2.0);
    const double value = density.value(longer);
    if (value >= lowest) continue;
    lowest = value;
    best = longer;
  }
  return best;
}

// The earlier fit if there is one; the prior's mode with much noise, from which both a smooth and a noisy
// explanation lie downhill; and shorter length scales with little. In a wide space, where random points are
// far apart, the likeliest of longer ones in place of both, with much noise and with little.
std::vector<Vector> starts(const Coordinates& space, PosteriorDensity& density, const FitOptions& options) {
  Vector mode;
  for (const NormalPrior& prior : density.priors()) mode.push_back(prior.center);
  const std::size_t noise = Layout(space, false).noise();
  Vector shorter = mode;
  if (space.wide()) {
    mode[noise] = std::log(0.1);
    mode = likeliest_scale(space, density, mode);
    shorter = mode;
    shorter[noise] = density.priors()[noise].center;
  } else {
    for (Index i = 0; i < space.size(); ++i) shorter[static_cast<std::size_t>(i)] -= std::log(4.0);
  }
  mode[noise] = std::log(0.1);
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
                                    const FitOptions& options, double* value) {
  require(options.iterations >= 1, "iterations must be at least 1");
  const bool warped = options.warping && !space.wide() && X.rows() >= 2 * space.size();
  PosteriorDensity density(space, X, y, warped, options.threads);
  Vector lower, upper;
  for (const NormalPrior& each : density.priors()) {
    lower.push_back(each.lower);
    upper.push_back(each.upper);
  }
  LbfgsbOptions search;
  // A fit that begins from an earlier one has less far to go.
  search.iterations =
      options.start && X.rows() >= some ? std::min(options.iterations, resumed_steps) : options.iterations;
  search.evaluations = search.iterations + 8;
  search.gradient_tolerance = 1e-2;  // nats
  search.value_tolerance = 1e-5;

  std::vector<Vector> from = starts(space, density, options);
  if (options.start && X.rows() >= some) from.pop_back();
  if (options.start && X.rows() >= many) {
    const Found found = descend(density, better(density, from[0], from[1]), lower, upper, search);
    if (value) *value = found.value;
    return unpack(space, found.theta);
  }
  LbfgsbOptions shorter = search;
  shorter.iterations = std::min(search.iterations, first_steps);
  const bool at_once = X.rows() < some;
  Found best{from[0], std::numeric_limits<double>::infinity()};
  for (const Vector& theta : from) {
    Found found = descend(density, theta, lower, upper, at_once ? search : shorter);
    if (found.value < best.value) best = std::move(found);
  }
  if (!at_once) best = descend(density, best.theta, lower, upper, search);
  if (value) *value = best.value;
  return unpack(space, best.theta);
}

Fit fit_targets(const Coordinates& space, MatrixView X, VectorView y, const FitOptions& options) {
  require(X.rows() >= 1, "a fit needs at least one observation");
  require(X.rows() == static_cast<Index>(y.size()), "X and y differ in their number of observations");
  space.check(X);
  const TargetTransform transform(y, options.tail_limit);
  Matrix points;
  Vector z;
  double value = 0.0, slopes = 0.0;
  for (const Index i : representative(space, X, y, std::max<Index>(options.limit, 1))) {
    points.append_row(X.row(i));
    z.push_back(transform.forward(y[static_cast<std::size_t>(i)]));
    slopes += transform.log_slope(z.back());
  }
  Hyperparameters at = fit_hyperparameters(space, points, z, options, &value);
  at.tail_limit = options.tail_limit;
  // The density of the original targets (Snelson, Rasmussen and Ghahramani, "Warped Gaussian
  // processes", NIPS 2003).
  return {std::move(at), -value - slopes};
}

}  // namespace hpt
