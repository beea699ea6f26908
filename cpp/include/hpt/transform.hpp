// What happens to the targets before they meet the Gaussian process.
#pragma once

#include "hpt/view.hpp"

namespace hpt {

// Targets shifted and scaled to mean 0 and population variance 1; scale 1 where all are equal (AMT 5.2).
//
// Kept in units of a power of two near the largest target, so that no square overflows or underflows.
class Standardization {
 public:
  explicit Standardization(VectorView y);  // y (n,), n >= 1, finite
  double forward(double y) const { return (y / unit_ - mean_) / deviation_; }
  double inverse(double z) const { return (mean_ + deviation_ * z) * unit_; }
  double mean() const { return mean_ * unit_; }
  double scale() const { return deviation_ * unit_; }

 private:
  double unit_ = 1.0;
  double mean_ = 0.0;
  double deviation_ = 1.0;
};

}  // namespace hpt
