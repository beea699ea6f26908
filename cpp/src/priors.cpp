#include "hpt/priors.hpp"

#include <cmath>

#include "hpt/error.hpp"

namespace hpt {

std::vector<NormalPrior> priors(const Coordinates& space, bool warped) {
  const Layout at(space, warped);
  const double log_d = std::log(static_cast<double>(at.d));
  std::vector<NormalPrior> out(at.size());
  for (const Index i : space.numeric()) {
    out[static_cast<std::size_t>(i)] = {std::log(0.15) + 0.5 * log_d, 0.8, std::log(1e-3), std::log(1e3)};
  }
  for (const Index j : space.categorical()) {
    out[static_cast<std::size_t>(j)] = {std::log(0.35) + log_d, 0.8, std::log(1e-2), std::log(1e3)};
  }
  out[at.amplitude()] = {0.0, 1.0, std::log(1e-3), std::log(1e3)};
  out[at.noise()] = {std::log(1e-3), 2.0, std::log(noise_floor), std::log(10.0)};
  out[at.mean()] = {0.0, 0.5, -10.0, 10.0};
  if (at.mixed) out[at.mixing()] = {2.0, 1.5, -6.0, 6.0};
  for (std::size_t i = at.warping(); i < at.size(); ++i) out[i] = {0.0, 0.5, -1.5, 1.5};
  return out;
}

Vector pack(const Coordinates& space, const Hyperparameters& at) {
  const Layout layout(space, !at.warp_a.empty());
  require(at.length_scales.size() == layout.d, "one length scale a coordinate is needed");
  Vector theta(layout.size());
  for (std::size_t i = 0; i < layout.d; ++i) theta[i] = std::log(at.length_scales[i]);
  theta[layout.amplitude()] = std::log(at.amplitude);
  theta[layout.noise()] = std::log(at.noise);
  theta[layout.mean()] = at.mean;
  if (layout.mixed) theta[layout.mixing()] = std::log(at.mixing / (1.0 - at.mixing));
  if (!layout.warped) return theta;
  require(at.warp_a.size() == layout.p && at.warp_b.size() == layout.p,
          "warping needs two exponents for every numeric coordinate, or none at all");
  for (std::size_t i = 0; i < layout.p; ++i) {
    theta[layout.warping() + i] = std::log(at.warp_a[i]);
    theta[layout.warping() + layout.p + i] = std::log(at.warp_b[i]);
  }
  return theta;
}

Hyperparameters unpack(const Coordinates& space, VectorView theta) {
  Hyperparameters out;
  unpack(space, theta, out);
  return out;
}

void unpack(const Coordinates& space, VectorView theta, Hyperparameters& out) {
  const bool warped = theta.size() > Layout(space, false).size();
  const Layout layout(space, warped);
  require(theta.size() == layout.size(), "theta has the wrong length for this space");
  out.length_scales.resize(layout.d);
  out.warp_a.resize(warped ? layout.p : 0);
  out.warp_b.resize(out.warp_a.size());
  for (std::size_t i = 0; i < layout.d; ++i) out.length_scales[i] = std::exp(theta[i]);
  out.amplitude = std::exp(theta[layout.amplitude()]);
  out.noise = std::exp(theta[layout.noise()]);
  out.mean = theta[layout.mean()];
  if (layout.mixed) out.mixing = 1.0 / (1.0 + std::exp(-theta[layout.mixing()]));
  for (std::size_t i = 0; i < out.warp_a.size(); ++i) {
    out.warp_a[i] = std::exp(theta[layout.warping() + i]);
    out.warp_b[i] = std::exp(theta[layout.warping() + layout.p + i]);
  }
}

Hyperparameters prior_mode(const Coordinates& space) {
  Vector theta;
  for (const NormalPrior& prior : priors(space, false)) theta.push_back(prior.center);
  return unpack(space, theta);
}

}  // namespace hpt
