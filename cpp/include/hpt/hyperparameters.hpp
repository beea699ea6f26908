// The maximum a posteriori fit of the kernel's hyperparameters (priors.hpp, posterior_density.hpp).
#pragma once

#include <optional>

#include "hpt/coordinates.hpp"
#include "hpt/kernel.hpp"
#include "hpt/posterior_density.hpp"
#include "hpt/priors.hpp"
#include "hpt/transform.hpp"
#include "hpt/view.hpp"

namespace hpt {

struct FitOptions {
  int iterations = 25;  // of each start at most
  bool warping = true;  // of the inputs, from 2 d observations on
  std::optional<Hyperparameters> start =
      std::nullopt;  // an earlier fit to begin from besides the prior's mode
  int threads = 1;   // without effect on the result
  double tail_limit = default_tail_limit;
  // Of more observations than this, that many which represent all (subset.hpp) decide: a fit costs their
  // number cubed, and a dozen numbers are known from a few hundred.
  Index limit = 256;
};

// -log p(y, theta | X), writing its gradient (t,); infinite where K cannot be factored. y is standardised,
// (n,). With 2 p entries more than without, theta holds warping exponents.
double negative_log_posterior(const Coordinates& space, MatrixView X, VectorView y, VectorView theta,
                              MutableVectorView gradient);

// The best of a few local searches, from the prior mode, from shorter length scales, and from an earlier fit.
// A pure function of (X, y) and the earlier fit. `value` gets -log p(y, theta | X).
Hyperparameters fit_hyperparameters(const Coordinates& space, MatrixView X, VectorView y,
                                    const FitOptions& options = {}, double* value = nullptr);

// The same of targets as they were told, y (n,), transformed by all of them. density: log p(y, theta | X) of
// those that decide.
struct Fit {
  Hyperparameters at;
  double density;
};
Fit fit_targets(const Coordinates& space, MatrixView X, VectorView y, const FitOptions& options = {});

}  // namespace hpt
