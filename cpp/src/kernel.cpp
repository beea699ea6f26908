#include "hpt/kernel.hpp"

#include <cmath>

#include "hpt/error.hpp"

namespace hpt {

Matern matern52(double squared_distance) {
  const double t = std::sqrt(5.0 * squared_distance);
  const double decay = std::exp(-t);
  return {(1.0 + t + t * t / 3.0) * decay, -5.0 / 6.0 * (1.0 + t) * decay};
}

Kernel::Kernel(const Coordinates& space, const Hyperparameters& at)
    : space_(space),
      amplitude_(at.amplitude),
      mixing_(at.mixing),
      mixed_(!space.numeric().empty() && !space.categorical().empty()) {
  require(static_cast<Index>(at.length_scales.size()) == space.size(),
          "one length scale a coordinate is needed");
  require(at.amplitude > 0.0 && at.noise >= 0.0 && std::isfinite(at.amplitude + at.mean) &&
              std::isfinite(at.noise),
          "amplitude must be above 0, noise not below 0, and both finite like the mean");
  require(at.mixing >= 0.0 && at.mixing <= 1.0, "mixing must be in [0, 1]");
  for (const double l : at.length_scales) {
    require(l > 0.0, "length scales must be above 0");
    inverse_.push_back(1.0 / l);
  }
}

Kernel::Parts Kernel::parts(VectorView a, VectorView b) const {
  Parts out{0.0, 0.0};
  for (const Index i : space_.numeric()) {
    const auto at = static_cast<std::size_t>(i);
    const double difference = (a[at] - b[at]) * inverse_[at];
    out.squared_distance += difference * difference;
  }
  for (const Index j : space_.categorical()) {
    const auto at = static_cast<std::size_t>(j);
    if (a[at] != b[at]) out.mismatch += inverse_[at];
  }
  return out;
}

double Kernel::operator()(VectorView a, VectorView b) const {
  const Parts part = parts(a, b);
  if (space_.categorical().empty()) return amplitude_ * matern52(part.squared_distance).value;
  const double kh = std::exp(-part.mismatch);
  if (!mixed_) return amplitude_ * kh;
  const double kx = matern52(part.squared_distance).value;
  return amplitude_ * (0.5 * (1.0 - mixing_) * (kx + kh) + mixing_ * kx * kh);
}

Matrix Kernel::cross(MatrixView A, MatrixView B) const {
  Matrix K(A.rows(), B.rows());
  for (Index i = 0; i < A.rows(); ++i) {
    for (Index j = 0; j < B.rows(); ++j) K(i, j) = (*this)(A.row(i), B.row(j));
  }
  return K;
}

void Kernel::gradient(VectorView x, MatrixView X, MutableVectorView k, Matrix& dk) const {
  const auto& continuous = space_.continuous();
  for (Index b = 0; b < X.rows(); ++b) {
    const Parts part = parts(x, X.row(b));
    const Matern matern = matern52(part.squared_distance);
    double slope = amplitude_ * matern.slope;
    double value = amplitude_ * matern.value;
    if (mixed_) {
      const double kh = std::exp(-part.mismatch);
      slope *= 0.5 * (1.0 - mixing_) + mixing_ * kh;
      value = amplitude_ * (0.5 * (1.0 - mixing_) * (matern.value + kh) + mixing_ * matern.value * kh);
    }
    k[static_cast<std::size_t>(b)] = value;
    for (std::size_t q = 0; q < continuous.size(); ++q) {
      const auto at = static_cast<std::size_t>(continuous[q]);
      const double difference = x[at] - X(b, continuous[q]);
      dk(static_cast<Index>(q), b) = 2.0 * slope * difference * inverse_[at] * inverse_[at];
    }
  }
}

Kernel::Terms Kernel::terms(MatrixView X) const {
  const Index n = X.rows();
  const bool numbers = !space_.numeric().empty(), categories = !space_.categorical().empty();
  Terms out;
  out.K = Matrix(n, n);
  if (numbers) out.numeric = Matrix(n, n);
  if (categories) out.categorical = Matrix(n, n);
  if (mixed_) out.mixing = Matrix(n, n);
  const double sum = mixed_ ? 0.5 * (1.0 - mixing_) : 0.0;
  const double product = mixed_ ? mixing_ : 1.0;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < i; ++j) {
      const Parts part = parts(X.row(i), X.row(j));
      const Matern matern = numbers ? matern52(part.squared_distance) : Matern{1.0, 0.0};
      const double kx = matern.value;
      const double kh = categories ? std::exp(-part.mismatch) : 1.0;
      out.K(i, j) = amplitude_ * (sum * (kx + kh) + product * kx * kh);
      if (numbers) out.numeric(i, j) = amplitude_ * (sum + product * kh) * matern.slope;
      if (categories) out.categorical(i, j) = amplitude_ * (sum + product * kx) * kh;
      if (mixed_) out.mixing(i, j) = amplitude_ * (kx * kh - 0.5 * (kx + kh));
    }
    out.K(i, i) = amplitude_;
  }
  return out;
}

}  // namespace hpt
