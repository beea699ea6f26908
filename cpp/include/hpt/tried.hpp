// Points that may not be proposed: those tried before, found by a search of sorted keys, and those that a
// search keeps away from.
#pragma once

#include <utility>
#include <vector>

#include "hpt/away.hpp"
#include "hpt/coordinates.hpp"
#include "hpt/view.hpp"

namespace hpt {

class Tried {
 public:
  // The space, whatever is added, and those known before, if any, must outlive it.
  explicit Tried(const Coordinates& space, const Tried* before = nullptr);
  void add(MatrixView X);                              // (t, d)
  void keep_away(const Away& from) { away_ = &from; }  // which must outlive it
  Index rows() const { return static_cast<Index>(entries_.size()); }
  bool contains(VectorView x) const;  // by Coordinates::same

 private:
  // Points that are the same have keys within `slack_` of each other; few others do.
  double key(VectorView x) const;
  const Coordinates& space_;
  const Tried* before_;
  const Away* away_ = nullptr;
  std::vector<double> weights_;  // (d,)
  double slack_;
  std::vector<std::pair<double, const double*>> entries_;  // key and coordinates, sorted by key
};

}  // namespace hpt
