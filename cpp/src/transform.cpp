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

namespace {

// ((1 + u)^p - 1) / p for u >= 0, its inverse and its slope; p = 0 is the logarithm.
double box_cox_of_logarithm(double log1p_u, double p) {
  return p == 0.0 ? log1p_u : std::expm1(p * log1p_u) / p;
}
double box_cox(double u, double p) {
  return box_cox_of_logarithm(std::log1p(u), p);
}
double inverse_box_cox(double t, double p) {
  return std::expm1(p == 0.0 ? t : std::log1p(p * t) / p);
}
double log_box_cox_slope(double u, double p) {
  return (p - 1.0) * std::log1p(u);
}

double root_mean_square(VectorView values) {
  double squares = 0.0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares / static_cast<double>(values.size()));
}

// The largest power from `low` to `high` whose excess, which grows with it, is not above 0; that of `low` is
// not, that of `high` is. By the Illinois algorithm, a secant that halves the weight of an end that stays
// (Dowell and Jarratt, "A modified regula falsi method for computing the root of an equation", 1971).
double largest_power(double low, double high, const auto& excess) {
  constexpr double close = 1e-12;
  double of_low = excess(low), of_high = excess(high);
  int stayed = 0;  // 1: low, -1: high
  for (int k = 0; k < 60 && high - low > close && of_low < -close; ++k) {
    const double middle = std::clamp((low * of_high - high * of_low) / (of_high - of_low),
                                     low + 0.01 * (high - low), high - 0.01 * (high - low));
    const double value = excess(middle);
    if (value > 0.0) {
      if (stayed == 1) of_low *= 0.5;
      high = middle, of_high = value, stayed = 1;
    } else {
      if (stayed == -1) of_high *= 0.5;
      low = middle, of_low = value, stayed = -1;
    }
  }
  return low;
}

// The power for the distances u, ascending, as `Compression` has it.
double find_power(VectorView u, double most) {
  constexpr double lowest = -4.0, kept_share = 0.05, most_reach = 32.0;
  Vector logarithms(u.size()), drawn(u.size());
  std::transform(u.begin(), u.end(), logarithms.begin(), [](double each) { return std::log1p(each); });
  const auto excess = [&](double p) {
    std::transform(logarithms.begin(), logarithms.end(), drawn.begin(),
                   [p](double each) { return box_cox_of_logarithm(each, p); });
    return std::log(root_mean_square(drawn) / most);
  };
  if (excess(1.0) <= 0.0) return 1.0;
  if (excess(0.0) <= 0.0) return largest_power(0.0, 1.0, excess);
  const double power = excess(lowest) <= 0.0 ? largest_power(lowest, 0.0, excess) : lowest;
  // How much of the far quartile lies beyond the near one, less what is to be kept of that.
  const double near = logarithms[logarithms.size() / 4], far = logarithms[3 * logarithms.size() / 4];
  const auto share = [&](double p) {
    return 1.0 - box_cox_of_logarithm(near, p) / box_cox_of_logarithm(far, p);
  };
  const double least = kept_share * share(1.0);
  const auto kept = [&](double p) { return share(p) - least; };
  if (kept(power) >= 0.0) return power;
  const double distinct = kept(0.0) > 0.0 ? largest_power(power, 0.0, kept) : 0.0;
  const auto beyond = [&](double p) { return box_cox_of_logarithm(logarithms.back(), p) - most_reach; };
  if (beyond(distinct) <= 0.0) return distinct;
  return beyond(power) <= 0.0 ? largest_power(power, distinct, beyond) : power;
}

// Sorted; the better half ends with the pivot, and is all there is where no target is worse.
struct Halves {
  Vector better, worse;
};

Halves halves_of(VectorView y) {
  require(!y.empty(), "targets: at least one is needed");
  Vector sorted(y.begin(), y.end());
  for (const double each : sorted) require(std::isfinite(each), "targets must be finite");
  std::sort(sorted.begin(), sorted.end());
  // Below the pivot there must be something to measure the spread by.
  const std::size_t start = (sorted.size() - 1) / 2;
  const auto pivot = std::find_if(sorted.begin() + static_cast<Index>(start), sorted.end(),
                                  [&](double each) { return each > sorted.front(); });
  if (pivot == sorted.end()) return {sorted, {}};
  const auto split = std::upper_bound(pivot, sorted.end(), *pivot);
  return {Vector(sorted.begin(), split), Vector(split, sorted.end())};
}

Vector mapped(VectorView y, const auto& map) {
  Vector out(y.size());
  std::transform(y.begin(), y.end(), out.begin(), map);
  return out;
}

}  // namespace

Compression::Compression(VectorView y, double tail_limit) {
  require(tail_limit > 0.0, "the tail limit must be above 0");
  auto [better, worse] = halves_of(y);
  if (worse.empty()) return;
  pivot_ = better.back();
  for (double& each : better) each -= pivot_;
  spread_ = root_mean_square(better);
  for (double& each : worse) each = (each - pivot_) / spread_;
  power_ = find_power(worse, tail_limit);
  last_ = worse.back();
  chord_ = box_cox(last_, power_) / last_;
}

double Compression::forward(double y) const {
  if (power_ == 1.0 || !(y > pivot_)) return y;
  const double u = (y - pivot_) / spread_;
  if (u <= last_) return pivot_ + spread_ * box_cox(u, power_);
  return pivot_ + spread_ * u * chord_;
}

double Compression::inverse(double c) const {
  if (power_ == 1.0 || !(c > pivot_)) return c;
  const double t = (c - pivot_) / spread_, end = box_cox(last_, power_);
  if (t <= end) return pivot_ + spread_ * inverse_box_cox(t, power_);
  return pivot_ + spread_ * t / chord_;
}

double Compression::log_slope(double y) const {
  if (power_ == 1.0 || !(y > pivot_)) return 0.0;
  const double u = (y - pivot_) / spread_;
  return u <= last_ ? log_box_cox_slope(u, power_) : std::log(chord_);
}

TargetTransform::TargetTransform(VectorView y, double tail_limit)
    : inner_(std::isinf(tail_limit) ? Vector(y.begin(), y.end()) : halves_of(y).better),
      compression_(mapped(y, [&](double each) { return inner_.forward(each); }), tail_limit),
      outer_(mapped(y, [&](double each) { return compression_.forward(inner_.forward(each)); })) {}

double TargetTransform::log_slope(double z) const {
  const double y = compression_.inverse(outer_.inverse(z));
  return std::log(inner_.scale()) + std::log(outer_.scale()) - compression_.log_slope(y);
}

double TargetTransform::slope(double z) const {
  return std::exp(log_slope(z));
}

}  // namespace hpt
