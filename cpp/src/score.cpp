#include "hpt/score.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hpt/acquisition.hpp"
#include "hpt/error.hpp"
#include "hpt/random.hpp"

namespace hpt {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

void require_one_scale(const GaussianProcess& model) {
  require(model.transform().compression().power() == 1.0,
          "a model compresses its targets: give it targets transformed together and an infinite tail limit");
}

// The lowest posterior mean in set s, in the units of the targets; a model without pending trials has one
// set.
double incumbent_of(const GaussianProcess& model, const Matrix& means, Index s) {
  double lowest = infinity;
  const Index column = means.cols() == 1 ? 0 : s;
  for (Index i = 0; i < means.rows(); ++i) lowest = std::min(lowest, means(i, column));
  return model.transform().inverse(lowest);
}

Vector score_one(const GaussianProcess& model, MatrixView candidates, const Vector& incumbents) {
  Matrix mean;
  Vector variance(static_cast<std::size_t>(candidates.rows())), out;
  model.predict_standardized(candidates, mean, variance);
  const double log_unit = model.transform().log_slope(0.0);
  Vector values(incumbents.size());
  for (Index i = 0; i < candidates.rows(); ++i) {
    const double deviation = std::sqrt(variance[static_cast<std::size_t>(i)]);
    for (std::size_t s = 0; s < incumbents.size(); ++s) {
      const double at = mean(i, mean.cols() == 1 ? 0 : static_cast<Index>(s));
      const double best = model.transform().forward(incumbents[s]);
      values[s] = log_expected_improvement(at, deviation, best).value;
    }
    const double largest = *std::max_element(values.begin(), values.end());
    double sum = 0.0;
    for (const double value : values) sum += std::exp(value - largest);
    out.push_back(log_unit + largest + std::log(sum / static_cast<double>(values.size())));
  }
  return out;
}

}  // namespace

double common_incumbent(const std::vector<const GaussianProcess*>& models) {
  require(!models.empty(), "a common incumbent needs a model");
  double lowest = infinity;
  for (const GaussianProcess* model : models) {
    require_one_scale(*model);
    lowest = std::min(lowest, incumbent_of(*model, model->fitted_means(), 0));
  }
  return lowest;
}

std::vector<Vector> score(const std::vector<Contender>& contenders, Index fantasies) {
  require(!contenders.empty(), "there is nothing to rank: give a model and its candidates");
  require(fantasies >= 1, "fantasies must be at least 1");
  std::vector<GaussianProcess> imagined;
  Index sets = 1;
  for (const Contender& each : contenders) {
    require_one_scale(*each.model);
    each.model->space().check(each.candidates);
    each.model->space().check(each.pending);
    if (each.pending.rows() == 0) {
      imagined.push_back(*each.model);
      continue;
    }
    sets = fantasies;
    imagined.push_back(
        each.model->imagine(each.pending, fantasies, Stream(each.seed, each.trial, Use::fantasies)));
  }
  Vector incumbents(static_cast<std::size_t>(sets), infinity);
  for (const GaussianProcess& model : imagined) {
    const Matrix means = model.fitted_means();
    for (Index s = 0; s < sets; ++s) {
      auto& incumbent = incumbents[static_cast<std::size_t>(s)];
      incumbent = std::min(incumbent, incumbent_of(model, means, s));
    }
  }
  std::vector<Vector> out;
  for (std::size_t k = 0; k < contenders.size(); ++k)
    out.push_back(score_one(imagined[k], contenders[k].candidates, incumbents));
  return out;
}

}  // namespace hpt
