#include "hpt/kernel.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

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
  for (const auto* exponents : {&at.warp_a, &at.warp_b}) {
    for (const double each : *exponents)
      require(each > 0.0 && std::isfinite(each), "exponents of the warping must be above 0 and finite");
  }
}

}  // namespace

Matern matern52(double squared_distance) {
  const double t = std::sqrt(5.0 * squared_distance);
  const double decay = std::exp(-t);
  return {(1.0 + t + t * t / 3.0) * decay, -5.0 / 6.0 * (1.0 + t) * decay};
}

Kernel::Kernel(const Coordinates& space) : numeric_(space.numeric()), categorical_(space.categorical()) {
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
  for (const auto& [from, to] : {std::pair(&at.warp_a, &warp_a_), std::pair(&at.warp_b, &warp_b_)}) {
    to->assign((from->size() + loops::warp_width - 1) / loops::warp_width * loops::warp_width, 1.0);
    std::copy(from->begin(), from->end(), to->begin());
  }
  amplitude_ = at.amplitude;
  mixing_ = at.mixing;
}

void Kernel::place(VectorView x, double* point) const {
  const std::size_t p = numeric_.size();
  for (std::size_t first = 0; first < p; first += loops::warp_width) {
    const std::size_t count = std::min<std::size_t>(loops::warp_width, p - first);
    double at[loops::warp_width] = {}, warped[loops::warp_width];
    for (std::size_t j = 0; j < count; ++j) at[j] = x[static_cast<std::size_t>(numeric_[first + j])];
    const double* placed = at;
    if (!warp_a_.empty()) {
      loops::warp_values(at, &warp_a_[first], &warp_b_[first], warped);
      placed = warped;
    }
    for (std::size_t j = 0; j < count; ++j) *point++ = placed[j] * inverse_[first + j];
  }
  for (const Index j : categorical_) *point++ = x[static_cast<std::size_t>(j)];
}

void Kernel::place(const Columns& X, Index row, double* point) {
  const Index d = static_cast<Index>(X.values.size()) / std::max<Index>(X.stride, 1);
  for (Index i = 0; i < d; ++i) point[i] = X.column(i)[row];
}

void Kernel::place_slopes(VectorView x, double* slopes) const {
  loops::WarpBlock warped;
  std::size_t ready = 0;  // coordinates warped so far
  for (const Index column : continuous_columns_) {
    const auto i = static_cast<std::size_t>(column);
    if (warp_a_.empty()) {
      *slopes++ = inverse_[i];
      continue;
    }
    for (; ready <= i; ready += loops::warp_width) {
      double at[loops::warp_width] = {};
      for (std::size_t j = 0; j < loops::warp_width && ready + j < numeric_.size(); ++j)
        at[j] = x[static_cast<std::size_t>(numeric_[ready + j])];
      loops::warp_slopes(at, &warp_a_[ready], &warp_b_[ready], warped);
    }
    *slopes++ = inverse_[i] * warped.dx[i % loops::warp_width];
  }
}

void Kernel::prepare(MatrixView X, Columns& out) const {
  for (std::size_t i = 0; i < numeric_.size(); ++i) {
    double* column = out.column(static_cast<Index>(i));
    for (Index row = 0; row < X.rows(); ++row) column[row] = X(row, numeric_[i]);
    if (!warp_a_.empty()) {
      double a[loops::warp_width], b[loops::warp_width];
      std::fill_n(a, loops::warp_width, warp_a_[i]);
      std::fill_n(b, loops::warp_width, warp_b_[i]);
      for (Index row = 0; row < X.rows(); row += loops::warp_width)
        loops::warp_values(column + row, a, b, column + row);
      std::fill(column + X.rows(), column + out.stride, 0.0);
    }
    for (Index row = 0; row < X.rows(); ++row) column[row] *= inverse_[i];
  }
  for (std::size_t j = 0; j < categorical_.size(); ++j) {
    double* column = out.column(static_cast<Index>(numeric_.size() + j));
    for (Index row = 0; row < X.rows(); ++row) column[row] = X(row, categorical_[j]);
  }
}

void Kernel::append(MatrixView X, Columns& columns) const {
  const Index d = static_cast<Index>(inverse_.size()), n = columns.n + X.rows();
  Columns out(n, d);
  for (Index i = 0; i < d; ++i) std::copy_n(columns.column(i), columns.n, out.column(i));
  Vector point(inverse_.size());
  for (Index k = 0; k < X.rows(); ++k) {
    place(X.row(k), point.data());
    for (Index i = 0; i < d; ++i) out.column(i)[columns.n + k] = point[static_cast<std::size_t>(i)];
  }
  columns = std::move(out);
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
