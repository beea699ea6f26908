#include "hpt/warping.hpp"

#include <algorithm>

#include "hpt/dispatch.hpp"
#include "hpt/error.hpp"

namespace hpt {
namespace loops {
namespace {

constexpr double margin = 1e-9;

// What the value and its derivatives are made of.
struct Parts {
  double t[warp_width], log_t[warp_width];
  double power[warp_width];  // t^a
  double rest[warp_width];   // 1 - t^a, without cancellation near t = 1
  double log_rest[warp_width];
  double rest_power[warp_width];  // (1 - t^a)^b
  double value[warp_width];
};

template <bool fused>
HPT_INLINE void take_apart(const double* x, const double* a, const double* b, Parts& of) {
  for (Index j = 0; j < warp_width; ++j) {
    double t = x[j] < margin ? margin : x[j];
    t = t > 1.0 - margin ? 1.0 - margin : t;
    const double log_t = log_of_fraction<fused>(t);
    const Exponential inner = exponential_of_negative<fused>(a[j] * log_t);
    const double log_rest = log_of_fraction<fused>(-inner.less_one);
    const Exponential outer = exponential_of_negative<fused>(b[j] * log_rest);
    of.t[j] = t;
    of.log_t[j] = log_t;
    of.power[j] = inner.value;
    of.rest[j] = -inner.less_one;
    of.log_rest[j] = log_rest;
    of.rest_power[j] = outer.value;
    of.value[j] = -outer.less_one;
  }
}

struct WarpValues {
  template <bool fused>
  HPT_INLINE static void run(const double* x, const double* a, const double* b, double* values) {
    Parts of;
    take_apart<fused>(x, a, b, of);
    std::copy_n(of.value, warp_width, values);
  }
};

struct WarpSlopes {
  template <bool fused>
  HPT_INLINE static void run(const double* x, const double* a, const double* b, WarpBlock& out) {
    Parts of;
    take_apart<fused>(x, a, b, of);
    for (Index j = 0; j < warp_width; ++j) {
      const double slope = b[j] * of.rest_power[j] / of.rest[j] * of.power[j];  // b (1 - t^a)^(b-1) t^a
      out.value[j] = of.value[j];
      out.dx[j] = slope * a[j] / of.t[j];
      out.dlog_a[j] = slope * a[j] * of.log_t[j];
      out.dlog_b[j] = -of.rest_power[j] * b[j] * of.log_rest[j];
    }
  }
};

}  // namespace

void warp_values(const double* x, const double* a, const double* b, double* values) {
  dispatch<WarpValues>(x, a, b, values);
}

void warp_slopes(const double* x, const double* a, const double* b, WarpBlock& out) {
  dispatch<WarpSlopes>(x, a, b, out);
}

}  // namespace loops

Warped warp(double x, double a, double b) {
  require(a > 0.0 && b > 0.0, "warping exponents must be above 0");
  double xs[loops::warp_width], as[loops::warp_width], bs[loops::warp_width];
  std::fill_n(xs, loops::warp_width, x);
  std::fill_n(as, loops::warp_width, a);
  std::fill_n(bs, loops::warp_width, b);
  loops::WarpBlock out;
  loops::warp_slopes(xs, as, bs, out);
  return {out.value[0], out.dx[0], out.dlog_a[0], out.dlog_b[0]};
}

}  // namespace hpt
