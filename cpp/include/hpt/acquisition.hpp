// Expected improvement over an incumbent, for minimisation, and its logarithm.
//
//   m, s   predictive mean and deviation        f*  incumbent        z = (f* - m) / s
//   h(z)   = phi(z) + z Phi(z)                  EI = s h(z)          Mockus 1975; behaviour 5.5 with xi = 0
// The logarithm keeps its slope where EI itself underflows: Ament, Daulton, Eriksson, Balandat and Bakshy,
// "Unexpected improvements to expected improvement for Bayesian optimization", NeurIPS 2023.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

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

// log(1 - sigma / sqrt(s^2 + sigma^2)), sigma^2 the noise and s^2 the variance, and its derivative to the
// latter: less of an improvement counts where one more noisy observation would teach little (Huang, Allen,
// Notz and Zeng, "Global optimization of stochastic black-box systems via sequential kriging meta-models",
// Journal of Global Optimization 34, 2006).
struct LogAugmentation {
  double value;
  double dvariance;
};
LogAugmentation log_augmentation(double variance, double noise);

// log Phi(z) to full relative accuracy for every z, and its derivative phi(z) / Phi(z).
struct LogPhi {
  double value;
  double slope;
};
LogPhi log_distribution(double z);

// The probability that a trial succeeds, from a model of labels: 0 of those that did and 1 of those that
// failed. A regression on labels, squashed: Rasmussen and Williams 2006, section 6.5, with
// P = Phi((1/2 - m) / sqrt(v + noise)).
class Feasibility {
 public:
  explicit Feasibility(const GaussianProcess& labels);  // which must outlive it
  struct LogProbability {
    double value;
    double dmean;
    double dvariance;
  };
  LogProbability operator()(double mean, double variance) const;
  const GaussianProcess& labels() const { return labels_; }

 private:
  const GaussianProcess& labels_;
  double middle_, noise_;
};

// What a point is worth; to be maximised. The log probability of success is added where there is a model of
// it: the logarithm of the expected improvement of a trial that may fail (Gelbart, Snoek and
// Adams, "Bayesian optimization with unknown constraints", UAI 2014, equation 2).
class Acquisition {
 public:
  // The models must outlive it, and be of one space.
  explicit Acquisition(const GaussianProcess& model, const GaussianProcess* labels = nullptr);
  virtual ~Acquisition() = default;
  const GaussianProcess& model() const { return model_; }

  Vector operator()(MatrixView X, const Team& team = Team()) const;  // (m, d) -> (m,)
  double operator()(VectorView x,
                    MutableVectorView gradient) const;  // gradient to the continuous coordinates, (q,)
  // Whether the values are a function of the model's predictions at a point, and if so, of given means (m, S)
  // and variances (m,) of it: with variances that are bounds, bounds.
  virtual bool pointwise() const { return false; }
  Vector of_predictions(MatrixView X, const Matrix& mean, VectorView variance,
                        const Team& team = Team()) const;
  // Upper bounds of the values, (m, d) -> (m,), at little cost; infinite if none is known.
  virtual Vector bounds(MatrixView X, const Team& team = Team()) const;

  // Values (m,) and gradients to the continuous coordinates (m, q) of a few points at once, (m, d). Memory is
  // used again by the next call, and none is allocated unless more points come than before.
  struct Batch {
    Vector values;
    Matrix gradients;
    Predictions at;
    Matrix dmean;
    Vector dvariance;
    std::vector<Batch> parts;  // of an average
    Predictions feasible;      // of the model of success, if any
    Matrix feasible_dmean, feasible_gradients;
    Vector feasible_dvariance;
  };
  void evaluate(MatrixView X, Batch& batch) const;

 protected:
  // The same without the probability of success; `batch` has room for the values and gradients.
  virtual Vector worth(MatrixView X, const Team& team) const = 0;
  virtual void worth(MatrixView X, Batch& batch) const = 0;
  virtual Vector scores(const Matrix& mean, VectorView variance) const;

 private:
  void add_feasibility(MatrixView X, Batch& batch) const;
  void add_feasibility(MatrixView X, const Team& team, Vector& values) const;

  const GaussianProcess& model_;
  std::optional<Feasibility> feasibility_;
};

// One that is a function of the predictions at a point.
class PointwiseAcquisition : public Acquisition {
 public:
  using Acquisition::Acquisition;
  bool pointwise() const override { return true; }
  Vector bounds(MatrixView X, const Team& team = Team()) const override;
  // From the means of the model's sets of targets, (S,), and the variance they share, with which it grows;
  // also its derivatives to them. Allocates nothing.
  virtual double score(VectorView mean, double variance) const = 0;
  virtual double score(VectorView mean, double variance, MutableVectorView dmean,
                       double& dvariance) const = 0;

 protected:
  Vector worth(MatrixView X, const Team& team) const override;
  void worth(MatrixView X, Batch& batch) const override;
  Vector scores(const Matrix& mean, VectorView variance) const override;
};

// The average over models at several draws of the hyperparameters (Snoek, Larochelle and Adams 2012, section
// 3.1; behaviour 5.4): of `logarithms`, such as those of improvements, the log of the average of what they
// are the logarithms of.
class AveragedAcquisition : public Acquisition {
 public:
  AveragedAcquisition(std::vector<std::unique_ptr<const Acquisition>> parts, bool logarithms,
                      const GaussianProcess* labels)
      : Acquisition(parts.at(0)->model(), labels), parts_(std::move(parts)), logarithms_(logarithms) {}

 protected:
  Vector worth(MatrixView X, const Team& team) const override;
  void worth(MatrixView X, Batch& batch) const override;

 private:
  std::vector<std::unique_ptr<const Acquisition>> parts_;
  bool logarithms_;
};

// Means at the model's points, (n, S), each moved to where a search may go: an observation may stand anywhere
// on an integer of a single level, as one of a shorter training does, but only that level is ever proposed.
Matrix searchable_means(const GaussianProcess& model);

// log of the expected improvement averaged over the model's sets of targets, each with its own incumbent: the
// lowest posterior mean among the model's points, or one known from elsewhere, standardised, if that is
// lower. `width` multiplies the deviations: Wang and de Freitas, "Theoretical analysis of Bayesian
// optimisation with unknown Gaussian process hyper-parameters", 2014, section 3. `augmented` adds the log
// augmentation by the model's noise, from the deviations as they are.
class LogExpectedImprovement : public PointwiseAcquisition {
 public:
  explicit LogExpectedImprovement(const GaussianProcess& model,
                                  double elsewhere = std::numeric_limits<double>::infinity(),
                                  double width = 1.0, const GaussianProcess* labels = nullptr,
                                  bool augmented = false);
  // Under noise the best is not known: `draws` incumbents for each set of targets, each the lowest value of a
  // draw of the function at the `points` of lowest mean (cf. Letham, Karrer, Ottoni and Bakshy, "Constrained
  // Bayesian optimization with noisy experiments", 2019, section 4).
  LogExpectedImprovement(const GaussianProcess& model, double elsewhere, double width,
                         const GaussianProcess* labels, Index points, Index draws, Stream stream);
  const Matrix& incumbents() const { return incumbents_; }  // (S, K)
  double score(VectorView mean, double variance) const override;
  double score(VectorView mean, double variance, MutableVectorView dmean, double& dvariance) const override;

 private:
  Matrix incumbents_;
  double width_;
  double noise_ = 0.0;  // of the augmentation, if any
};

// beta deviations below the mean, averaged over the model's sets of targets and negated: the upper confidence
// bound of Srinivas, Krause, Kakade and Seeger, "Gaussian process optimization in the bandit setting", ICML
// 2010, for minimisation.
class ConfidenceBound : public PointwiseAcquisition {
 public:
  // beta at least 0: below, the bound would shrink with the variance.
  explicit ConfidenceBound(const GaussianProcess& model, double beta,
                           const GaussianProcess* labels = nullptr);
  double score(VectorView mean, double variance) const override;
  double score(VectorView mean, double variance, MutableVectorView dmean, double& dvariance) const override;

 private:
  double beta_;
};

}  // namespace hpt
