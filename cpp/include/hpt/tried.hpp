// Points that may not be proposed again, found by a search of sorted keys.
#pragma once

#include <utility>
#include <vector>

#include "hpt/coordinates.hpp"
#include "hpt/view.hpp"

namespace hpt {

class Tried {
 public:
  explicit Tried(const Coordinates& space);  // the space, and whatever is added, must outlive it
  void add(MatrixView X);                    // (t, d)
  Index rows() const { return static_cast<Index>(entries_.size()); }
  bool contains(VectorView x) const;  // by Coordinates::same

 private:
  // Points that are the same have keys within `slack_` of each other; few others do.
  double key(VectorView x) const;
  const Coordinates& space_;
  std::vector<double> weights_;  // (d,)
  double slack_;
  std::vector<std::pair<double, const double*>> entries_;  // key and coordinates, sorted by key
};

}  // namespace hpt
