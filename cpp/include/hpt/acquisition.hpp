// Expected improvement over an incumbent, for minimisation, and its logarithm.
//
//   m, s   predictive mean and deviation        f*  incumbent        z = (f* - m) / s
//   h(z)   = phi(z) + z Phi(z)                  EI = s h(z)          Mockus 1975; AMT 5.5 with xi = 0
// The logarithm keeps its slope where EI itself underflows: Ament, Daulton, Eriksson, Balandat and Bakshy,
// "Unexpected improvements to expected improvement for Bayesian optimization", NeurIPS 2023.
#pragma once

#include "hpt/gaussian_process.hpp"
#include "hpt/view.hpp"

namespace hpt {

double expected_improvement(double mean, double deviation, double incumbent);

// log h(z) to full relative accuracy for every z, and the two ratios that make its derivatives.
struct LogH {
  double value;
  double Phi_ratio;  // Phi(z) / h(z) = d log h / dz
  double phi_ratio;  // phi(z) / h(z)
};
LogH log_h(double z);

struct LogImprovement {
  double value;
  double dmean;
  double ddeviation;
};
LogImprovement log_expected_improvement(double mean, double deviation, double incumbent);

// log of the expected improvement averaged over the model's sets of targets, each with its own incumbent: the
// lowest posterior mean among the model's points.
class LogExpectedImprovement {
 public:
  explicit LogExpectedImprovement(const GaussianProcess& model);
  const GaussianProcess& model() const { return model_; }
  const Vector& incumbents() const { return incumbents_; }  // (S,)
  Vector operator()(MatrixView X) const;                    // (m, d) -> (m,)
  double operator()(VectorView x,
                    MutableVectorView gradient) const;  // gradient to the continuous coordinates, (q,)

 private:
  const GaussianProcess& model_;
  Vector incumbents_;
};

}  // namespace hpt
