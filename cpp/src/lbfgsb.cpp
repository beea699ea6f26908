#include "hpt/lbfgsb.hpp"

#include <algorithm>
#include <cmath>

#include "hpt/blas.hpp"
#include "hpt/error.hpp"

namespace hpt {

BoundedSearch::BoundedSearch(VectorView x, VectorView lower, VectorView upper, const LbfgsbOptions& options)
    : lower_(lower),
      upper_(upper),
      options_(options),
      x_(x.begin(), x.end()),
      gradient_(x.size()),
      direction_(x.size()),
      step_(x.size()),
      change_(x.size()),
      S_(options.memory, static_cast<Index>(x.size())),
      Y_(S_),
      alpha_(static_cast<std::size_t>(options.memory)),
      free_(x.size()) {
  require(lower.size() == x.size() && upper.size() == x.size(),
          "lbfgsb: one lower and one upper bound a coordinate are needed");
  for (std::size_t i = 0; i < x.size(); ++i) {
    require(lower[i] <= upper[i], "lbfgsb: a lower bound is above its upper bound");
    x_[i] = std::clamp(x_[i], lower[i], upper[i]);
  }
  trial_ = x_;
}

bool BoundedSearch::wants_gradient(double value) const {
  return started_ ? value <= result_.value + 1e-4 * predicted_ : std::isfinite(value);
}

void BoundedSearch::tell(double value, VectorView gradient) {
  ++result_.evaluations;
  const bool descends = wants_gradient(value);
  if (!started_) {
    started_ = true;
    result_.value = value;
    done_ = !descends;
    if (done_) return;
    std::copy(gradient.begin(), gradient.end(), gradient_.begin());
    begin_step();
    return;
  }
  if (!descends) {
    // Minimum of the parabola through both values and the slope, kept within [0.1, 0.5] of the step.
    const double cut = std::isfinite(value) ? -0.5 * predicted_ / (value - result_.value - predicted_) : 0.1;
    if (!set_trial(length_ * std::clamp(cut, 0.1, 0.5))) step_failed();
    return;
  }
  ++result_.iterations;
  const double decrease = result_.value - value;
  const double size = std::max({std::abs(value), std::abs(result_.value), 1.0});
  for (std::size_t i = 0; i < x_.size(); ++i) change_[i] = gradient[i] - gradient_[i];
  push_pair();
  std::copy(trial_.begin(), trial_.end(), x_.begin());
  std::copy(gradient.begin(), gradient.end(), gradient_.begin());
  result_.value = value;
  if (decrease > options_.value_tolerance * size) {
    begin_step();
  } else {
    done_ = true;
  }
}

// Chooses the next direction and the first point to try along it, or finds the search at its end.
void BoundedSearch::begin_step() {
  done_ = true;
  if (result_.iterations >= options_.iterations || result_.evaluations >= options_.evaluations) return;
  const double largest = mark_free();
  if (!(largest > options_.gradient_tolerance)) return;
  done_ = false;
  if (!set_trial(choose_direction(largest))) step_failed();
}

// A direction without descent: begin again from steepest descent, unless this was it.
void BoundedSearch::step_failed() {
  const bool steepest = count_ == 0;
  count_ = first_ = 0;
  done_ = true;
  if (!steepest) begin_step();
}

// Which coordinates may move, and the largest entry of the gradient among them.
double BoundedSearch::mark_free() {
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
double BoundedSearch::choose_direction(double largest) {
  two_loops();
  if (!(dot(gradient_, direction_) < 0.0)) {  // rounding spoilt the metric
    count_ = first_ = 0;
    two_loops();
  }
  return count_ == 0 ? std::min(1.0, 1.0 / largest) : 1.0;
}

// Places the trial point that far along the direction; false where it promises no descent or no budget is
// left.
bool BoundedSearch::set_trial(double length) {
  if (result_.evaluations >= options_.evaluations || !(length >= 1e-14)) return false;
  length_ = length;
  predicted_ = 0.0;
  for (std::size_t i = 0; i < x_.size(); ++i) {
    trial_[i] = std::clamp(x_[i] + length * direction_[i], lower_[i], upper_[i]);
    step_[i] = trial_[i] - x_[i];
    predicted_ += gradient_[i] * step_[i];
  }
  return predicted_ < 0.0;
}

void BoundedSearch::push_pair() {
  const double curvature = dot(step_, change_);
  if (!(curvature > 1e-10 * std::sqrt(dot(step_, step_) * dot(change_, change_))))
    return;  // keeps the metric positive definite
  const Index capacity = S_.rows();
  const Index slot = (first_ + count_) % capacity;
  std::copy(step_.begin(), step_.end(), S_.row(slot).begin());
  std::copy(change_.begin(), change_.end(), Y_.row(slot).begin());
  if (count_ < capacity) {
    ++count_;
  } else {
    first_ = (first_ + 1) % capacity;
  }
}

// direction <- -H gradient on the free coordinates, 0 on the others.
void BoundedSearch::two_loops() {
  const std::size_t n = x_.size();
  for (std::size_t i = 0; i < n; ++i) direction_[i] = free_[i] ? -gradient_[i] : 0.0;
  double gamma = 0.0;
  for (Index k = count_ - 1; k >= 0; --k) {
    const Index slot = (first_ + k) % S_.rows();
    const double curvature = free_dot(S_.row(slot), Y_.row(slot));
    auto& alpha = alpha_[static_cast<std::size_t>(k)];
    alpha = 0.0;
    if (!(curvature > 0.0)) continue;
    if (gamma == 0.0) gamma = curvature / free_dot(Y_.row(slot), Y_.row(slot));
    alpha = free_dot(S_.row(slot), direction_) / curvature;
    for (std::size_t i = 0; i < n; ++i)
      direction_[i] -= free_[i] ? alpha * Y_(slot, static_cast<Index>(i)) : 0.0;
  }
  if (gamma > 0.0) {
    for (double& value : direction_) value *= gamma;
  }
  for (Index k = 0; k < count_; ++k) {
    const Index slot = (first_ + k) % S_.rows();
    const double curvature = free_dot(S_.row(slot), Y_.row(slot));
    if (!(curvature > 0.0)) continue;
    const double beta = free_dot(Y_.row(slot), direction_) / curvature;
    const double weight = alpha_[static_cast<std::size_t>(k)] - beta;
    for (std::size_t i = 0; i < n; ++i)
      direction_[i] += free_[i] ? weight * S_(slot, static_cast<Index>(i)) : 0.0;
  }
}

double BoundedSearch::free_dot(VectorView a, VectorView b) const {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += free_[i] ? a[i] * b[i] : 0.0;
  return sum;
}

LbfgsbResult lbfgsb(const Objective& f, VectorView lower, VectorView upper, MutableVectorView x,
                    const LbfgsbOptions& options) {
  BoundedSearch search(x, lower, upper, options);
  Vector gradient(x.size());
  while (!search.done()) {
    const double value = f(search.trial(), gradient);
    search.tell(value, gradient);
  }
  std::copy(search.best().begin(), search.best().end(), x.begin());
  return search.result();
}

}  // namespace hpt
