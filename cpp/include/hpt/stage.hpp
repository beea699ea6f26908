// From a model and the trials that run to what an ask maximises.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "hpt/acquisition.hpp"
#include "hpt/away.hpp"
#include "hpt/maximize.hpp"

namespace hpt {

// What an acquisition of one ask is made of: the model, or draws of its hyperparameters, with imagined
// outcomes of the pending trials.
class Stage {
 public:
  Stage(const GaussianProcess& model, MatrixView pending, std::uint64_t seed, std::uint64_t trial,
        const SearchOptions& options, const Away& away)
      : model_(model),
        options_(options),
        away_(away),
        seed_(seed),
        trial_(trial),
        width_(width_at(model.observed(), options.doubling)) {
    const auto imagine = [&](const GaussianProcess& each) {
      return each.imagine(pending, options.fantasies, Stream(seed, trial, Use::fantasies));
    };
    if (options.samples > 0)
      models_ = model.resample(options.samples, Stream(seed, trial, Use::hyperparameters));
    if (pending.rows() == 0) return;
    for (GaussianProcess& each : models_) each = imagine(each);
    if (models_.empty()) models_.push_back(imagine(model));
  }

  std::unique_ptr<const Acquisition> acquisition(const GaussianProcess* labels) const {
    if (models_.empty()) return of(model_, labels);
    if (models_.size() == 1) return of(models_[0], labels);
    std::vector<std::unique_ptr<const Acquisition>> parts;
    for (const GaussianProcess& each : models_) parts.push_back(of(each, nullptr));
    const bool logarithms = options_.criterion != Criterion::confidence_bound;
    return std::make_unique<AveragedAcquisition>(std::move(parts), logarithms, labels);
  }

 private:
  std::unique_ptr<const Acquisition> of(const GaussianProcess& model, const GaussianProcess* labels) const {
    const double incumbent = std::isfinite(options_.incumbent) ? model.transform().forward(options_.incumbent)
                                                               : options_.incumbent;
    if (options_.criterion == Criterion::confidence_bound)
      return std::make_unique<ConfidenceBound>(model, width_ * options_.beta, labels);
    if (options_.criterion == Criterion::noisy_improvement)
      return std::make_unique<LogExpectedImprovement>(model, incumbent, width_, labels,
                                                      options_.incumbent_points, options_.incumbent_draws,
                                                      Stream(seed_, trial_, Use::incumbents));
    return std::make_unique<LogExpectedImprovement>(model, incumbent, width_, labels,
                                                    options_.criterion == Criterion::augmented_improvement,
                                                    &away_, options_.held);
  }

  const GaussianProcess& model_;
  const SearchOptions& options_;
  const Away& away_;
  std::uint64_t seed_, trial_;
  double width_;
  std::vector<GaussianProcess> models_;  // in place of the model, if any
};

}  // namespace hpt
