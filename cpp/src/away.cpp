#include "hpt/away.hpp"

#include <algorithm>

#include "hpt/error.hpp"

namespace hpt {

Away::Away(const GaussianProcess& model, MatrixView centres, double correlation)
    : kernel_(model.kernel()),
      columns_(kernel_.prepare(centres)),
      least_(correlation * model.hyperparameters().amplitude) {
  require(correlation > 0.0 && correlation <= 1.0, "a correlation to keep away from must be in (0, 1]");
}

bool Away::contains(VectorView x) const {
  if (empty()) return false;
  Vector point(x.size()), row(static_cast<std::size_t>(columns_.stride));
  kernel_.place(x, point.data());
  kernel_.row(point.data(), columns_, columns_.stride / loops::width,
              {row.data(), nullptr, nullptr, nullptr});
  return *std::max_element(row.begin(), row.begin() + columns_.n) >= least_;
}

}  // namespace hpt
