// Points that a search keeps away from: those on which the function at given centres has a bearing.
#pragma once

#include "hpt/gaussian_process.hpp"
#include "hpt/view.hpp"

namespace hpt {

class Away {
 public:
  // centres (c, d); contained are points whose correlation with one of them is at least that. The model,
  // whose kernel it is, must outlive it.
  Away(const GaussianProcess& model, MatrixView centres, double correlation);
  bool contains(VectorView x) const;
  bool empty() const { return columns_.n == 0; }

 private:
  const Kernel& kernel_;
  Columns columns_;
  double least_;  // covariance
};

}  // namespace hpt
