#include "hpt/lbfgsb.hpp"

#include <algorithm>
#include <cmath>

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

}  // namespace

LbfgsbResult lbfgsb(const Objective& f, VectorView lower, VectorView upper, MutableVectorView x,
                    const LbfgsbOptions& options) {
  const std::size_t n = x.size();
  require(lower.size() == n && upper.size() == n,
          "lbfgsb: one lower and one upper bound a coordinate are needed");
  for (std::size_t i = 0; i < n; ++i) {
    require(lower[i] <= upper[i], "lbfgsb: a lower bound is above its upper bound");
    x[i] = std::clamp(x[i], lower[i], upper[i]);
  }
  Vector gradient(n), trial(n), trial_gradient(n), direction(n), step(n), change(n);
  std::vector<char> free(n);
  Memory memory(options.memory, n);
  LbfgsbResult result;
  result.value = f(x, gradient);
  result.evaluations = 1;
  if (!std::isfinite(result.value)) return result;

  while (result.iterations < options.iterations && result.evaluations < options.evaluations) {
    double largest = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      free[i] = !((x[i] <= lower[i] && gradient[i] >= 0.0) || (x[i] >= upper[i] && gradient[i] <= 0.0));
      if (free[i]) largest = std::max(largest, std::abs(gradient[i]));
    }
    if (!(largest > options.gradient_tolerance)) break;
    memory.direction(gradient, free, direction);
    double t = memory.empty() ? std::min(1.0, 1.0 / largest) : 1.0;
    if (!(dot(gradient, direction) < 0.0)) {  // rounding spoilt the metric: begin again from steepest descent
      memory.clear();
      memory.direction(gradient, free, direction);
      t = std::min(1.0, 1.0 / largest);
    }
    double value = 0.0;
    bool descended = false;
    while (result.evaluations < options.evaluations) {
      double predicted = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        trial[i] = std::clamp(x[i] + t * direction[i], lower[i], upper[i]);
        step[i] = trial[i] - x[i];
        predicted += gradient[i] * step[i];
      }
      if (!(predicted < 0.0)) break;
      value = f(trial, trial_gradient);
      ++result.evaluations;
      if (value <= result.value + 1e-4 * predicted) {
        descended = true;
        break;
      }
      // Minimum of the parabola through both values and the slope, kept within [0.1, 0.5] of the step.
      const double cut = std::isfinite(value) ? -0.5 * predicted / (value - result.value - predicted) : 0.1;
      t *= std::clamp(cut, 0.1, 0.5);
      if (t < 1e-14) break;
    }
    if (!descended) {
      if (memory.empty()) break;
      memory.clear();
      continue;
    }
    ++result.iterations;
    for (std::size_t i = 0; i < n; ++i) change[i] = trial_gradient[i] - gradient[i];
    memory.push(step, change);
    const double decrease = result.value - value;
    const double size = std::max({std::abs(value), std::abs(result.value), 1.0});
    std::copy(trial.begin(), trial.end(), x.begin());
    std::copy(trial_gradient.begin(), trial_gradient.end(), gradient.begin());
    result.value = value;
    if (decrease <= options.value_tolerance * size) break;
  }
  return result;
}

}  // namespace hpt
