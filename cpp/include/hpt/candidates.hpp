// Points among which the search for an acquisition's maximum begins.
#pragma once

#include <cstdint>

#include "hpt/away.hpp"
#include "hpt/gaussian_process.hpp"
#include "hpt/parallel.hpp"
#include "hpt/tried.hpp"
#include "hpt/view.hpp"

namespace hpt {

inline constexpr Index parents = 5;  // observed points that are perturbed, those of lowest posterior mean

// `whole` quasi-random points of the whole space and `local` perturbations of the best observed ones that are
// not among `away`, of which those that were tried are left out: (m, d). held: (d,), values of coordinates,
// NaN where one is free; or empty. Everything random comes from (seed, trial).
Matrix candidates(const GaussianProcess& model, const Tried& tried, const Away& away, VectorView held,
                  Index whole, Index local, std::uint64_t seed, std::uint64_t trial, const Team& team);

}  // namespace hpt
