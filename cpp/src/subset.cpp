#include "hpt/subset.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "hpt/error.hpp"
#include "hpt/kernel.hpp"
#include "hpt/kernel_loops.hpp"

namespace hpt {
namespace {

// Collects rows and keeps, for every point, the squared distance to the nearest of them; a category that
// differs counts as the whole range of a number.
class Collection {
 public:
  Collection(const Coordinates& space, MatrixView X, Index limit)
      : kernel_(space, {Vector(static_cast<std::size_t>(space.size()), 1.0)}),
        columns_(kernel_.prepare(X)),
        numeric_(static_cast<Index>(space.numeric().size())),
        limit_(limit),
        nearest_(static_cast<std::size_t>(columns_.stride), std::numeric_limits<double>::infinity()),
        point_(static_cast<std::size_t>(space.size())),
        taken_(static_cast<std::size_t>(X.rows()), 0) {}

  bool full() const { return static_cast<Index>(rows_.size()) >= limit_; }
  bool has(Index row) const { return taken_[static_cast<std::size_t>(row)] != 0; }
  const Vector& nearest() const { return nearest_; }
  std::vector<Index> sorted() {
    std::sort(rows_.begin(), rows_.end());
    return rows_;
  }

  void take(Index row) {
    if (full() || has(row)) return;
    taken_[static_cast<std::size_t>(row)] = 1;
    rows_.push_back(row);
    lower(row, nearest_);
  }

  // Squared distances from one point to all.
  Vector from(Index row) {
    Vector out(nearest_.size(), std::numeric_limits<double>::infinity());
    lower(row, out);
    return out;
  }

 private:
  void lower(Index row, Vector& distances) {
    Kernel::place(columns_, row, point_.data());
    loops::lower_distances(numeric_, static_cast<Index>(point_.size()) - numeric_, point_.data(),
                           columns_.values.data(), columns_.stride, distances.data());
  }

  Kernel kernel_;
  Columns columns_;
  Index numeric_, limit_;
  Vector nearest_, point_;
  std::vector<char> taken_;
  std::vector<Index> rows_;
};

std::vector<Index> order_of(VectorView values) {
  std::vector<Index> order(values.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return values[static_cast<std::size_t>(a)] < values[static_cast<std::size_t>(b)];
  });
  return order;
}

}  // namespace

std::vector<Index> representative(const Coordinates& space, MatrixView X, VectorView y, Index limit) {
  require(limit >= 1, "at least one observation must be kept");
  require(X.rows() == static_cast<Index>(y.size()), "X and y differ in their number of observations");
  space.check(X);
  if (X.rows() <= limit) {
    std::vector<Index> all(y.size());
    std::iota(all.begin(), all.end(), Index{0});
    return all;
  }
  constexpr Index incumbents = 5;
  Collection kept(space, X, limit);
  const std::vector<Index> best = order_of(y);
  for (Index i = 0; i < std::max<Index>(1, limit / 4); ++i) kept.take(best[static_cast<std::size_t>(i)]);
  for (Index i = 0; i < std::min(incumbents, X.rows()); ++i) {
    const Vector distances = kept.from(best[static_cast<std::size_t>(i)]);
    Index left = limit / 4 / incumbents;
    for (const Index row : order_of({distances.data(), y.size()})) {
      if (left == 0) break;
      if (kept.has(row)) continue;
      kept.take(row);
      --left;
    }
  }
  while (!kept.full()) {
    Index farthest = -1;
    for (Index row = 0; row < X.rows(); ++row) {
      if (kept.has(row)) continue;
      if (farthest < 0 ||
          kept.nearest()[static_cast<std::size_t>(row)] > kept.nearest()[static_cast<std::size_t>(farthest)])
        farthest = row;
    }
    kept.take(farthest);
  }
  return kept.sorted();
}

}  // namespace hpt
