#include "hpt/lbfgsb.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hpt/blas.hpp"
#include "hpt/error.hpp"

namespace hpt {
namespace {

// The last `capacity` pairs of steps s and gradient changes y, oldest first.
class Memory {
 public:
  Memory(int capacity, std::size_t n) : S_(capacity, static_cast<Index>(n)), Y_(S_), alpha_(capacity, 0.0) {}

  void clear() { count_ = first_ = 0; }

  void push(VectorView s, VectorView y) {
    const double curvature = dot(s, y);
    if (!(curvature > 1e-10 * std::sqrt(dot(s, s) * dot(y, y))))
      return;  // keeps the metric positive definite
    const Index capacity = S_.rows();
    const Index slot = (first_ + count_) % capacity;
    std::copy(s.begin(), s.end(), S_.row(slot).begin());
    std::copy(y.begin(), y.end(), Y_.row(slot).begin());
    if (count_ < capacity) {
      ++count_;
    } else {
      first_ = (first_ + 1) % capacity;
    }
  }

  // direction <- -H gradient on the free coordinates, 0 on the others.
  void direction(VectorView gradient, const std::vector<char>& free, MutableVectorView direction) {
    const std::size_t n = gradient.size();
    for (std::size_t i = 0; i < n; ++i) direction[i] = free[i] ? -gradient[i] : 0.0;
    double gamma = 0.0;
    for (Index k = count_ - 1; k >= 0; --k) {
      const Index slot = (first_ + k) % S_.rows();
      const double curvature = free_dot(S_.row(slot), Y_.row(slot), free);
      auto& alpha = alpha_[static_cast<std::size_t>(k)];
      alpha = 0.0;
      if (!(curvature > 0.0)) continue;
      if (gamma == 0.0) gamma = curvature / free_dot(Y_.row(slot), Y_.row(slot), free);
      alpha = free_dot(S_.row(slot), direction, free) / curvature;
      for (std::size_t i = 0; i < n; ++i)
        direction[i] -= free[i] ? alpha * Y_(slot, static_cast<Index>(i)) : 0.0;
    }
    if (gamma > 0.0) {
      for (double& value : direction) value *= gamma;
    }
    for (Index k = 0; k < count_; ++k) {
      const Index slot = (first_ + k) % S_.rows();
      const double curvature = free_dot(S_.row(slot), Y_.row(slot), free);
      if (!(curvature > 0.0)) continue;
      const double beta = free_dot(Y_.row(slot), direction, free) / curvature;
      const double weight = alpha_[static_cast<std::size_t>(k)] - beta;
      for (std::size_t i = 0; i < n; ++i)
        direction[i] += free[i] ? weight * S_(slot, static_cast<Index>(i)) : 0.0;
    }
  }

  bool empty() const { return count_ == 0; }

 private:
  static double free_dot(VectorView a, VectorView b, const std::vector<char>& free) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += free[i] ? a[i] * b[i] : 0.0;
    return sum;
  }

  Matrix S_, Y_;  // (capacity, n)
  std::vector<double> alpha_;
  Index first_ = 0, count_ = 0;
};

// One search: the point, its gradient, and the step under trial.
class Descent {
 public:
  Descent(const Objective& f, VectorView lower, VectorView upper, MutableVectorView x,
          const LbfgsbOptions& options)
      : f_(f),
        lower_(lower),
        upper_(upper),
        x_(x),
        options_(options),
        memory_(options.memory, x.size()),
        gradient_(x.size()),
        trial_(x.size()),
        trial_gradient_(x.size()),
        direction_(x.size()),
        step_(x.size()),
        free_(x.size()) {}

  LbfgsbResult run() {
    result_.value = f_(x_, gradient_);
    result_.evaluations = 1;
    if (!std::isfinite(result_.value)) return result_;
    while (result_.iterations < options_.iterations && result_.evaluations < options_.evaluations) {
      const double largest = mark_free();
      if (!(largest > options_.gradient_tolerance)) break;
      const double length = choose_direction(largest);
      const double value = backtrack(length);
      if (std::isnan(value)) {
        if (memory_.empty()) break;
        memory_.clear();  // a direction without descent: begin again from steepest descent
        continue;
      }
      if (!accept(value)) break;
    }
    return result_;
  }

 private:
  // Which coordinates may move, and the largest entry of the gradient among them.
  double mark_free() {
    double largest = 0.0;
    for (std::size_t i = 0; i < x_.size(); ++i) {
      const bool held =
          (x_[i] <= lower_[i] && gradient_[i] >= 0.0) || (x_[i] >= upper_[i] && gradient_[i] <= 0.0);
      free_[i] = !held;
      if (free_[i]) largest = std::max(largest, std::abs(gradient_[i]));
    }
    return largest;
  }

  // Sets the direction and returns the first length to try along it.
  double choose_direction(double largest) {
    memory_.direction(gradient_, free_, direction_);
    if (!(dot(gradient_, direction_) < 0.0)) {  // rounding spoilt the metric
      memory_.clear();
      memory_.direction(gradient_, free_, direction_);
    }
    return memory_.empty() ? std::min(1.0, 1.0 / largest) : 1.0;
  }

  // Shortens the step until it descends; the value there, or NaN where none does.
  double backtrack(double t) {
    while (result_.evaluations < options_.evaluations && t >= 1e-14) {
      double predicted = 0.0;
      for (std::size_t i = 0; i < x_.size(); ++i) {
        trial_[i] = std::clamp(x_[i] + t * direction_[i], lower_[i], upper_[i]);
        step_[i] = trial_[i] - x_[i];
        predicted += gradient_[i] * step_[i];
      }
      if (!(predicted < 0.0)) break;
      const double value = f_(trial_, trial_gradient_);
      ++result_.evaluations;
      if (value <= result_.value + 1e-4 * predicted) return value;
      // Minimum of the parabola through both values and the slope, kept within [0.1, 0.5] of the step.
      const double cut = std::isfinite(value) ? -0.5 * predicted / (value - result_.value - predicted) : 0.1;
      t *= std::clamp(cut, 0.1, 0.5);
    }
    return std::numeric_limits<double>::quiet_NaN();
  }

  // Moves to the trial point; false when the search has converged.
  bool accept(double value) {
    ++result_.iterations;
    const double decrease = result_.value - value;
    const double size = std::max({std::abs(value), std::abs(result_.value), 1.0});
    for (std::size_t i = 0; i < x_.size(); ++i) gradient_[i] = trial_gradient_[i] - gradient_[i];
    memory_.push(step_, gradient_);
    std::copy(trial_.begin(), trial_.end(), x_.begin());
    std::copy(trial_gradient_.begin(), trial_gradient_.end(), gradient_.begin());
    result_.value = value;
    return decrease > options_.value_tolerance * size;
  }

  const Objective& f_;
  VectorView lower_, upper_;
  MutableVectorView x_;
  const LbfgsbOptions& options_;
  Memory memory_;
  Vector gradient_, trial_, trial_gradient_, direction_, step_;
  std::vector<char> free_;
  LbfgsbResult result_;
};

}  // namespace

LbfgsbResult lbfgsb(const Objective& f, VectorView lower, VectorView upper, MutableVectorView x,
                    const LbfgsbOptions& options) {
  require(lower.size() == x.size() && upper.size() == x.size(),
          "lbfgsb: one lower and one upper bound a coordinate are needed");
  for (std::size_t i = 0; i < x.size(); ++i) {
    require(lower[i] <= upper[i], "lbfgsb: a lower bound is above its upper bound");
    x[i] = std::clamp(x[i], lower[i], upper[i]);
  }
  return Descent(f, lower, upper, x, options).run();
}

}  // namespace hpt
