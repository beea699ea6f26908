#include "hpt/warping.hpp"

#include <algorithm>
#include <cmath>

#include "hpt/error.hpp"

namespace hpt {

namespace {

constexpr double margin = 1e-9;

}  // namespace

double warp_value(double x, double a, double b) {
  const double t = std::clamp(x, margin, 1.0 - margin);
  return -std::expm1(b * std::log(-std::expm1(a * std::log(t))));
}

Warped warp(double x, double a, double b) {
  require(a > 0.0 && b > 0.0, "warping exponents must be above 0");
  const double t = std::clamp(x, margin, 1.0 - margin);
  const double log_t = std::log(t);
  const double power = std::exp(a * log_t);    // t^a
  const double rest = -std::expm1(a * log_t);  // 1 - t^a, without cancellation near t = 1
  const double log_rest = std::log(rest);
  const double rest_power = std::exp(b * log_rest);    // (1 - t^a)^b
  const double outer = b * rest_power / rest * power;  // b (1 - t^a)^(b-1) t^a
  return {-std::expm1(b * log_rest), outer * a / t, outer * a * log_t, -rest_power * b * log_rest};
}

}  // namespace hpt
