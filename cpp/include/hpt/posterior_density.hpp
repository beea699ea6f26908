// The density of hyperparameters given observations, and its gradient.
//
//   K     = k(X, X) + noise I        alpha = K^-1 (y - mean)        W = alpha alpha' - K^-1
//   -log p(y, theta) = y' alpha / 2 + log |K| / 2 + n log(2 pi) / 2 - log p(theta)
//   d/dtheta_i       = -tr(W dK/dtheta_i) / 2 - d log p / dtheta_i        Rasmussen and Williams 2006,
//   eq. 5.9
//   M     = W o dk/d(r^2), entry by entry; made once, it serves every numeric coordinate i with places z:
//   P_a   = sum_b M_ab (z_a - z_b) = z_a (M 1)_a - (M z)_a      of all coordinates by one product M (1, Z)
//   d/dlog l_i       = sum_ab M_ab (z_a - z_b)^2 = 2 sum_a z_a P_a
//   d/dpsi           = -2 sum_a (dz_a / dpsi) P_a               of a warping exponent psi
// Places are taken from their mean, which keeps what cancels in P small.
#pragma once

#include <vector>

#include "hpt/blas.hpp"
#include "hpt/coordinates.hpp"
#include "hpt/kernel.hpp"
#include "hpt/parallel.hpp"
#include "hpt/priors.hpp"
#include "hpt/view.hpp"

namespace hpt {

// Holds the memory of an evaluation between calls; a value costs a factor, the gradient twice as much again.
class PosteriorDensity {
 public:
  // X (n, d), y (n,) standardised; both must outlive it. With `warped`, theta holds warping exponents.
  PosteriorDensity(const Coordinates& space, MatrixView X, VectorView y, bool warped, int threads = 1);
  double value(VectorView theta);        // -log p(y, theta | X); infinite where K cannot be factored
  void gradient(MutableVectorView out);  // (t,), at the theta of the last value, which was finite; once
  const std::vector<NormalPrior>& priors() const { return priors_; }

 private:
  static constexpr Index chunk_rows = 64;
  Index chunks() const { return chunks_of(X_.rows(), chunk_rows); }
  void fill(Index chunk);
  void center_places();
  void weigh(Index chunk);
  void pull(Index chunk);
  void add_up_pulls();
  void add_warping(MutableVectorView out) const;

  const Coordinates& space_;
  MatrixView X_;
  VectorView y_;
  Layout layout_;
  std::vector<NormalPrior> priors_;
  Team team_;
  Vector theta_;
  Hyperparameters at_;
  Kernel kernel_;
  Columns columns_;
  SquareMatrix K_;                               // K, then its factor, then its inverse
  SquareMatrix scratch_K_;                       // while K is inverted
  SquareMatrix numeric_, categorical_, mixing_;  // the kernel's derivatives, as in loops::KernelRow; then M
  Vector residual_, alpha_;                      // (stride,)
  Matrix places_;   // (p + 1, stride): places of the numbers from their mean, and ones
  Matrix sums_;     // (chunks, d + 1): a chunk's part of the sums, the last for lam
  Matrix pulls_;    // (chunks, (p + 1) stride): its part of P, which the first one gathers
  Matrix scratch_;  // (chunks, d + stride + (p + 1) chunk_rows)
};

}  // namespace hpt
