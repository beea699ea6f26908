// Ranks the candidates of multiple models on one scale: which algorithm to run next, and how.
//
//   K      models, each on a space of its own        f*  common incumbent: the lowest posterior mean of all
//   m, s   a model's prediction at its candidate     log EI = log(s h((f* - m) / s)), acquisition.hpp
// The models' targets must be on one scale, such as the values of one TargetTransform over the targets of all
// models, and each model may only shift and stretch them (an infinite `tail_limit`): then its means and
// deviations lie on that scale as well, however well it knows its own function.
#pragma once

#include <cstdint>
#include <vector>

#include "hpt/gaussian_process.hpp"
#include "hpt/view.hpp"

namespace hpt {

struct Contender {
  const GaussianProcess* model;  // of the finished trials alone
  MatrixView pending;            // (p, d), running trials in order: their outcomes are imagined
  MatrixView candidates;         // (m, d)
  std::uint64_t seed;            // of the outcomes imagined, besides the trial's number
  std::uint64_t trial;
};

// f*, in the units of the targets: the lowest posterior mean at any observed point of any of the models.
double common_incumbent(const std::vector<const GaussianProcess*>& models);

// The log expected improvement of every candidate over the common incumbent, averaged over `fantasies` joint
// outcomes of all pending trials, in the units of the targets: a vector (m,) for each contender.
// Throws InvalidArgument where a model compresses its targets, since its scale is then its own.
std::vector<Vector> score(const std::vector<Contender>& contenders, Index fantasies = 8);

}  // namespace hpt
