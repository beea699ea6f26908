#include "hpt/candidates.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "hpt/acquisition.hpp"
#include "hpt/design.hpp"
#include "hpt/random.hpp"

namespace hpt {
namespace {

// Perturbations of the `parents` points of lowest posterior mean that are not among `away`: a share of the
// coordinates, of a few at least two, on scales from a tenth to a thousandth of a range.
Matrix perturbed(const GaussianProcess& model, const Tried& tried, const Away& away, VectorView held,
                 Index count, Stream stream) {
  const Coordinates& space = model.space();
  const MatrixView X = model.points();
  const Matrix fitted = means_at(model, held);
  std::vector<Index> order(static_cast<std::size_t>(X.rows()));
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return fitted(a, 0) < fitted(b, 0); });
  if (!away.empty()) std::erase_if(order, [&](Index i) { return away.contains(X.row(i)); });
  const double share = std::max(0.3, 2.0 / static_cast<double>(space.size()));
  const Index available = std::min(parents, static_cast<Index>(order.size()));
  Matrix points;
  for (Index k = 0; available > 0 && k < count; ++k) {
    const VectorView parent = X.row(order[static_cast<std::size_t>(k % available)]);
    Vector x(parent.begin(), parent.end());
    const double spread = std::pow(10.0, -1.0 - 2.0 * stream.uniform());
    for (Index i = 0; i < space.size(); ++i) {
      if (stream.uniform() >= share) continue;
      auto& value = x[static_cast<std::size_t>(i)];
      const Coordinate& c = space[i];
      value = c.kind() == Kind::categorical ? c.from_unit(stream.uniform())
                                            : c.snap(value + spread * stream.normal());
    }
    hold(held, x);
    if (!tried.contains(x)) points.append_row(x);
  }
  return points;
}

}  // namespace

Matrix candidates(const GaussianProcess& model, const Tried& tried, const Away& away, VectorView held,
                  Index whole, Index local, std::uint64_t seed, std::uint64_t trial, const Team& team) {
  constexpr Index chunk_rows = 128;
  const Coordinates& space = model.space();
  const UnitPoints unit(space.size(), seed, trial, Use::candidate_scramble);
  Matrix drawn(whole, space.size()), near;
  std::vector<char> untried(static_cast<std::size_t>(whole));
  for_chunks(1 + chunks_of(whole, chunk_rows), team, [&](Index chunk) {
    if (chunk == 0) {  // takes longest
      near = perturbed(model, tried, away, held, local, Stream(seed, trial, Use::local_candidates));
      return;
    }
    for (Index k = (chunk - 1) * chunk_rows; k < std::min(whole, chunk * chunk_rows); ++k) {
      const MutableVectorView x = drawn.row(k);
      unit.point(static_cast<std::uint64_t>(k), x);
      space.from_unit(x);
      hold(held, x);
      untried[static_cast<std::size_t>(k)] = !tried.contains(x);
    }
  });
  Matrix points;
  for (Index k = 0; k < whole; ++k) {
    if (untried[static_cast<std::size_t>(k)]) points.append_row(drawn.row(k));
  }
  for (Index k = 0; k < near.rows(); ++k) points.append_row(near.row(k));
  return points;
}

}  // namespace hpt
