#include "hpt/gaussian_process.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "hpt/error.hpp"
#include "hpt/factor.hpp"
#include "hpt/slice_sampling.hpp"

namespace hpt {
namespace {

constexpr Index few = 16;         // points of which the BLAS would spend its time on a copy of the factor
constexpr Index chunk_rows = 64;  // points predicted together: their covariances stay in the cache

// A matrix of at least that many rows; grows, never shrinks, so that loops over it stop allocating.
void make_room(Matrix& matrix, Index rows, Index cols) {
  if (matrix.rows() < rows || matrix.cols() != cols) matrix = Matrix(rows, cols);
}

}  // namespace

GaussianProcess GaussianProcess::fit(Coordinates space, MatrixView X, VectorView y,
                                     const FitOptions& options) {
  Fit fit = fit_targets(space, X, y, options);
  GaussianProcess out(std::move(space), X, y, std::move(fit.at), options.threads);
  out.density_ = fit.density;
  return out;
}

GaussianProcess::GaussianProcess(Coordinates space, MatrixView X, VectorView y, Hyperparameters at,
                                 int threads, Index base)
    : space_(std::move(space)),
      kernel_(space_),
      units_(y, at.tail_limit),
      X_(X),
      Z_(X.rows(), 1),
      beta_(X.rows(), 1),
      base_(std::min(base, X.rows())),
      observed_(X.rows()) {
  require(X.rows() == static_cast<Index>(y.size()), "X and y differ in their number of observations");
  require(base_ >= 1, "the base must have a row");
  space_.check(X);
  for (Index i = 0; i < X.rows(); ++i) Z_(i, 0) = units_.forward(y[static_cast<std::size_t>(i)]);
  settle(std::move(at), Team(threads));
}

std::vector<GaussianProcess> GaussianProcess::resample(Index count, Stream stream) const {
  require(sets() == 1, "hyperparameters are drawn before outcomes are imagined");
  Vector z;
  for (Index i = 0; i < Z_.rows(); ++i) z.push_back(Z_(i, 0));
  PosteriorDensity density(space_, X_, z, !at_.warp_a.empty());
  Vector start = pack(space_, at_);
  for (std::size_t i = 0; i < start.size(); ++i)
    start[i] = std::clamp(start[i], density.priors()[i].lower, density.priors()[i].upper);
  std::vector<GaussianProcess> out;
  for (const Vector& theta : slice_sample(density, start, count, stream)) {
    Hyperparameters at = unpack(space_, theta);
    at.tail_limit = at_.tail_limit;
    out.push_back(*this);
    out.back().settle(std::move(at));
  }
  return out;
}

// Conditions on the observations, whose targets are standardised, at given hyperparameters.
void GaussianProcess::settle(Hyperparameters at, const Team& team) {
  at_ = std::move(at);
  kernel_.set(at_);
  columns_ = kernel_.prepare(X_);
  factor(team);
  L_ = L_.grown(X_.rows() - base_);
  append_to_factor(base_);
  solve_targets();
}

void GaussianProcess::solve_targets() {
  for (Index i = 0; i < X_.rows(); ++i) beta_(i, 0) = Z_(i, 0) - at_.mean;
  solve_columns(L_, beta_);
  finish();
}

void GaussianProcess::factor(const Team& team) {
  const Index n = base_, chunks = chunks_of(n, chunk_rows);
  L_ = GrowingFactor(n);  // each row is first touched by the thread that fills it
  int order = 0;
  for (double jitter : {0.0, 1e-10, 1e-8, 1e-6, 1e-4}) {
    for_chunks(chunks, team, [&](Index chunk) {
      Vector point(static_cast<std::size_t>(space_.size()));
      const Index first = (chunks - 1 - chunk) * chunk_rows;  // the longest rows first
      for (Index i = first; i < std::min(n, first + chunk_rows); ++i) {
        Kernel::place(columns_, i, point.data());
        const Index blocks = loops::blocks_of(i + 1);
        kernel_.row(point.data(), columns_, blocks, {L_.row(i), nullptr, nullptr, nullptr});
        std::fill(L_.row(i) + blocks * loops::width, L_.row(i) + L_.stride(), 0.0);
        L_.row(i)[i] += at_.noise + jitter * at_.amplitude;
      }
    });
    order = cholesky(L_, team);
    jitter_ = jitter;
    if (order == 0) return;
  }
  throw NotPositiveDefinite(order, jitter_);
}

// Rows `first` and on of the factor, whose memory is there.
void GaussianProcess::append_to_factor(Index first) {
  const Index n = X_.rows();
  if (first == n) return;
  Vector point(static_cast<std::size_t>(space_.size())), scratch;
  for (Index i = first; i < n; ++i) {
    Kernel::place(columns_, i, point.data());
    const Index blocks = loops::blocks_of(i + 1);
    kernel_.row(point.data(), columns_, blocks, {L_.row(i), nullptr, nullptr, nullptr});
    std::fill(L_.row(i) + blocks * loops::width, L_.row(i) + L_.stride(), 0.0);
  }
  // In exact arithmetic no less than the noise remains; rounding may leave less where points repeat.
  append_rows(L_, n - first, at_.amplitude * (1.0 + jitter_) + at_.noise,
              std::max(0.5 * at_.noise, 1e-12 * at_.amplitude), scratch);
}

void GaussianProcess::finish() {
  const Index n = X_.rows(), stride = columns_.stride;
  weights_ = Matrix(sets(), stride);
  for (Index i = 0; i < n; ++i) {
    for (Index s = 0; s < sets(); ++s) weights_(s, i) = beta_(i, s);
  }
  if (sets() == 1) {
    solve_lower_transposed(L_, weights_.row(0).first(static_cast<std::size_t>(n)));
  } else {
    Vector scratch;
    solve_few_rows_transposed(L_, weights_.data(), sets(), stride, scratch);
  }
  average_weights_.assign(static_cast<std::size_t>(stride), 0.0);
  for (Index s = 0; s < sets(); ++s)
    loops::add(1.0 / static_cast<double>(sets()), weights_.row(s).data(), average_weights_.data(), blocks());
}

GaussianProcess::GaussianProcess(const GaussianProcess& fewer, MatrixView X_new, Index sets)
    : space_(fewer.space_),
      at_(fewer.at_),
      kernel_(fewer.kernel_),
      units_(fewer.units_),
      X_(fewer.X_),
      Z_(X_.rows() + X_new.rows(), sets),
      beta_(Z_.rows(), sets),
      columns_(fewer.columns_),
      L_(fewer.L_.grown(X_new.rows())),
      base_(fewer.base_),
      observed_(fewer.observed_),
      fantasies_(fewer.fantasies_),
      jitter_(fewer.jitter_) {
  for (Index i = 0; i < fewer.X_.rows(); ++i) {
    for (Index s = 0; s < sets; ++s) {
      const Index from = fewer.sets() == sets ? s : 0;
      Z_(i, s) = fewer.Z_(i, from);
      beta_(i, s) = fewer.beta_(i, from);
    }
  }
  for (Index i = 0; i < X_new.rows(); ++i) X_.append_row(X_new.row(i));
  kernel_.append(X_new, columns_);
  append_to_factor(fewer.X_.rows());
}

template <typename Target>
void GaussianProcess::append(Index i, Target target) {
  const double* row = L_.row(i);
  const double deviation = row[i];
  const MutableVectorView mean = beta_.row(i);
  std::fill(mean.begin(), mean.end(), at_.mean);
  for (Index j = 0; j < i; ++j) {
    const double* before = beta_.row(j).data();
    for (std::size_t s = 0; s < mean.size(); ++s) mean[s] += row[j] * before[s];
  }
  for (Index s = 0; s < sets(); ++s) {
    const double at = beta_(i, s);
    Z_(i, s) = target(at, deviation);
    beta_(i, s) = (Z_(i, s) - at) / deviation;
  }
}

GaussianProcess GaussianProcess::extend(MatrixView X_new, VectorView y) const {
  require(sets() == 1, "a model that imagines outcomes is not extended");
  require(X_.rows() + X_new.rows() == static_cast<Index>(y.size()),
          "X and y differ in their number of observations");
  require(base_ < X_.rows() + X_new.rows(), "the base must be below the number of observations");
  space_.check(X_new);
  GaussianProcess out(*this, X_new, 1);
  out.observed_ = out.X_.rows();
  out.units_ = TargetTransform(y, at_.tail_limit);
  out.density_ = std::numeric_limits<double>::quiet_NaN();
  for (Index i = 0; i < out.X_.rows(); ++i) out.Z_(i, 0) = out.units_.forward(y[static_cast<std::size_t>(i)]);
  out.solve_targets();
  return out;
}

GaussianProcess GaussianProcess::condition_on(MatrixView X_new, VectorView y_new) const {
  require(X_new.rows() == static_cast<Index>(y_new.size()), "X and y differ in their number of observations");
  space_.check(X_new);
  for (const double target : y_new) require(std::isfinite(target), "targets must be finite");
  GaussianProcess out(*this, X_new, sets());
  out.observed_ = out.X_.rows();
  for (Index i = 0; i < X_new.rows(); ++i) {
    const double z = units_.forward(y_new[static_cast<std::size_t>(i)]);
    out.append(X_.rows() + i, [z](double, double) { return z; });
  }
  out.finish();
  return out;
}

GaussianProcess GaussianProcess::imagine(MatrixView pending, Index draws, Stream stream) const {
  require(sets() == 1, "pending trials are imagined once");
  require(draws >= 1, "at least one draw is needed");
  space_.check(pending);
  GaussianProcess out(*this, pending, draws);
  out.fantasies_ = stream;
  out.draw_outcomes(X_.rows());
  return out;
}

GaussianProcess GaussianProcess::imagine_further(MatrixView pending) const {
  require(fantasies_.has_value(), "only a model that imagines outcomes imagines further ones");
  space_.check(pending);
  GaussianProcess out(*this, pending, sets());
  out.draw_outcomes(X_.rows());
  return out;
}

void GaussianProcess::draw_outcomes(Index first) {
  for (Index i = first; i < X_.rows(); ++i)
    append(i, [this](double mean, double deviation) { return mean + deviation * fantasies_->normal(); });
  finish();
}

double GaussianProcess::floor_variance(double v) const {
  return std::max(v, 1e-14 * at_.amplitude);
}

void GaussianProcess::predict(MatrixView X, bool with_slopes, Predictions& out) const {
  const Index m = X.rows(), stride = columns_.stride;
  out.rows = m;
  make_room(out.mean, m, sets());
  make_room(out.points, m, space_.size());
  make_room(out.values, m, stride);
  make_room(out.solved, m, stride);
  if (with_slopes) make_room(out.slopes, m, stride);
  if (static_cast<Index>(out.variance.size()) < m) out.variance.resize(static_cast<std::size_t>(m));
  for (Index i = 0; i < m; ++i) {
    double* point = out.points.row(i).data();
    double* row = out.solved.row(i).data();
    kernel_.place(X.row(i), point);
    kernel_.row(point, columns_, blocks(),
                {row, with_slopes ? out.slopes.row(i).data() : nullptr, nullptr, nullptr});
    for (Index s = 0; s < sets(); ++s)
      out.mean(i, s) = at_.mean + loops::dot(row, weights_.row(s).data(), blocks());
    std::fill(row + X_.rows(), row + stride, 0.0);
  }
  if (out.landmarks != nullptr) return predict_bounds(*out.landmarks, out);
  m <= few ? solve_few_rows(L_, out.solved.data(), m, stride, out.scratch)
           : solve_rows(L_, out.solved.data(), m, stride);
  for (Index i = 0; i < m; ++i) {
    const double* row = out.solved.row(i).data();
    out.variance[static_cast<std::size_t>(i)] =
        floor_variance(at_.amplitude - loops::dot(row, row, blocks()));
  }
}

// Variances from the landmarks' part of `solved`, which holds the covariances with all points.
void GaussianProcess::predict_bounds(const Landmarks& landmarks, Predictions& out) const {
  const Index m = out.rows, k = static_cast<Index>(landmarks.rows.size()), wide = landmarks.columns.stride;
  if (out.gathered.rows() < m || out.gathered.cols() != wide) out.gathered = Matrix(m, wide);
  for (Index i = 0; i < m; ++i) {
    const double* row = out.solved.row(i).data();
    double* to = out.gathered.row(i).data();
    for (Index j = 0; j < k; ++j) to[j] = row[landmarks.rows[static_cast<std::size_t>(j)]];
    std::fill(to + k, to + wide, 0.0);
  }
  m <= few ? solve_few_rows(landmarks.L, out.gathered.data(), m, wide, out.scratch)
           : solve_rows(landmarks.L, out.gathered.data(), m, wide);
  for (Index i = 0; i < m; ++i) {
    const double* row = out.gathered.row(i).data();
    out.variance[static_cast<std::size_t>(i)] =
        floor_variance(at_.amplitude - loops::dot(row, row, wide / loops::width));
  }
}

// `solved` from L^-1 k to K^-1 k, of the landmarks where there are some: then 0 for all other points.
void GaussianProcess::solve_back(Predictions& at) const {
  const Index m = at.rows, stride = columns_.stride;
  if (at.landmarks == nullptr) {
    m <= few ? solve_few_rows_transposed(L_, at.solved.data(), m, stride, at.scratch)
             : solve_rows_transposed(L_, at.solved.data(), m, stride);
    return;
  }
  const Landmarks& landmarks = *at.landmarks;
  const Index k = static_cast<Index>(landmarks.rows.size()), wide = landmarks.columns.stride;
  m <= few ? solve_few_rows_transposed(landmarks.L, at.gathered.data(), m, wide, at.scratch)
           : solve_rows_transposed(landmarks.L, at.gathered.data(), m, wide);
  for (Index i = 0; i < m; ++i) {
    const double* from = at.gathered.row(i).data();
    double* to = at.solved.row(i).data();
    std::fill_n(to, stride, 0.0);
    for (Index j = 0; j < k; ++j) to[landmarks.rows[static_cast<std::size_t>(j)]] = from[j];
  }
}

void GaussianProcess::pull_back(MatrixView X, const Matrix& dmean, VectorView dvariance, Predictions& at,
                                Matrix& gradient) const {
  const auto& columns = kernel_.continuous_columns();
  const Index m = at.rows, stride = columns_.stride;
  solve_back(at);
  for (Index i = 0; i < m; ++i) {
    // weight_j: derivative of the function to k_j; then to r_j^2
    double* weight = at.values.row(i).data();
    std::fill_n(weight, stride, 0.0);
    for (Index s = 0; s < sets(); ++s) loops::add(dmean(i, s), weights_.row(s).data(), weight, blocks());
    loops::add(-2.0 * dvariance[static_cast<std::size_t>(i)], at.solved.row(i).data(), weight, blocks());
    loops::multiply(at.slopes.row(i).data(), weight, blocks());
    const MutableVectorView slope = gradient.row(i);
    kernel_.place_slopes(X.row(i), slope.data());
    for (std::size_t q = 0; q < columns.size(); ++q) {
      const double place = at.points(i, columns[q]);
      slope[q] *= 2.0 * loops::pull(place, columns_.column(columns[q]), weight, blocks());
    }
  }
}

void GaussianProcess::predict_standardized(MatrixView X, Matrix& mean, MutableVectorView variance,
                                           const Team& team) const {
  mean = Matrix(X.rows(), sets());
  for_chunks(chunks_of(X.rows(), chunk_rows), team, [&](Index chunk) {
    const Index first = chunk * chunk_rows, rows = std::min(chunk_rows, X.rows() - first);
    Predictions at;
    predict(MatrixView(X.row(first).data(), rows, X.cols()), false, at);
    std::copy_n(at.mean.data(), rows * sets(), mean.row(first).begin());
    std::copy_n(at.variance.begin(), rows, variance.begin() + first);
  });
}

void GaussianProcess::predict_bounds(MatrixView X, Matrix& mean, MutableVectorView variance,
                                     const Team& team) const {
  mean = Matrix(X.rows(), sets());
  const double diagonal = at_.amplitude * (1.0 + jitter_) + at_.noise;
  for_chunks(chunks_of(X.rows(), chunk_rows), team, [&](Index chunk) {
    Vector point(static_cast<std::size_t>(space_.size())), row(static_cast<std::size_t>(columns_.stride));
    for (Index i = chunk * chunk_rows; i < std::min(X.rows(), (chunk + 1) * chunk_rows); ++i) {
      kernel_.place(X.row(i), point.data());
      kernel_.row(point.data(), columns_, blocks(), {row.data(), nullptr, nullptr, nullptr});
      for (Index s = 0; s < sets(); ++s)
        mean(i, s) = at_.mean + loops::dot(row.data(), weights_.row(s).data(), blocks());
      std::fill(row.begin() + X_.rows(), row.end(), 0.0);
      const double nearest = loops::largest(row.data(), blocks());
      variance[static_cast<std::size_t>(i)] = floor_variance(at_.amplitude - nearest * nearest / diagonal);
    }
  });
}

void GaussianProcess::predict_mean(MatrixView X, MutableVectorView mean, const Team& team) const {
  for_chunks(chunks_of(X.rows(), chunk_rows), team, [&](Index chunk) {
    Vector point(static_cast<std::size_t>(space_.size())), row(static_cast<std::size_t>(columns_.stride));
    for (Index i = chunk * chunk_rows; i < std::min(X.rows(), (chunk + 1) * chunk_rows); ++i) {
      kernel_.place(X.row(i), point.data());
      kernel_.row(point.data(), columns_, blocks(), {row.data(), nullptr, nullptr, nullptr});
      mean[static_cast<std::size_t>(i)] =
          at_.mean + loops::dot(row.data(), average_weights_.data(), blocks());
    }
  });
}

Matrix GaussianProcess::covariance(MatrixView X, const Predictions& at) const {
  const Index m = X.rows(), stride = columns_.stride;
  Matrix out = kernel_.cross(X, X);
  multiply(-1.0, {at.solved.data(), stride}, {at.solved.data(), stride, true}, 1.0, {out.data(), m}, m, m,
           stride);
  return out;
}

Matrix GaussianProcess::covariance(MatrixView X) const {
  Predictions at;
  predict(X, false, at);
  return covariance(X, at);
}

Matrix GaussianProcess::sample(MatrixView X, Index draws, Stream stream, Index set) const {
  const Index m = X.rows();
  Predictions at;
  predict(X, false, at);
  const Matrix covariance = this->covariance(X, at);
  // Points close together leave it short of definite by rounding alone.
  Matrix root;
  int order = -1;
  for (double jitter = 1e-10; order != 0 && jitter < 1e-2; jitter *= 100.0) {
    root = covariance;
    for (Index i = 0; i < m; ++i) root(i, i) += jitter * at_.amplitude;
    order = cholesky(root);
  }
  if (order != 0) throw NotPositiveDefinite(order, 1e-4);
  Matrix out(draws, m);
  Vector z(static_cast<std::size_t>(m));
  for (Index draw = 0; draw < draws; ++draw) {
    for (double& each : z) each = stream.normal();
    for (Index i = 0; i < m; ++i) out(draw, i) = at.mean(i, set) + dot(root.row(i), z);
  }
  return out;
}

Matrix GaussianProcess::fitted_means() const {
  const double noise = at_.noise + jitter_ * at_.amplitude;
  Matrix out(Z_);
  for (Index i = 0; i < out.rows(); ++i) {
    for (Index s = 0; s < sets(); ++s) out(i, s) -= noise * weights_(s, i);
  }
  return out;
}

void GaussianProcess::predict(MatrixView X, MutableVectorView mean, MutableVectorView variance) const {
  space_.check(X);
  Matrix means;
  predict_standardized(X, means, variance);
  for (Index i = 0; i < X.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double slope = units_.slope(means(i, 0));
    mean[at] = units_.inverse(means(i, 0));
    variance[at] *= slope * slope;
  }
}

void GaussianProcess::predict_band(MatrixView X, double width, MutableVectorView lower,
                                   MutableVectorView upper) const {
  space_.check(X);
  require(width >= 0.0, "the width of a band must not be below 0");
  Matrix means;
  predict_standardized(X, means, upper);
  for (Index i = 0; i < X.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double reach = width * std::sqrt(std::max(upper[at], 0.0));
    lower[at] = units_.inverse(means(i, 0) - reach);
    upper[at] = units_.inverse(means(i, 0) + reach);
  }
}

GaussianProcess::Slopes GaussianProcess::predict_with_slopes(VectorView x) const {
  const Index q = static_cast<Index>(space_.continuous().size());
  const MatrixView X(x.data(), 1, space_.size());
  Slopes out{Vector(static_cast<std::size_t>(sets())), 0.0, Matrix(q, sets()), Vector()};
  Predictions at;
  Matrix gradient(1, q), dmean(1, sets());
  for (Index s = 0; s <= sets(); ++s) {  // the derivative of each mean, then that of the variance
    predict(X, true, at);
    const double dvariance = s == sets() ? 1.0 : 0.0;
    for (Index t = 0; t < sets(); ++t) dmean(0, t) = s == t ? 1.0 : 0.0;
    out.variance = at.variance[0];
    std::copy_n(at.mean.data(), sets(), out.mean.begin());
    pull_back(X, dmean, {&dvariance, 1}, at, gradient);
    if (s == sets()) out.dvariance.assign(gradient.row(0).begin(), gradient.row(0).end());
    for (Index i = 0; i < q && s < sets(); ++i) out.dmean(i, s) = gradient(0, i);
  }
  return out;
}

double GaussianProcess::log_marginal_likelihood() const {
  double value = -0.5 * static_cast<double>(X_.rows()) * std::log(2.0 * std::numbers::pi);
  for (Index i = 0; i < X_.rows(); ++i) value -= 0.5 * beta_(i, 0) * beta_(i, 0) + std::log(L_(i, i));
  return value;
}

}  // namespace hpt
