#include "hpt/slice_sampling.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hpt/error.hpp"

namespace hpt {
namespace {

class Chain {
 public:
  Chain(PosteriorDensity& density, VectorView start, Stream stream, const ChainOptions& options)
      : density_(density),
        stream_(stream),
        options_(options),
        theta_(start.begin(), start.end()),
        at_(start.size()),
        direction_(start.size()),
        energy_(density.value(start)) {}

  void step() {
    draw_direction();
    const double level = energy_ - std::log1p(-stream_.uniform());
    double low = -options_.width * stream_.uniform(), high = low + options_.width;
    int expansions = options_.expansions;
    while (expansions > 0 && energy_at(low) < level) low -= options_.width, --expansions;
    while (expansions > 0 && energy_at(high) < level) high += options_.width, --expansions;
    for (int k = 0; k < options_.shrinkages; ++k) {
      const double a = low + (high - low) * stream_.uniform();
      const double energy = energy_at(a);
      if (energy < level) {
        theta_ = at_;
        energy_ = energy;
        return;
      }
      (a < 0.0 ? low : high) = a;
    }
  }

  const Vector& theta() const { return theta_; }
  bool begun() const { return std::isfinite(energy_); }

 private:
  void draw_direction() {
    double square = 0.0;
    for (double& each : direction_) {
      each = stream_.normal();
      square += each * each;
    }
    for (std::size_t i = 0; i < direction_.size(); ++i)
      direction_[i] *= density_.priors()[i].deviation / std::sqrt(square);
  }

  // -log p at theta + a u, infinite outside the bounds.
  double energy_at(double a) {
    for (std::size_t i = 0; i < theta_.size(); ++i) {
      at_[i] = theta_[i] + a * direction_[i];
      const NormalPrior& prior = density_.priors()[i];
      if (at_[i] < prior.lower || at_[i] > prior.upper) return std::numeric_limits<double>::infinity();
    }
    return density_.value(at_);
  }

  PosteriorDensity& density_;
  Stream stream_;
  const ChainOptions& options_;
  Vector theta_, at_, direction_;
  double energy_;
};

}  // namespace

std::vector<Vector> slice_sample(PosteriorDensity& density, VectorView start, Index count, Stream stream,
                                 const ChainOptions& options) {
  require(count >= 1, "at least one draw is needed");
  Chain chain(density, start, stream, options);
  std::vector<Vector> out;
  if (!chain.begun()) return out;
  for (int k = 0; k < options.burn_in; ++k) chain.step();
  while (static_cast<Index>(out.size()) < count) {
    for (int k = 0; k < options.thinning; ++k) chain.step();
    out.push_back(chain.theta());
  }
  return out;
}

}  // namespace hpt
