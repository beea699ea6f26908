#include "hpt/posterior_density.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "hpt/error.hpp"
#include "hpt/factor.hpp"
#include "hpt/warping.hpp"

namespace hpt {

PosteriorDensity::PosteriorDensity(const Coordinates& space, MatrixView X, VectorView y, bool warped,
                                   int threads)
    : space_(space),
      X_(X),
      y_(y),
      layout_(space, warped),
      priors_(hpt::priors(space, warped)),
      team_(threads),
      kernel_(space),
      columns_(X.rows(), space.size()),
      K_(X.rows()),
      scratch_K_(X.rows()) {
  require(X.rows() == static_cast<Index>(y.size()), "X and y differ in their number of observations");
  const Index n = X.rows(), stride = columns_.stride, p = static_cast<Index>(layout_.p);
  if (!space.numeric().empty()) numeric_ = SquareMatrix(n);
  if (!space.categorical().empty()) categorical_ = SquareMatrix(n);
  if (layout_.mixed) mixing_ = SquareMatrix(n);
  residual_.resize(static_cast<std::size_t>(stride));
  alpha_.resize(residual_.size());
  sums_ = Matrix(chunks(), space.size() + 1);
  places_ = Matrix(p + 1, stride);
  pulls_ = Matrix(chunks(), (p + 1) * stride);
  scratch_ = Matrix(chunks(), loops::blocks_of(space.size()) * loops::width + stride + (p + 1) * chunk_rows);
}

void PosteriorDensity::fill(Index chunk) {
  double* point = scratch_.row(chunk).data();
  const Index end = std::min(X_.rows(), (chunk + 1) * chunk_rows);
  for (Index a = chunk * chunk_rows; a < end; ++a) {
    Kernel::place(columns_, a, point);
    kernel_.row(point, columns_, loops::blocks_of(a + 1),
                {K_.row(a), numeric_.rows() > 0 ? numeric_.row(a) : nullptr,
                 categorical_.rows() > 0 ? categorical_.row(a) : nullptr,
                 mixing_.rows() > 0 ? mixing_.row(a) : nullptr});
    K_(a, a) += at_.noise;
  }
}

double PosteriorDensity::value(VectorView theta) {
  const Index n = X_.rows();
  theta_.assign(theta.begin(), theta.end());
  unpack(space_, theta, at_);
  kernel_.set(at_);
  kernel_.prepare(X_, columns_);
  for_chunks(chunks(), team_, [&](Index chunk) { fill(chunk); });
  if (cholesky(K_, team_) != 0) return std::numeric_limits<double>::infinity();

  for (std::size_t a = 0; a < y_.size(); ++a) alpha_[a] = residual_[a] = y_[a] - at_.mean;
  const MutableVectorView alpha(alpha_.data(), y_.size());
  solve_lower(K_, alpha);
  double out = 0.5 * dot(alpha, alpha) + 0.5 * static_cast<double>(n) * std::log(2.0 * std::numbers::pi);
  for (Index a = 0; a < n; ++a) out += std::log(K_(a, a));
  solve_lower_transposed(K_, alpha);
  return add_negative_log_prior(space_, priors_, theta, out);
}

void PosteriorDensity::center_places() {
  const Index n = X_.rows(), p = static_cast<Index>(layout_.p);
  for (Index i = 0; i < p; ++i) {
    const double* column = columns_.column(i);
    const double mean = std::accumulate(column, column + n, 0.0) / static_cast<double>(n);
    std::transform(column, column + n, places_.row(i).begin(), [mean](double z) { return z - mean; });
  }
  std::fill_n(places_.row(p).begin(), n, 1.0);
}

// The pairs b < a of one chunk of rows a; each stands for two equal entries of W. Leaves M in `numeric_`.
void PosteriorDensity::weigh(Index chunk) {
  const Index d = space_.size(), p = static_cast<Index>(layout_.p);
  double* point = scratch_.row(chunk).data();
  double* categorical = point + loops::blocks_of(d) * loops::width;
  const MutableVectorView sums = sums_.row(chunk);
  std::fill(sums.begin(), sums.end(), 0.0);
  const Index first = chunk * chunk_rows, end = std::min(X_.rows(), first + chunk_rows);
  for (Index a = first; a < end; ++a) {
    const Index blocks = loops::blocks_of(a);
    const loops::KernelRow derivatives{nullptr, p > 0 ? numeric_.row(a) : nullptr,
                                       p < d ? categorical_.row(a) : nullptr,
                                       layout_.mixed ? mixing_.row(a) : nullptr};
    sums[static_cast<std::size_t>(d)] +=
        loops::weigh({alpha_[static_cast<std::size_t>(a)], alpha_.data(), K_.row(a), derivatives, a},
                     p > 0 ? numeric_.row(a) : nullptr, p < d ? categorical : nullptr);
    if (p > 0 && blocks * loops::width < end)
      std::fill(&numeric_(a, blocks * loops::width), &numeric_(a, end), 0.0);
    if (p == d) continue;
    Kernel::place(columns_, a, point);
    for (Index j = p; j < d; ++j)
      sums[static_cast<std::size_t>(j)] +=
          loops::sum_unequal(point[j], columns_.column(j), categorical, blocks);
  }
  if (p > 0) pull(chunk);
}

// What the entries of M in one chunk of rows give to P, at both of their ends.
void PosteriorDensity::pull(Index chunk) {
  const Index p = static_cast<Index>(layout_.p), stride = columns_.stride;
  const Index first = chunk * chunk_rows, end = std::min(X_.rows(), first + chunk_rows), rows = end - first;
  double* pulls = pulls_.row(chunk).data();  // (p + 1, stride): M' (1, Z) of these rows, then P
  double* own = scratch_.row(chunk).data() + loops::blocks_of(space_.size()) * loops::width + stride;
  const Operand M{numeric_.row(first), numeric_.stride()};
  multiply(1.0, {&places_(0, first), stride}, M, 0.0, {pulls, stride}, p + 1, end, rows);
  multiply(1.0, {places_.data(), stride}, {M.data, M.stride, true}, 0.0, {own, chunk_rows}, p + 1, rows, end);
  const double *column_sums = pulls + p * stride, *row_sums = own + p * chunk_rows;
  for (Index i = 0; i < p; ++i) {
    const double* z = places_.row(i).data();
    double* out = pulls + i * stride;
    for (Index b = 0; b < end; ++b) out[b] = z[b] * column_sums[b] - out[b];
    for (Index a = 0; a < rows; ++a) out[first + a] += z[first + a] * row_sums[a] - own[i * chunk_rows + a];
  }
}

void PosteriorDensity::add_up_pulls() {
  const Index stride = columns_.stride;
  for (Index chunk = 1; chunk < chunks(); ++chunk) {
    const Index first = chunk * chunk_rows, end = std::min(X_.rows(), first + chunk_rows);
    for (Index i = 0; i < static_cast<Index>(layout_.p); ++i) {
      const double* part = &pulls_(chunk, i * stride);
      double* sum = &pulls_(0, i * stride);
      for (Index b = 0; b < first; ++b) sum[b] += part[b];
      std::copy(part + first, part + end, sum + first);
    }
  }
}

void PosteriorDensity::add_warping(MutableVectorView out) const {
  for (std::size_t i = 0; i < layout_.p; ++i) {
    const Index coordinate = space_.numeric()[i], n = X_.rows();
    const double inverse = 1.0 / at_.length_scales[static_cast<std::size_t>(coordinate)];
    const double* P = pulls_.row(0).data() + static_cast<Index>(i) * columns_.stride;
    double x[loops::warp_width] = {}, a[loops::warp_width], b[loops::warp_width], of_a = 0.0, of_b = 0.0;
    std::fill_n(a, loops::warp_width, at_.warp_a[i]);
    std::fill_n(b, loops::warp_width, at_.warp_b[i]);
    for (Index first = 0; first < n; first += loops::warp_width) {
      const Index count = std::min(loops::warp_width, n - first);
      for (Index j = 0; j < count; ++j) x[j] = X_(first + j, coordinate);
      loops::WarpBlock warped;
      loops::warp_slopes(x, a, b, warped);
      for (Index j = 0; j < count; ++j) {
        of_a -= 2.0 * warped.dlog_a[j] * inverse * P[first + j];
        of_b -= 2.0 * warped.dlog_b[j] * inverse * P[first + j];
      }
    }
    out[layout_.warping() + i] += of_a;
    out[layout_.warping() + layout_.p + i] += of_b;
  }
}

void PosteriorDensity::gradient(MutableVectorView out) {
  invert_from_cholesky(K_, scratch_K_, team_);
  center_places();
  for_chunks(chunks(), team_, [&](Index chunk) { weigh(chunk); });
  add_up_pulls();
  prior_gradient(space_, priors_, theta_, out);
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
  for (std::size_t i = 0; i < numeric.size(); ++i) {
    const double *z = places_.row(static_cast<Index>(i)).data(),
                 *P = pulls_.row(0).data() + static_cast<Index>(i) * columns_.stride;
    out[static_cast<std::size_t>(numeric[i])] += 2.0 * std::inner_product(z, z + X_.rows(), P, 0.0);
  }
  for (Index chunk = 0; chunk < chunks(); ++chunk) {
    for (std::size_t j = 0; j < categorical.size(); ++j) {
      const auto k = static_cast<std::size_t>(categorical[j]);
      out[k] -= sums_(chunk, static_cast<Index>(numeric.size() + j)) / at_.length_scales[k];
    }
    if (layout_.mixed) out[layout_.mixing()] -= sums_(chunk, space_.size()) * at_.mixing * (1.0 - at_.mixing);
  }
  if (layout_.warped) add_warping(out);
}

}  // namespace hpt
