#include "hpt/design.hpp"

#include <algorithm>
#include <cmath>

#include "hpt/error.hpp"

namespace hpt {

UnitPoints::UnitPoints(Index dimension, std::uint64_t seed, std::uint64_t trial, Use use)
    : sobol_(std::min(dimension, Sobol::max_dimension), Stream(seed, trial, use)),
      seed_(seed),
      trial_(trial),
      use_(use) {}

void UnitPoints::point(std::uint64_t index, MutableVectorView x) const {
  const auto covered = static_cast<std::size_t>(sobol_.dimension());
  sobol_.point(index, x.first(covered));
  if (x.size() == covered) return;
  Stream rest(seed_, trial_, use_, index + 1);
  for (double& value : x.subspan(covered)) value = rest.uniform();
}

std::optional<Vector> design_point(const Coordinates& space, MatrixView tried_points, std::uint64_t seed,
                                   std::uint64_t trial) {
  require(trial >= 1, "trials are numbered from 1");
  space.check(tried_points);
  Tried tried(space);
  tried.add(tried_points);
  Vector x(static_cast<std::size_t>(space.size()), 0.5);
  if (trial > 1) UnitPoints(space.size(), seed, 0, Use::design_scramble).point(trial - 2, x);
  space.from_unit(x);
  if (!tried.contains(x)) return x;
  return any_untried(space, tried, seed, trial);
}

// Random draws, then, in a finite space, a walk from a random place that meets every point.
std::optional<Vector> any_untried(const Coordinates& space, const Tried& tried, std::uint64_t seed,
                                  std::uint64_t trial, VectorView held) {
  constexpr int attempts = 64;
  Vector x(static_cast<std::size_t>(space.size()));
  const std::vector<Index> columns = space.free(held);
  Stream stream(seed, trial, Use::design_retry);
  for (int attempt = 0; attempt < attempts; ++attempt) {
    for (double& value : x) value = stream.uniform();
    space.from_unit(x);
    hold(held, x);
    if (!tried.contains(x)) return x;
  }
  const Coordinates free = space.part(columns);
  if (!free.cardinality()) return x;  // a continuum: a repeat has probability 0, so the last draw is used
  const std::uint64_t count = *free.cardinality();
  const std::uint64_t start = Stream(seed, trial, Use::enumeration).below(count);
  // At most rows + 1 steps are needed: more distinct points than were ever tried.
  const std::uint64_t steps = std::min(count, static_cast<std::uint64_t>(tried.rows()) + 1);
  Vector part(columns.size());
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::uint64_t left = count - start;
    free.at(step < left ? start + step : step - left, part);
    for (std::size_t k = 0; k < columns.size(); ++k) x[static_cast<std::size_t>(columns[k])] = part[k];
    if (!tried.contains(x)) return x;
  }
  return std::nullopt;
}

}  // namespace hpt
