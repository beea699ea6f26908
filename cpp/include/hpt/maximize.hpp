// The next point to try: the maximum of the acquisition over typed coordinates.
//
// Only legal points are ever scored (integers and categoricals are snapped), and points tried before are
// skipped during the search. Everything random comes from (seed, trial).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "hpt/acquisition.hpp"
#include "hpt/away.hpp"
#include "hpt/coordinates.hpp"
#include "hpt/tried.hpp"
#include "hpt/view.hpp"

namespace hpt {

// What is maximised: the log of the expected improvement over the lowest mean among the observed points, the
// same augmented by the noise, or averaged over what that lowest value may be; a confidence bound; or a draw
// of the function itself, at the screened points only (Thompson sampling).
enum class Criterion { improvement, augmented_improvement, noisy_improvement, confidence_bound, thompson };

// Budgets count points and steps, never time, and depend on the number of observations alone.
struct SearchOptions {
  Index candidates = 768;   // quasi-random points screened
  Index local = 256;        // perturbations of the best observed points screened besides
  Index starts = 10;        // best of those, improved together by local search
  int steps = 30;           // of gradient ascent on the continuous coordinates; 0: none
  int rounds = 16;          // of ascent and discrete neighbourhood in turn, while any point moves
  Index neighbours = 4096;  // of a point in one round, an even share of each coordinate's if it has more
  Index fantasies = 8;      // imagined sets of outcomes of pending trials
  std::uint64_t enumerable = 512;  // discrete spaces up to this size are scored whole
  // With more observations than `many`, the points are screened by their means, the best of them with bounds
  // of their variances from `landmarks` observations, and the best `exact` of those by the acquisition. Fewer
  // starts take fewer steps, with the variance that the `nearest` observations of each start leave, and only
  // the best of those meet their discrete neighbours, whose variances are bounded in the same way. What is
  // proposed was scored exactly.
  Index many = 256;
  Index means = 768;
  Index variances = 384;
  Index landmarks = 128;
  Index exact = 16;
  Index nearest = 48;
  Index many_starts = 8;
  int many_steps = 25;
  int many_rounds = 2;
  Index finalists = 4;
  // In a wide space points of the whole space are all alike, and observations about equally far from any
  // point, so that few of them do not tell its variance; nor is a variance dearer than the distances that it
  // is made of. There, with more observations than `many`, points are screened by their means and the best
  // `wide_exact` by the acquisition. The starts, and the discrete neighbours of one round, are as many as
  // these products give.
  Index wide_whole = 128;
  Index wide_local = 384;
  Index wide_exact = 96;
  Index wide_starts_work = Index{1} << 21;
  Index wide_finalists = 2;
  int wide_rounds = 3;
  Index wide_work = Index{1} << 24;
  // In the units of the targets: a value to improve on from elsewhere, used where the model's own is
  // worse.
  double incumbent = std::numeric_limits<double>::infinity();
  Criterion criterion = Criterion::improvement;
  double beta = 2.0;           // deviations of the confidence bound
  Index incumbent_points = 8;  // of the noisy improvement
  Index incumbent_draws = 16;
  // Observations by which the improvement's variances are doubled (see `width_at`); infinity leaves them.
  double doubling = 50.0;
  // Where above 0: the improvement is averaged over that many models at hyperparameters drawn from their
  // density, in place of the model's own.
  Index samples = 0;
  // Points that correlate as much with one of `away` are not proposed, and the improvement is over the
  // others.
  Matrix away = Matrix();  // (c, d)
  double correlation = 0.14;
  // Values at which coordinates are held, (d,), NaN where one is free; empty: all are.
  Vector held;
  int threads = 1;  // without effect on the result
};

// The untried point of highest expected improvement that the search finds. pending (m, d): running trials, in
// order; tried (t, d): points to skip besides the model's own, the pending ones and those `known`. labels: of
// the same space, 0 of trials that succeeded and 1 of those that failed (`Feasibility`). Empty as above.
std::optional<Vector> propose(const GaussianProcess& model, MatrixView pending, MatrixView tried,
                              std::uint64_t seed, std::uint64_t trial, const SearchOptions& options = {},
                              const GaussianProcess* labels = nullptr, const Tried* known = nullptr);

// Factor of the model's deviations after n observations: its square is 1 + log2(1 + n / doubling). A search
// crowds its observations about the best, where a function varies less than elsewhere, so that the amplitude
// learned from them is too small for what has not been seen, the more so the longer the search.
double width_at(Index n, double doubling);

}  // namespace hpt
