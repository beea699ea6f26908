#include "hpt/maximize.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "hpt/error.hpp"
#include "hpt/lbfgsb.hpp"
#include "hpt/random.hpp"

namespace hpt {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Points that may not be proposed again.
class Tried {
 public:
  explicit Tried(const Coordinates& space) : space_(space) {}
  void add(MatrixView X) {
    if (X.rows() > 0) blocks_.push_back(X);
    rows_ += X.rows();
  }
  Index rows() const { return rows_; }
  bool contains(VectorView x) const {
    for (const MatrixView& block : blocks_) {
      for (Index i = 0; i < block.rows(); ++i) {
        if (space_.same(x, block.row(i))) return true;
      }
    }
    return false;
  }

 private:
  const Coordinates& space_;
  std::vector<MatrixView> blocks_;
  Index rows_ = 0;
};

// Some untried point: random draws, then, in a finite space, a walk from a random place that meets every
// point.
std::optional<Vector> any_untried(const Coordinates& space, const Tried& tried, std::uint64_t seed,
                                  std::uint64_t trial) {
  constexpr int attempts = 64;
  Vector x(static_cast<std::size_t>(space.size()));
  Stream stream(seed, trial, Use::design_retry);
  for (int attempt = 0; attempt < attempts; ++attempt) {
    for (double& value : x) value = stream.uniform();
    space.from_unit(x);
    if (!tried.contains(x)) return x;
  }
  if (!space.cardinality()) return x;  // a continuum: the repeat is of no measure, and the last draw will do
  const std::uint64_t count = *space.cardinality();
  const std::uint64_t start = Stream(seed, trial, Use::enumeration).below(count);
  // At most rows + 1 steps are needed: more distinct points than were ever tried.
  const std::uint64_t steps = std::min(count, static_cast<std::uint64_t>(tried.rows()) + 1);
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::uint64_t left = count - start;
    space.at(step < left ? start + step : step - left, x);
    if (!tried.contains(x)) return x;
  }
  return std::nullopt;
}

// Scrambled Sobol' coordinates, continued with random ones past the sequence's last dimension; x in [0, 1)^d.
class UnitPoints {
 public:
  UnitPoints(Index dimension, std::uint64_t seed, std::uint64_t trial, Use use)
      : sobol_(std::min(dimension, Sobol::max_dimension), Stream(seed, trial, use)),
        seed_(seed),
        trial_(trial),
        use_(use) {}
  void point(std::uint64_t index, MutableVectorView x) const {
    const auto covered = static_cast<std::size_t>(sobol_.dimension());
    sobol_.point(index, x.first(covered));
    if (x.size() == covered) return;
    Stream rest(seed_, trial_, use_, index + 1);
    for (double& value : x.subspan(covered)) value = rest.uniform();
  }

 private:
  Sobol sobol_;
  std::uint64_t seed_, trial_;
  Use use_;
};

// Maximises the acquisition over one model; holds what its steps share.
class Search {
 public:
  Search(const LogExpectedImprovement& acquisition, const Tried& tried, const SearchOptions& options)
      : acquisition_(acquisition), space_(acquisition.model().space()), tried_(tried), options_(options) {}

  std::optional<Vector> enumerate() const {
    Matrix points;
    Vector x(static_cast<std::size_t>(space_.size()));
    for (std::uint64_t number = 0; number < *space_.cardinality(); ++number) {
      space_.at(number, x);
      if (!tried_.contains(x)) points.append_row(x);
    }
    if (points.rows() == 0) return std::nullopt;
    const Vector scores = acquisition_(points);
    const VectorView best = points.row(std::max_element(scores.begin(), scores.end()) - scores.begin());
    return Vector(best.begin(), best.end());
  }

  std::optional<Vector> run(std::uint64_t seed, std::uint64_t trial) const {
    Matrix points = candidates(seed, trial);
    if (points.rows() == 0) return std::nullopt;
    const Vector scores = acquisition_(points);
    std::vector<Index> order(scores.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
      return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    std::optional<Vector> best;
    double best_score = -infinity;
    const Index starts = std::min(options_.starts, points.rows());
    for (Index k = 0; k < starts; ++k) {
      const Index at = order[static_cast<std::size_t>(k)];
      const VectorView start = points.row(at);
      Vector x(start.begin(), start.end());
      const double score = improve(x, scores[static_cast<std::size_t>(at)]);
      if (score > best_score) {
        best_score = score;
        best = std::move(x);
      }
    }
    return best;
  }

 private:
  Matrix candidates(std::uint64_t seed, std::uint64_t trial) const {
    Matrix points;
    Vector x(static_cast<std::size_t>(space_.size()));
    const UnitPoints unit(space_.size(), seed, trial, Use::candidate_scramble);
    for (Index k = 0; k < options_.candidates; ++k) {
      unit.point(static_cast<std::uint64_t>(k), x);
      space_.from_unit(x);
      if (!tried_.contains(x)) points.append_row(x);
    }
    append_perturbed(points, seed, trial);
    return points;
  }

  // Perturbations of the five points of lowest posterior mean, on scales from a tenth to a thousandth of a
  // range.
  void append_perturbed(Matrix& points, std::uint64_t seed, std::uint64_t trial) const {
    const MatrixView X = acquisition_.model().points();
    Matrix mean;
    Vector variance(static_cast<std::size_t>(X.rows()));
    acquisition_.model().predict_standardized(X, mean, variance);
    std::vector<Index> order(variance.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return mean(a, 0) < mean(b, 0); });
    const Index parents = std::min<Index>(5, X.rows());
    const double change = std::max(0.3, 2.0 / static_cast<double>(space_.size()));
    Stream stream(seed, trial, Use::local_candidates);
    for (Index k = 0; k < options_.local; ++k) {
      const VectorView parent = X.row(order[static_cast<std::size_t>(k % parents)]);
      Vector x(parent.begin(), parent.end());
      const double spread = std::pow(10.0, -1.0 - 2.0 * stream.uniform());
      for (Index i = 0; i < space_.size(); ++i) {
        if (stream.uniform() >= change) continue;
        auto& value = x[static_cast<std::size_t>(i)];
        const Coordinate& c = space_[i];
        value = c.kind() == Kind::categorical ? c.from_unit(stream.uniform())
                                              : c.snap(value + spread * stream.normal());
      }
      if (!tried_.contains(x)) points.append_row(x);
    }
  }

  // Ascent on the continuous coordinates and one-change steps on the discrete ones in turn; returns the new
  // score.
  double improve(Vector& x, double score) const {
    for (int round = 0; round < options_.rounds; ++round) {
      score = ascend(x, score);
      if (space_.discrete().empty()) return score;
      const double stepped = step(x, score);
      if (!(stepped > score)) return score;
      score = stepped;
    }
    return ascend(x, score);
  }

  double ascend(Vector& x, double score) const {
    const auto& free = space_.continuous();
    if (free.empty()) return score;
    Vector point(x), at(free.size()), lower(free.size(), 0.0), upper(free.size(), 1.0);
    for (std::size_t q = 0; q < free.size(); ++q) at[q] = x[static_cast<std::size_t>(free[q])];
    const Objective objective = [&](VectorView u, MutableVectorView gradient) {
      for (std::size_t q = 0; q < u.size(); ++q) point[static_cast<std::size_t>(free[q])] = u[q];
      const double value = acquisition_(point, gradient);
      for (double& slope : gradient) slope = -slope;
      return -value;
    };
    LbfgsbOptions options;
    options.iterations = options_.steps;
    options.evaluations = 2 * options_.steps;
    options.value_tolerance = 1e-7;
    const double reached = -lbfgsb(objective, lower, upper, at, options).value;
    for (std::size_t q = 0; q < free.size(); ++q) point[static_cast<std::size_t>(free[q])] = at[q];
    if (!(reached > score) || tried_.contains(point)) return score;
    x = point;
    return reached;
  }

  // The best of all untried points that differ from x in one discrete coordinate, if it beats x.
  double step(Vector& x, double score) const {
    Matrix points;
    for (const Index i : space_.discrete()) {
      const Coordinate& c = space_[i];
      const std::uint64_t here = c.level(x[static_cast<std::size_t>(i)]);
      for (const std::uint64_t level : other_levels(c, here)) {
        Vector neighbour(x);
        neighbour[static_cast<std::size_t>(i)] = c.at_level(level);
        if (!tried_.contains(neighbour)) points.append_row(neighbour);
      }
    }
    if (points.rows() == 0) return score;
    const Vector scores = acquisition_(points);
    const auto best = std::max_element(scores.begin(), scores.end());
    if (!(*best > score)) return score;
    const VectorView row = points.row(best - scores.begin());
    x.assign(row.begin(), row.end());
    return *best;
  }

  // All other levels of a categorical or a short integer; of a long one, its neighbours and steps of halving
  // width.
  static std::vector<std::uint64_t> other_levels(const Coordinate& c, std::uint64_t here) {
    constexpr std::uint64_t short_range = 16;
    std::vector<std::uint64_t> out;
    const std::uint64_t levels = c.levels();
    if (c.kind() == Kind::categorical || levels <= short_range) {
      for (std::uint64_t k = 0; k < levels; ++k) {
        if (k != here) out.push_back(k);
      }
      return out;
    }
    const double u = c.at_level(here);
    for (double width = 0.5; width > 0.01; width *= 0.5) {
      for (const double signed_width : {-width, width}) {
        if (u + signed_width >= 0.0 && u + signed_width <= 1.0) out.push_back(c.level(u + signed_width));
      }
    }
    if (here > 0) out.push_back(here - 1);
    if (here + 1 < levels) out.push_back(here + 1);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    std::erase(out, here);
    return out;
  }

  const LogExpectedImprovement& acquisition_;
  const Coordinates& space_;
  const Tried& tried_;
  const SearchOptions& options_;
};

}  // namespace

std::optional<Vector> design_point(const Coordinates& space, MatrixView tried_points, std::uint64_t seed,
                                   std::uint64_t trial) {
  require(trial >= 1, "trials are numbered from 1");
  space.check(tried_points);
  Tried tried(space);
  tried.add(tried_points);
  Vector x(static_cast<std::size_t>(space.size()), 0.5);
  if (trial > 1) UnitPoints(space.size(), seed, 0, Use::design_scramble).point(trial - 2, x);
  space.from_unit(x);
  if (!tried.contains(x)) return x;
  return any_untried(space, tried, seed, trial);
}

std::optional<Vector> propose(const GaussianProcess& model, MatrixView pending, MatrixView tried_points,
                              std::uint64_t seed, std::uint64_t trial, const SearchOptions& options) {
  const Coordinates& space = model.space();
  require(options.candidates >= 1 && options.starts >= 1 && options.fantasies >= 1,
          "candidates, starts and fantasies must be at least 1");
  space.check(pending);
  space.check(tried_points);
  Tried tried(space);
  tried.add(model.points());
  tried.add(pending);
  tried.add(tried_points);
  const GaussianProcess imagined =
      pending.rows() == 0 ? model
                          : model.imagine(pending, options.fantasies, Stream(seed, trial, Use::fantasies));
  const LogExpectedImprovement acquisition(imagined);
  const Search search(acquisition, tried, options);
  if (space.cardinality() && *space.cardinality() <= options.enumerable) return search.enumerate();
  if (std::optional<Vector> found = search.run(seed, trial)) return found;
  return any_untried(space, tried, seed, trial);
}

}  // namespace hpt
