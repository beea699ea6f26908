// Gradient ascents of an acquisition, side by side.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "hpt/acquisition.hpp"
#include "hpt/lbfgsb.hpp"

namespace hpt {

// Ascends from several points at once: each step evaluates all that are still under way in one call.
class Lockstep {
 public:
  Lockstep(const Acquisition& acquisition, const Landmarks* landmarks) : acquisition_(acquisition) {
    batch_.at.landmarks = landmarks;
  }

  // searches[k] moves the continuous coordinates of row rows[k] of `points`, (k, d).
  void run(const Matrix& points, std::span<const Index> rows, std::span<BoundedSearch> searches) {
    const auto& free = acquisition_.model().space().continuous();
    Matrix X(static_cast<Index>(rows.size()), points.cols());
    Vector slope(free.size());
    std::vector<std::size_t> active;
    active.reserve(rows.size());
    for (;;) {
      active.clear();
      for (std::size_t k = 0; k < searches.size(); ++k) {
        if (searches[k].done()) continue;
        const MutableVectorView x = X.row(static_cast<Index>(active.size()));
        std::copy(points.row(rows[k]).begin(), points.row(rows[k]).end(), x.begin());
        for (std::size_t q = 0; q < free.size(); ++q)
          x[static_cast<std::size_t>(free[q])] = searches[k].trial()[q];
        active.push_back(k);
      }
      if (active.empty()) return;
      acquisition_.evaluate(MatrixView(X).head(static_cast<Index>(active.size())), batch_);
      for (std::size_t i = 0; i < active.size(); ++i) {
        for (std::size_t q = 0; q < free.size(); ++q)
          slope[q] = -batch_.gradients(static_cast<Index>(i), static_cast<Index>(q));
        searches[active[i]].tell(-batch_.values[i], slope);
      }
    }
  }

 private:
  const Acquisition& acquisition_;
  Acquisition::Batch batch_;
};

}  // namespace hpt
