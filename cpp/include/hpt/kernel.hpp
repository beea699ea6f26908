// The covariance of two points of a mixed space.
//
//   n      points                        X: (n, d)    encoded points
//   p, c   numeric, categorical coords   d = p + c
//   l_i    length scale of coordinate i  s            amplitude, k(x, x) = s
//   k_x    Matern-5/2 of the numbers     k_h          kernel of the categories
//   lam    mixing of sum and product, in (0, 1)
//   w_i    warping of a numeric coordinate (warping.hpp); the identity unless exponents are given
//
//   r^2 = sum_i ((w(x_i) - w(x'_i)) / l_i)^2                  over numbers
//   k_x = (1 + sqrt5 r + 5 r^2 / 3) exp(-sqrt5 r)           Snoek, Larochelle and Adams 2012, eq. 3
//   k_h = exp(-sum_j [h_j != h'_j] / l_j)                   over categorical coordinates
//   k   = s ((1 - lam) / 2 (k_x + k_h) + lam k_x k_h)       Ru et al. 2020 (CoCaBO), eq. 2
// A space of one kind has k = s k_x or s k_h.
#pragma once

#include "hpt/coordinates.hpp"
#include "hpt/kernel_loops.hpp"
#include "hpt/transform.hpp"
#include "hpt/view.hpp"

namespace hpt {

struct Hyperparameters {
  Vector length_scales;    // (d,)
  double amplitude = 1.0;  // variance of the function, in standardised units
  double noise = 1e-3;     // variance of an observation about it
  double mean = 0.0;       // constant mean
  double mixing = 0.5;     // lam; without effect in a space of one kind
  Vector warp_a = {};      // (p,) exponents of the numeric coordinates' warping, or (0,) for none
  Vector warp_b = {};      // (p,) or (0,)
  double tail_limit = default_tail_limit;  // of the targets' transform
};

// k_x and its derivative to r^2.
struct Matern {
  double value, slope;
};
Matern matern52(double squared_distance);

// Points laid out for the kernel's loops: warped numbers over their length scales, then indices of
// categories, each coordinate a row, padded with zeros to whole blocks; where there are hundreds of rows, to
// an odd number of blocks, as at distances that are powers of two they would fight for few lines of the
// cache.
struct Columns {
  Columns() = default;
  Columns(Index rows, Index d)
      : n(rows),
        stride((d > 100 ? loops::blocks_of(rows) | 1 : loops::blocks_of(rows)) * loops::width),
        values(static_cast<std::size_t>(d * stride)) {}
  const double* column(Index i) const { return values.data() + i * stride; }
  double* column(Index i) { return values.data() + i * stride; }
  Index n = 0, stride = 0;
  Vector values;  // (d, stride)
};

class Kernel {
 public:
  explicit Kernel(const Coordinates& space);  // `set` gives it hyperparameters
  Kernel(const Coordinates& space, const Hyperparameters& at);
  void set(const Hyperparameters& at);  // in the memory it has
  double operator()(VectorView a, VectorView b) const;
  Matrix cross(MatrixView A, MatrixView B) const;  // (a, d), (b, d) -> (a, b)

  Columns prepare(MatrixView X) const;
  void prepare(MatrixView X, Columns& out) const;  // into the memory of `out`, made for as many points
  // Further points behind those that the columns hold.
  void append(MatrixView X, Columns& columns) const;
  // A point as `row` wants it, (d,): what the columns hold of it.
  void place(VectorView x, double* point) const;
  static void place(const Columns& X, Index row, double* point);
  // Derivatives of the placed numbers to the continuous coordinates, (q,).
  void place_slopes(VectorView x, double* slopes) const;
  // Covariances of a placed point with the first `blocks` blocks of points.
  void row(const double* point, const Columns& X, Index blocks, const loops::KernelRow& out) const {
    loops::kernel_row(shape(), point, X.values.data(), X.stride, blocks, out);
  }
  // sum_j weight_j k(x, x_j), in single precision.
  float weighted_sum(const float* point, const float* columns, Index stride, const float* weights) const {
    return loops::weighted_sum(shape(), point, columns, stride, stride / loops::width, weights);
  }
  // Where the continuous coordinates stand among the columns, (q,).
  const std::vector<Index>& continuous_columns() const { return continuous_columns_; }

 private:
  loops::KernelShape shape() const {
    const Index p = static_cast<Index>(numeric_.size()), c = static_cast<Index>(categorical_.size());
    return {p, c, inverse_.data() + p, amplitude_, mixing_};
  }
  std::vector<Index> numeric_, categorical_;  // coordinates of each kind
  std::vector<Index> continuous_columns_;
  Vector inverse_;          // (d,) 1 / l, in the columns' order
  Vector warp_a_, warp_b_;  // padded with ones to whole blocks
  double amplitude_ = 1.0, mixing_ = 0.5;
};

}  // namespace hpt
