#include "hpt/ascent_ranges.hpp"

#include <algorithm>
#include <cmath>

#include "hpt/acquisition.hpp"

namespace hpt {
namespace {

// The point of lowest posterior mean.
VectorView best_point(const GaussianProcess& model, VectorView held) {
  const Matrix mean = means_at(model, held);
  Index best = 0;
  for (Index i = 1; i < mean.rows(); ++i) {
    if (mean(i, 0) < mean(best, 0)) best = i;
  }
  return model.points().row(best);
}

bool at_an_end(double value) {
  return value <= 0.0 || value >= 1.0;
}

}  // namespace

AscentRanges ascent_ranges(const GaussianProcess& model, const Matrix& starts, VectorView held) {
  const auto& continuous = model.space().continuous();
  const Index count = static_cast<Index>(continuous.size());
  AscentRanges out{Matrix(starts.rows(), count), Matrix(starts.rows(), count)};
  const VectorView best = model.space().wide() ? best_point(model, held) : VectorView();
  for (Index q = 0; q < count; ++q) {
    const auto i = static_cast<std::size_t>(continuous[static_cast<std::size_t>(q)]);
    const bool is_held = !held.empty() && !std::isnan(held[i]);
    const bool ends_there = !best.empty() && at_an_end(best[i]);
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
