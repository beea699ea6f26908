#include "hpt/priors.hpp"

#include <cmath>
#include <numbers>

#include "hpt/error.hpp"

namespace hpt {
namespace {

// With z_i = (log l_i - center_i) / deviation and t the ratio of the variances, marginal over g:
//   -log p = sum z_i^2 / 2 - c (sum z_i)^2 / 2 + log(1 + d t) / 2 + ...      c = t / (1 + d t)
struct Shared {
  Shared(const Coordinates& space, const std::vector<NormalPrior>& priors, VectorView theta) {
    if (!space.wide()) return;
    const double ratio = std::pow(shared_deviation / scale_deviation, 2);
    const double whole = 1.0 + ratio * static_cast<double>(space.size());
    share = ratio / whole;
    log_whole = std::log(whole);
    for (std::size_t i = 0; i < static_cast<std::size_t>(space.size()); ++i)
      sum += (theta[i] - priors[i].center) / priors[i].deviation;
  }
  double share = 0.0, sum = 0.0, log_whole = 0.0;
};

}  // namespace

double add_negative_log_prior(const Coordinates& space, const std::vector<NormalPrior>& priors,
                              VectorView theta, double value) {
  const Shared shared(space, priors, theta);
  double out = value + 0.5 * (shared.log_whole - shared.share * shared.sum * shared.sum);
  for (std::size_t i = 0; i < priors.size(); ++i) {
    const double z = (theta[i] - priors[i].center) / priors[i].deviation;
    out += 0.5 * z * z + std::log(priors[i].deviation * std::sqrt(2.0 * std::numbers::pi));
  }
  return out;
}

void prior_gradient(const Coordinates& space, const std::vector<NormalPrior>& priors, VectorView theta,
                    MutableVectorView out) {
  const Shared shared(space, priors, theta);
  for (std::size_t i = 0; i < priors.size(); ++i) {
    out[i] = (theta[i] - priors[i].center) / (priors[i].deviation * priors[i].deviation);
    if (shared.share > 0.0 && i < static_cast<std::size_t>(space.size()))
      out[i] -= shared.share * shared.sum / priors[i].deviation;
  }
}

std::vector<NormalPrior> priors(const Coordinates& space, bool warped) {
  const Layout at(space, warped);
  const double log_d = std::log(static_cast<double>(at.d));
  std::vector<NormalPrior> out(at.size());
  for (const Index i : space.numeric()) {
    out[static_cast<std::size_t>(i)] = {std::log(0.15) + 0.5 * log_d, scale_deviation, std::log(1e-3),
                                        std::log(1e3)};
  }
  for (const Index j : space.categorical()) {
    out[static_cast<std::size_t>(j)] = {std::log(0.35) + log_d, scale_deviation, std::log(1e-2),
                                        std::log(1e3)};
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
