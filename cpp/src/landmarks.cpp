// What a Gaussian process predicts when it screens: rough means, and bounds of variances from a few points.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "hpt/error.hpp"
#include "hpt/factor.hpp"
#include "hpt/gaussian_process.hpp"

namespace hpt {
namespace {

constexpr Index chunk_rows = 64;  // points predicted together

}  // namespace

double GaussianProcess::predict_rough_mean(MatrixView X, MutableVectorView mean, const Team& team) const {
  using Floats = std::vector<float, AlignedAllocator<float>>;
  const Floats columns(columns_.values.begin(), columns_.values.end());
  const Floats weights(average_weights_.begin(), average_weights_.end());
  for_chunks(chunks_of(X.rows(), chunk_rows), team, [&](Index chunk) {
    Vector placed(static_cast<std::size_t>(space_.size()));
    Floats point(placed.size());
    for (Index i = chunk * chunk_rows; i < std::min(X.rows(), (chunk + 1) * chunk_rows); ++i) {
      kernel_.place(X.row(i), placed.data());
      std::copy(placed.begin(), placed.end(), point.begin());
      mean[static_cast<std::size_t>(i)] =
          at_.mean + kernel_.weighted_sum(point.data(), columns.data(), columns_.stride, weights.data());
    }
  });
  // Errors of a few units in the last place of each term, as likely up as down.
  constexpr double unit = 0x1p-22;
  return unit * at_.amplitude * std::sqrt(dot(average_weights_, average_weights_));
}

void GaussianProcess::predict_means(MatrixView X, Matrix& mean, const Team& team) const {
  mean = Matrix(X.rows(), sets());
  for_chunks(chunks_of(X.rows(), chunk_rows), team, [&](Index chunk) {
    Vector point(static_cast<std::size_t>(space_.size())), row(static_cast<std::size_t>(columns_.stride));
    for (Index i = chunk * chunk_rows; i < std::min(X.rows(), (chunk + 1) * chunk_rows); ++i) {
      kernel_.place(X.row(i), point.data());
      kernel_.row(point.data(), columns_, blocks(), {row.data(), nullptr, nullptr, nullptr});
      for (Index s = 0; s < sets(); ++s)
        mean(i, s) = at_.mean + loops::dot(row.data(), weights_.row(s).data(), blocks());
    }
  });
}

Landmarks GaussianProcess::landmarks(std::vector<Index> rows) const {
  Matrix X;
  for (const Index i : rows) X.append_row(X_.row(i));
  const Index k = X.rows();
  Landmarks out{std::move(rows), kernel_.prepare(X), SquareMatrix::unset(k)};
  Vector point(static_cast<std::size_t>(space_.size()));
  int order = 0;
  double last = jitter_;
  for (const double jitter : {jitter_, 1e-10, 1e-8, 1e-6, 1e-4}) {
    last = std::max(last, jitter);
    for (Index i = 0; i < k; ++i) {
      Kernel::place(out.columns, i, point.data());
      const Index blocks = loops::blocks_of(i + 1);
      kernel_.row(point.data(), out.columns, blocks, {out.L.row(i), nullptr, nullptr, nullptr});
      std::fill(out.L.row(i) + blocks * loops::width, out.L.row(i) + out.L.stride(), 0.0);
      out.L(i, i) += at_.noise + last * at_.amplitude;
    }
    order = cholesky(out.L);
    if (order == 0) return out;
  }
  throw NotPositiveDefinite(order, last);
}

void GaussianProcess::bound_variances(MatrixView X, const Landmarks& landmarks, MutableVectorView variance,
                                      const Team& team) const {
  const Index k = static_cast<Index>(landmarks.rows.size()), wide = landmarks.columns.stride;
  for_chunks(chunks_of(X.rows(), chunk_rows), team, [&](Index chunk) {
    const Index first = chunk * chunk_rows, rows = std::min(chunk_rows, X.rows() - first);
    Vector point(static_cast<std::size_t>(space_.size()));
    Matrix solved(rows, wide);
    for (Index i = 0; i < rows; ++i) {
      double* row = solved.row(i).data();
      kernel_.place(X.row(first + i), point.data());
      kernel_.row(point.data(), landmarks.columns, wide / loops::width, {row, nullptr, nullptr, nullptr});
      std::fill(row + k, row + wide, 0.0);
    }
    solve_rows(landmarks.L, solved.data(), rows, wide);
    for (Index i = 0; i < rows; ++i) {
      const double* row = solved.row(i).data();
      variance[static_cast<std::size_t>(first + i)] =
          floor_variance(at_.amplitude - loops::dot(row, row, wide / loops::width));
    }
  });
}

std::vector<Index> GaussianProcess::nearest(MatrixView X, Index each) const {
  std::vector<char> taken(static_cast<std::size_t>(X_.rows()), 0);
  Vector point(static_cast<std::size_t>(space_.size())), row(static_cast<std::size_t>(columns_.stride));
  std::vector<Index> order(taken.size()), out;
  const Index count = std::min(each, X_.rows());
  for (Index i = 0; i < X.rows(); ++i) {
    kernel_.place(X.row(i), point.data());
    kernel_.row(point.data(), columns_, blocks(), {row.data(), nullptr, nullptr, nullptr});
    std::iota(order.begin(), order.end(), Index{0});
    std::nth_element(order.begin(), order.begin() + count - 1, order.end(), [&](Index a, Index b) {
      const double of_a = row[static_cast<std::size_t>(a)], of_b = row[static_cast<std::size_t>(b)];
      return of_a > of_b || (of_a == of_b && a < b);
    });
    for (Index j = 0; j < count; ++j) taken[static_cast<std::size_t>(order[static_cast<std::size_t>(j)])] = 1;
  }
  for (Index j = 0; j < X_.rows(); ++j) {
    if (taken[static_cast<std::size_t>(j)]) out.push_back(j);
  }
  return out;
}

}  // namespace hpt
