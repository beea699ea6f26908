#include "hpt/ascent_ranges.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "hpt/acquisition.hpp"
#include "hpt/candidates.hpp"

namespace hpt {
namespace {

bool at_an_end(double value) {
  return value <= 0.0 || value >= 1.0;
}

// The points of lowest posterior mean, of which the candidates are perturbations.
std::vector<VectorView> best_points(const GaussianProcess& model, VectorView held) {
  const Matrix mean = means_at(model, held);
  std::vector<Index> order(static_cast<std::size_t>(mean.rows()));
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return mean(a, 0) < mean(b, 0); });
  order.resize(std::min(order.size(), static_cast<std::size_t>(parents)));
  std::vector<VectorView> out;
  for (const Index i : order) out.push_back(model.points().row(i));
  return out;
}

bool all_at_an_end(const std::vector<VectorView>& points, std::size_t i) {
  return std::all_of(points.begin(), points.end(), [i](VectorView x) { return at_an_end(x[i]); });
}

}  // namespace

AscentRanges ascent_ranges(const GaussianProcess& model, const Matrix& starts, VectorView held) {
  const auto& continuous = model.space().continuous();
  const Index count = static_cast<Index>(continuous.size());
  AscentRanges out{Matrix(starts.rows(), count), Matrix(starts.rows(), count)};
  std::vector<VectorView> best;
  if (model.space().wide()) best = best_points(model, held);
  for (Index q = 0; q < count; ++q) {
    const auto i = static_cast<std::size_t>(continuous[static_cast<std::size_t>(q)]);
    const bool is_held = !held.empty() && !std::isnan(held[i]);
    const bool ends_there = !best.empty() && all_at_an_end(best, i);
    for (Index k = 0; k < starts.rows(); ++k) {
      const double start = starts(k, static_cast<Index>(i));
      const bool stays = is_held || (ends_there && !at_an_end(start));
      out.lower(k, q) = stays ? start : 0.0;
      out.upper(k, q) = stays ? start : 1.0;
    }
  }
  return out;
}

}  // namespace hpt
