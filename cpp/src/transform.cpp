#include "hpt/transform.hpp"

#include <algorithm>
#include <cmath>

#include "hpt/error.hpp"

namespace hpt {

Standardization::Standardization(VectorView y) {
  require(!y.empty(), "targets: at least one is needed");
  double largest = 0.0;
  for (const double value : y) {
    require(std::isfinite(value), "targets must be finite");
    largest = std::max(largest, std::abs(value));
  }
  if (std::all_of(y.begin(), y.end(), [&](double value) { return value == y[0]; })) {
    mean_ = y[0];
    return;
  }
  // The exponent is held where the unit and its reciprocal are both normal numbers.
  unit_ = std::ldexp(1.0, std::clamp(std::ilogb(largest), -1000, 1000));
  const double n = static_cast<double>(y.size());
  for (const double value : y) mean_ += value / unit_ / n;
  double squares = 0.0;
  for (const double value : y) {
    const double difference = value / unit_ - mean_;
    squares += difference * difference;
  }
  deviation_ = std::sqrt(squares / n);
}

}  // namespace hpt
