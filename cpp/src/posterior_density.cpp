#include "hpt/posterior_density.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "hpt/error.hpp"
#include "hpt/parallel.hpp"
#include "hpt/warping.hpp"

namespace hpt {

PosteriorDensity::PosteriorDensity(const Coordinates& space, MatrixView X, VectorView y, bool warped,
                                   int threads)
    : space_(space),
      X_(X),
      y_(y),
      layout_(space, warped),
      priors_(hpt::priors(space, warped)),
      threads_(threads),
      columns_(X.rows(), space.size()),
      K_(X.rows()) {
  require(X.rows() == static_cast<Index>(y.size()), "X and y differ in their number of observations");
  const Index n = X.rows(), stride = columns_.stride, p = static_cast<Index>(layout_.p);
  if (!space.numeric().empty()) numeric_ = SquareMatrix(n);
  if (!space.categorical().empty()) categorical_ = SquareMatrix(n);
  if (layout_.mixed) mixing_ = SquareMatrix(n);
  residual_.resize(static_cast<std::size_t>(stride));
  alpha_.resize(residual_.size());
  sums_ = Matrix(chunks(), space.size() + 1);
  if (layout_.warped) pulls_ = Matrix(chunks(), p * stride);
  scratch_ = Matrix(chunks(), loops::blocks_of(space.size()) * loops::width + 2 * stride);
}

void PosteriorDensity::fill(const Kernel& kernel, Index chunk) {
  double* point = scratch_.row(chunk).data();
  const Index end = std::min(X_.rows(), (chunk + 1) * chunk_rows);
  for (Index a = chunk * chunk_rows; a < end; ++a) {
    Kernel::place(columns_, a, point);
    kernel.row(point, columns_, loops::blocks_of(a + 1),
               {K_.row(a), numeric_.rows() > 0 ? numeric_.row(a) : nullptr,
                categorical_.rows() > 0 ? categorical_.row(a) : nullptr,
                mixing_.rows() > 0 ? mixing_.row(a) : nullptr});
    K_(a, a) += at_.noise;
  }
}

double PosteriorDensity::value(VectorView theta) {
  const Index n = X_.rows();
  theta_.assign(theta.begin(), theta.end());
  at_ = unpack(space_, theta);
  const Kernel kernel(space_, at_);
  kernel.prepare(X_, columns_);
  for_chunks(chunks(), threads_, [&](Index chunk) { fill(kernel, chunk); });
  if (cholesky(K_) != 0) return std::numeric_limits<double>::infinity();

  for (std::size_t a = 0; a < y_.size(); ++a) alpha_[a] = residual_[a] = y_[a] - at_.mean;
  const MutableVectorView alpha(alpha_.data(), y_.size());
  solve_lower(K_, alpha);
  double out = 0.5 * dot(alpha, alpha) + 0.5 * static_cast<double>(n) * std::log(2.0 * std::numbers::pi);
  for (Index a = 0; a < n; ++a) out += std::log(K_(a, a));
  solve_lower_transposed(K_, alpha);
  for (std::size_t i = 0; i < priors_.size(); ++i) {
    const double z = (theta[i] - priors_[i].center) / priors_[i].deviation;
    out += 0.5 * z * z + std::log(priors_[i].deviation * std::sqrt(2.0 * std::numbers::pi));
  }
  return out;
}

// The sums over pairs b < a of one chunk of rows a; each pair stands for two equal entries of W.
void PosteriorDensity::weigh(Index chunk) {
  const Index d = space_.size(), p = static_cast<Index>(layout_.p), stride = columns_.stride;
  double* point = scratch_.row(chunk).data();
  double* numeric = point + loops::blocks_of(d) * loops::width;
  double* categorical = numeric + stride;
  const MutableVectorView sums = sums_.row(chunk);
  std::fill(sums.begin(), sums.end(), 0.0);
  double* pulls = layout_.warped ? pulls_.row(chunk).data() : nullptr;
  if (pulls != nullptr) std::fill_n(pulls, p * stride, 0.0);
  const Index end = std::min(X_.rows(), (chunk + 1) * chunk_rows);
  for (Index a = chunk * chunk_rows; a < end; ++a) {
    Kernel::place(columns_, a, point);
    const Index blocks = loops::blocks_of(a);
    const loops::KernelRow derivatives{nullptr, p > 0 ? numeric_.row(a) : nullptr,
                                       p < d ? categorical_.row(a) : nullptr,
                                       layout_.mixed ? mixing_.row(a) : nullptr};
    sums[static_cast<std::size_t>(d)] +=
        loops::weigh({alpha_[static_cast<std::size_t>(a)], alpha_.data(), K_.row(a), derivatives, a},
                     p > 0 ? numeric : nullptr, p < d ? categorical : nullptr);
    for (Index i = 0; i < p; ++i) {
      const double* column = columns_.column(i);
      sums[static_cast<std::size_t>(i)] += loops::pull_squared(point[i], column, numeric, blocks);
      if (pulls != nullptr)
        pulls[i * stride + a] += loops::pull_both(point[i], column, numeric, pulls + i * stride, blocks);
    }
    for (Index j = p; j < d; ++j)
      sums[static_cast<std::size_t>(j)] +=
          loops::sum_unequal(point[j], columns_.column(j), categorical, blocks);
  }
}

void PosteriorDensity::add_warping(MutableVectorView out) const {
  const Index stride = columns_.stride;
  for (std::size_t i = 0; i < layout_.p; ++i) {
    const double inverse = 1.0 / at_.length_scales[static_cast<std::size_t>(space_.numeric()[i])];
    double of_a = 0.0, of_b = 0.0;
    for (Index a = 0; a < X_.rows(); ++a) {
      double pulled = 0.0;
      for (Index chunk = 0; chunk < chunks(); ++chunk)
        pulled += pulls_(chunk, static_cast<Index>(i) * stride + a);
      const Warped warped = warp(X_(a, space_.numeric()[i]), at_.warp_a[i], at_.warp_b[i]);
      of_a -= 2.0 * warped.dlog_a * inverse * pulled;
      of_b -= 2.0 * warped.dlog_b * inverse * pulled;
    }
    out[layout_.warping() + i] += of_a;
    out[layout_.warping() + layout_.p + i] += of_b;
  }
}

void PosteriorDensity::gradient(MutableVectorView out) {
  invert_from_cholesky(K_);
  for_chunks(chunks(), threads_, [&](Index chunk) { weigh(chunk); });
  for (std::size_t i = 0; i < priors_.size(); ++i)
    out[i] = (theta_[i] - priors_[i].center) / (priors_[i].deviation * priors_[i].deviation);
  double trace = 0.0, fit = 0.0;  // of W; (y - mean)' alpha
  for (Index a = 0; a < X_.rows(); ++a) {
    const double alpha = alpha_[static_cast<std::size_t>(a)];
    trace += alpha * alpha - K_(a, a);
    fit += alpha * residual_[static_cast<std::size_t>(a)];
    out[layout_.mean()] -= alpha;
  }
  // tr(W K) = fit - n, since K alpha = y - mean.
  out[layout_.amplitude()] -= 0.5 * (fit - static_cast<double>(X_.rows()) - at_.noise * trace);
  out[layout_.noise()] -= 0.5 * at_.noise * trace;
  const auto& numeric = space_.numeric();
  const auto& categorical = space_.categorical();
  for (Index chunk = 0; chunk < chunks(); ++chunk) {
    for (std::size_t i = 0; i < numeric.size(); ++i)
      out[static_cast<std::size_t>(numeric[i])] += 2.0 * sums_(chunk, static_cast<Index>(i));
    for (std::size_t j = 0; j < categorical.size(); ++j) {
      const auto k = static_cast<std::size_t>(categorical[j]);
      out[k] -= sums_(chunk, static_cast<Index>(numeric.size() + j)) / at_.length_scales[k];
    }
    if (layout_.mixed) out[layout_.mixing()] -= sums_(chunk, space_.size()) * at_.mixing * (1.0 - at_.mixing);
  }
  if (layout_.warped) add_warping(out);
}

}  // namespace hpt
