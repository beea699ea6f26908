#include "hpt/kernel.hpp"

#include <algorithm>
#include <cmath>

#include "hpt/error.hpp"
#include "hpt/warping.hpp"

namespace hpt {
namespace {

void check(std::size_t d, std::size_t p, const Hyperparameters& at) {
  require(at.length_scales.size() == d, "one length scale a coordinate is needed");
  require(at.amplitude > 0.0 && at.noise >= 0.0 && std::isfinite(at.amplitude + at.mean) &&
              std::isfinite(at.noise),
          "amplitude must be above 0, noise not below 0, and both finite like the mean");
  require(at.mixing >= 0.0 && at.mixing <= 1.0, "mixing must be in [0, 1]");
  for (const double l : at.length_scales) require(l > 0.0, "length scales must be above 0");
  require(at.warp_a.size() == at.warp_b.size() && (at.warp_a.empty() || at.warp_a.size() == p),
          "warping needs two exponents for every numeric coordinate, or none at all");
}

}  // namespace

Matern matern52(double squared_distance) {
  const double t = std::sqrt(5.0 * squared_distance);
  const double decay = std::exp(-t);
  return {(1.0 + t + t * t / 3.0) * decay, -5.0 / 6.0 * (1.0 + t) * decay};
}

Kernel::Kernel(const Coordinates& space)
    : numeric_(space.numeric()), categorical_(space.categorical()), continuous_(space.continuous()) {
  for (std::size_t i = 0; i < numeric_.size(); ++i) {
    if (!space[numeric_[i]].discrete()) continuous_columns_.push_back(static_cast<Index>(i));
  }
  inverse_.resize(numeric_.size() + categorical_.size());
}

Kernel::Kernel(const Coordinates& space, const Hyperparameters& at) : Kernel(space) {
  set(at);
}

void Kernel::set(const Hyperparameters& at) {
  check(inverse_.size(), numeric_.size(), at);
  std::size_t column = 0;
  for (const auto* kind : {&numeric_, &categorical_}) {
    for (const Index i : *kind) inverse_[column++] = 1.0 / at.length_scales[static_cast<std::size_t>(i)];
  }
  warp_a_ = at.warp_a;
  warp_b_ = at.warp_b;
  amplitude_ = at.amplitude;
  mixing_ = at.mixing;
}

double Kernel::place(std::size_t i, double x) const {
  return (warp_a_.empty() ? x : warp_value(x, warp_a_[i], warp_b_[i])) * inverse_[i];
}

void Kernel::place(VectorView x, double* point) const {
  for (std::size_t i = 0; i < numeric_.size(); ++i)
    *point++ = place(i, x[static_cast<std::size_t>(numeric_[i])]);
  for (const Index j : categorical_) *point++ = x[static_cast<std::size_t>(j)];
}

void Kernel::place(const Columns& X, Index row, double* point) {
  const Index d = static_cast<Index>(X.values.size()) / std::max<Index>(X.stride, 1);
  for (Index i = 0; i < d; ++i) point[i] = X.column(i)[row];
}

void Kernel::place_slopes(VectorView x, double* slopes) const {
  for (std::size_t q = 0; q < continuous_columns_.size(); ++q) {
    const auto i = static_cast<std::size_t>(continuous_columns_[q]);
    const double at = x[static_cast<std::size_t>(continuous_[q])];
    slopes[q] = inverse_[i] * (warp_a_.empty() ? 1.0 : warp(at, warp_a_[i], warp_b_[i]).dx);
  }
}

void Kernel::prepare(MatrixView X, Columns& out) const {
  for (std::size_t i = 0; i < numeric_.size(); ++i) {
    double* column = out.column(static_cast<Index>(i));
    for (Index row = 0; row < X.rows(); ++row) column[row] = place(i, X(row, numeric_[i]));
  }
  for (std::size_t j = 0; j < categorical_.size(); ++j) {
    double* column = out.column(static_cast<Index>(numeric_.size() + j));
    for (Index row = 0; row < X.rows(); ++row) column[row] = X(row, categorical_[j]);
  }
}

Columns Kernel::prepare(MatrixView X) const {
  Columns out(X.rows(), static_cast<Index>(inverse_.size()));
  prepare(X, out);
  return out;
}

double Kernel::operator()(VectorView a, VectorView b) const {
  const Index d = static_cast<Index>(inverse_.size());
  return cross(MatrixView(a.data(), 1, d), MatrixView(b.data(), 1, d))(0, 0);
}

Matrix Kernel::cross(MatrixView A, MatrixView B) const {
  const Columns columns = prepare(B);
  Matrix K(A.rows(), B.rows());
  Vector point(inverse_.size()), row(static_cast<std::size_t>(columns.stride));
  for (Index i = 0; i < A.rows(); ++i) {
    place(A.row(i), point.data());
    this->row(point.data(), columns, columns.stride / loops::width, {row.data(), nullptr, nullptr, nullptr});
    std::copy_n(row.begin(), B.rows(), K.row(i).begin());
  }
  return K;
}

}  // namespace hpt
