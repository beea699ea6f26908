// Points chosen without a model: the first of a search, and a fallback where a search finds none.
#pragma once

#include <cstdint>
#include <optional>

#include "hpt/coordinates.hpp"
#include "hpt/random.hpp"
#include "hpt/tried.hpp"
#include "hpt/view.hpp"

namespace hpt {

// Scrambled Sobol' coordinates, continued with random ones past the sequence's last dimension; x in [0, 1)^d.
class UnitPoints {
 public:
  UnitPoints(Index dimension, std::uint64_t seed, std::uint64_t trial, Use use);
  void point(std::uint64_t index, MutableVectorView x) const;

 private:
  Sobol sobol_;
  std::uint64_t seed_, trial_;
  Use use_;
};

// The first point of a search (trial 1) is the middle of every range, the others are scrambled Sobol' points.
// tried: (t, d). Empty when every point of the space was tried. d is at most 256 for Sobol' points; further
// coordinates are plain random.
std::optional<Vector> design_point(const Coordinates& space, MatrixView tried, std::uint64_t seed,
                                   std::uint64_t trial);

// An untried point; empty as above. held: (d,), values of coordinates, NaN where one is free; or empty.
std::optional<Vector> any_untried(const Coordinates& space, const Tried& tried, std::uint64_t seed,
                                  std::uint64_t trial, VectorView held = {});

}  // namespace hpt
