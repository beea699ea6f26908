// Priors of the kernel's hyperparameters, each a normal in theta.
//
//   theta = (log l_1 ... log l_d, log s, log noise, mean [, logit lam] [, log a_1 ... log a_p, log b_1 ...
//   log b_p])
//
// Length scales grow with dimension, so that the prior correlation of two random points does not vanish as
// dimensions are added: Hvarfner, Hellsten and Nardi, "Vanilla Bayesian optimization performs great in high
// dimensions", ICML 2024, section 4. Those of numbers, whose squares add up, grow as sqrt(d), those of
// categories, whose mismatches do, as d; random points then correlate by about 0.04, and by 0.1 where
// categories have five values. That expects a function that bends several times across its range: a search
// whose prior expects a smoother one stops exploring too early. The prior of the warping has its mode
// at the identity: Snoek, Swersky, Zemel and Adams, "Input warping for Bayesian optimization of
// non-stationary functions", ICML 2014.
//
// In a wide space few trials stand against many length scales, and most coordinates matter alike or not at
// all: independent priors would charge every one of them for a function that is smoother than expected. There
// the logarithms share a part of their deviation:
//   log l_i = center_i + g + e_i,   e_i ~ N(0, deviation^2),   g ~ N(0, shared_deviation^2)
#pragma once

#include <vector>

#include "hpt/coordinates.hpp"
#include "hpt/kernel.hpp"
#include "hpt/view.hpp"

namespace hpt {

inline constexpr double noise_floor = 1e-8;  // of the targets' variance

struct NormalPrior {
  double center, deviation, lower, upper;
};

inline constexpr double scale_deviation = 0.8;   // of the logarithm of a length scale
inline constexpr double shared_deviation = 1.5;  // of what all share in a wide space

// Places of the entries of theta after the d length scales.
struct Layout {
  Layout(const Coordinates& space, bool with_warping)
      : d(static_cast<std::size_t>(space.size())),
        p(space.numeric().size()),
        mixed(!space.numeric().empty() && !space.categorical().empty()),
        warped(with_warping && p > 0) {}
  std::size_t d, p;
  bool mixed, warped;
  std::size_t amplitude() const { return d; }
  std::size_t noise() const { return d + 1; }
  std::size_t mean() const { return d + 2; }
  std::size_t mixing() const { return d + 3; }
  std::size_t warping() const { return d + 3 + (mixed ? 1 : 0); }
  std::size_t size() const { return warping() + (warped ? 2 * p : 0); }
};

std::vector<NormalPrior> priors(const Coordinates& space, bool warped);  // (t,), in the order of theta

// `value` - log p(theta), and the gradient (t,) of -log p.
double add_negative_log_prior(const Coordinates& space, const std::vector<NormalPrior>& priors,
                              VectorView theta, double value);
void prior_gradient(const Coordinates& space, const std::vector<NormalPrior>& priors, VectorView theta,
                    MutableVectorView out);

// theta (t,) has its warping where `at` has exponents, and `at` gets exponents where theta is long enough.
Vector pack(const Coordinates& space, const Hyperparameters& at);
Hyperparameters unpack(const Coordinates& space, VectorView theta);
void unpack(const Coordinates& space, VectorView theta, Hyperparameters& at);  // in the memory it has
Hyperparameters prior_mode(const Coordinates& space);                          // without warping

}  // namespace hpt
