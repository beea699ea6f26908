#include "hpt/tried.hpp"

#include <algorithm>
#include <cmath>

namespace hpt {

Tried::Tried(const Coordinates& space, const Tried* before)
    : space_(space), before_(before), slack_(1e-12 * static_cast<double>(space.size())) {
  for (Index i = 0; i < space.size(); ++i) {
    const double turn =
        static_cast<double>(i + 1) * 0.6180339887498949;  // the golden ratio: never near alike
    weights_.push_back(0.5 + turn - std::floor(turn));
    if (!space[i].discrete()) slack_ += weights_.back() * Coordinates::same_tolerance;
  }
}

double Tried::key(VectorView x) const {
  double out = 0.0;
  for (Index i = 0; i < space_.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Coordinate& c = space_[i];
    out += weights_[at] *
           (c.discrete() ? static_cast<double>(c.level(x[at])) / static_cast<double>(c.levels()) : x[at]);
  }
  return out;
}

void Tried::add(MatrixView X) {
  for (Index i = 0; i < X.rows(); ++i) entries_.emplace_back(key(X.row(i)), X.row(i).data());
  std::sort(entries_.begin(), entries_.end());
}

bool Tried::contains(VectorView x) const {
  const double at = key(x);
  const auto first = std::lower_bound(entries_.begin(), entries_.end(), at - slack_,
                                      [](const auto& entry, double value) { return entry.first < value; });
  for (auto entry = first; entry != entries_.end() && entry->first <= at + slack_; ++entry) {
    if (space_.same(x, {entry->second, x.size()})) return true;
  }
  if (before_ != nullptr && before_->contains(x)) return true;
  return away_ != nullptr && away_->contains(x);
}

}  // namespace hpt
