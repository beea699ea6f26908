// Transforms targets for the Gaussian process, and its predictions back.
#pragma once

#include <algorithm>

#include "hpt/view.hpp"

namespace hpt {

// Targets shifted and scaled to mean 0 and population variance 1; scale 1 where all are equal.
//
// Kept in units of a power of two near the largest target, so that no square overflows or underflows.
class Standardization {
 public:
  explicit Standardization(VectorView y);  // y (n,), n >= 1, finite
  // Held within what can be squared, for a number far from the targets.
  double forward(double y) const { return std::clamp((y / unit_ - mean_) / deviation_, -most, most); }
  double inverse(double z) const { return (mean_ + deviation_ * z) * unit_; }
  double mean() const { return mean_ * unit_; }
  double scale() const { return deviation_ * unit_; }

 private:
  static constexpr double most = 1e140;
  double unit_ = 1.0;
  double mean_ = 0.0;
  double deviation_ = 1.0;
};

// How far the worse half of the targets reaches, in spreads of the better half, unless its own differences
// would be lost.
inline constexpr double default_tail_limit = 2.0;

// Draws in the worse half of the targets where it reaches further than the better half, and leaves the better
// half as it is.
//
//   m   pivot: the median target, or the lowest that has a smaller one below it
//   s   root mean square of m - y over the targets at or below m
//   c   (y) = m + s ((1 + (y - m) / s)^p - 1) / p above m (Box and Cox 1964; p = 0: a logarithm), else y
//
// The power p <= 1 is the largest at which the worse half's root mean square is at most `tail_limit` times s,
// so that targets without a heavy tail are not touched; but where more than half of the targets crowd at one
// value, s is as small as the crowd, and such a power would make all others one value. So it is higher, 0 at
// most, where the quartiles of the worse half, q below r, would otherwise keep less than a twentieth of their
// difference: (c(r) - c(q)) / (c(r) - m) of (r - q) / (r - m), unless that took the worst beyond 32 s.
// Increasing, with slope 1 at the pivot; above the worst target it goes on along the chord from the pivot, so
// that every real number has its inverse, which stays of the worst target's order. That the worse half is
// compressed by its relation to the better half: Song et al., "The Vigor of Vizier" (2024), half-rank
// warping.
class Compression {
 public:
  Compression() = default;                       // the identity
  Compression(VectorView y, double tail_limit);  // y (n,), finite and of moderate size
  double forward(double y) const;
  double inverse(double c) const;
  double log_slope(double y) const;  // of `forward`
  double power() const { return power_; }

 private:
  double pivot_ = 0.0, spread_ = 1.0, power_ = 1.0;
  double last_ = 0.0, chord_ = 1.0;  // (worst target - m) / s, and the slope above it
};

// Targets to standardised, compressed ones and back: monotone, so that the order of targets is kept.
// Compression works in units of the better half's spread: in those of all targets, one that is many orders
// of magnitude above the others would round their differences away.
class TargetTransform {
 public:
  TargetTransform(VectorView y,
                  double tail_limit);  // y (n,), n >= 1, finite; the limit above 0, infinite for none
  double forward(double y) const { return outer_.forward(compression_.forward(inner_.forward(y))); }
  double inverse(double z) const { return inner_.inverse(compression_.inverse(outer_.inverse(z))); }
  double slope(double z) const;  // dy/dz, at a transformed target
  double log_slope(double z) const;
  const Compression& compression() const { return compression_; }

 private:
  Standardization inner_;
  Compression compression_;
  Standardization outer_;
};

}  // namespace hpt
