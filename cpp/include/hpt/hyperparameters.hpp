// Priors of the kernel's hyperparameters and their maximum a posteriori fit.
//
//   theta = (log l_1 ... log l_d, log s, log noise, mean [, logit lam])       (t,), t = d + 3 or d + 4
//   K     = k(X, X) + noise I        alpha = K^-1 (y - mean)        W = alpha alpha' - K^-1
//   -log p(y, theta) = y' alpha / 2 + log |K| / 2 + n log(2 pi) / 2 - log p(theta)
//   d/dtheta_i       = -tr(W dK/dtheta_i) / 2 - d log p / dtheta_i        Rasmussen and Williams 2006,
//   eq. 5.9
//
// Every prior is a normal in theta. That of the length scales moves with log(d) / 2, so that the prior
// correlation of two random points does not vanish as dimensions are added: Hvarfner, Hellsten and Nardi,
// "Vanilla Bayesian optimization performs great in high dimensions", ICML 2024, section 4.
#pragma once

#include "hpt/coordinates.hpp"
#include "hpt/kernel.hpp"
#include "hpt/view.hpp"

namespace hpt {

inline constexpr double noise_floor = 1e-6;  // of the targets' variance

struct FitOptions {
  int iterations = 50;  // of each of the two starts
};

Vector pack(const Coordinates& space, const Hyperparameters& at);    // -> theta (t,)
Hyperparameters unpack(const Coordinates& space, VectorView theta);  // <- theta (t,)
Hyperparameters prior_mode(const Coordinates& space);

// -log p(y, theta | X), writing its gradient (t,); infinite where K cannot be factored. y is standardised,
// (n,).
double negative_log_posterior(const Coordinates& space, MatrixView X, VectorView y, VectorView theta,
                              MutableVectorView gradient);

// The best of two local searches, from the prior mode and from shorter length scales. A pure function of (X,
// y).
Hyperparameters fit_hyperparameters(const Coordinates& space, MatrixView X, VectorView y,
                                    const FitOptions& options = {});

}  // namespace hpt
