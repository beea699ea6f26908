// Draws of the kernel's hyperparameters from their density given observations.
//
//   theta  log hyperparameters, (t,), with normal priors inside bounds (priors.hpp)
//   u      random direction, the priors' deviations times a point of the unit sphere
// Each step draws a level below the density at theta and then a point of the segment of theta + a u on which
// the density is above it: Neal, "Slice sampling", Annals of Statistics 31 (2003), figures 3 and 5, along
// random directions (section 5.1 there; behaviour 5.4).
#pragma once

#include <vector>

#include "hpt/posterior_density.hpp"
#include "hpt/random.hpp"
#include "hpt/view.hpp"

namespace hpt {

struct ChainOptions {
  int burn_in = 100;    // steps before the first draw
  int thinning = 5;     // steps from one draw to the next
  double width = 1.0;   // first length of the segment, in deviations of the prior
  int expansions = 16;  // of the segment at most
  int shrinkages = 64;  // of it at most; then the step stays where it was
};

// `count` draws, each a theta (t,); none where the covariance cannot be factored at `start`, (t,).
std::vector<Vector> slice_sample(PosteriorDensity& density, VectorView start, Index count, Stream stream,
                                 const ChainOptions& options = {});

}  // namespace hpt
