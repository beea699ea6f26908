#include "hpt/maximize.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <span>

#include "hpt/ascent_ranges.hpp"
#include "hpt/candidates.hpp"
#include "hpt/design.hpp"
#include "hpt/error.hpp"
#include "hpt/lbfgsb.hpp"
#include "hpt/lockstep.hpp"
#include "hpt/parallel.hpp"
#include "hpt/random.hpp"
#include "hpt/stage.hpp"
#include "hpt/tried.hpp"

namespace hpt {
namespace {

// Maximises the acquisition over one model; holds what its steps share.
class Search {
 public:
  Search(const Acquisition& acquisition, const Tried& tried, const Away& away, const SearchOptions& options,
         const Team& team)
      : acquisition_(acquisition),
        model_(acquisition.model()),
        space_(model_.space()),
        tried_(tried),
        away_(away),
        options_(options),
        team_(team),
        wide_(space_.wide()),
        many_(model_.points().rows() > options.many),
        starts_(wide_   ? share_of(options.wide_starts_work, options.many_starts / 2, options.starts)
                : many_ ? options.many_starts
                        : options.starts),
        neighbours_(wide_ ? share_of(options.wide_work, 64, options.neighbours / 4) : options.neighbours),
        bounded_(many_ && !wide_ && acquisition.pointwise()) {}

  // free: the coordinates that are not held, a finite space.
  std::optional<Vector> enumerate(const Coordinates& free, const std::vector<Index>& columns) const {
    Matrix points;
    Vector x(static_cast<std::size_t>(space_.size())), part(columns.size());
    hold(options_.held, x);
    for (std::uint64_t number = 0; number < *free.cardinality(); ++number) {
      free.at(number, part);
      for (std::size_t k = 0; k < columns.size(); ++k) x[static_cast<std::size_t>(columns[k])] = part[k];
      if (!tried_.contains(x)) points.append_row(x);
    }
    if (points.rows() == 0) return std::nullopt;
    return row_of(best_of(std::move(points), 1).points, 0);
  }

  // The lowest of a draw of the function at the candidates.
  std::optional<Vector> thompson(std::uint64_t seed, std::uint64_t trial) const {
    Matrix points = drawn(seed, trial);
    if (points.rows() == 0) return std::nullopt;
    keep_lowest_means(points, many_ ? options_.variances : points.rows());
    const Matrix drawn = model_.sample(points, 1, Stream(seed, trial, Use::thompson));
    const VectorView row = drawn.row(0);
    return row_of(points, std::min_element(row.begin(), row.end()) - row.begin());
  }

  std::optional<Vector> run(std::uint64_t seed, std::uint64_t trial) const {
    Front front = screen(seed, trial);
    if (front.points.rows() == 0) return std::nullopt;
    ascend(front);
    if (!space_.discrete().empty()) {
      if (many_ || wide_) keep_best(front, wide_ ? options_.wide_finalists : options_.finalists);
      const int rounds = wide_ ? options_.wide_rounds : many_ ? options_.many_rounds : options_.rounds;
      Stream stream(seed, trial, Use::neighbours);
      for (int round = 0; round < rounds && step(front, stream); ++round) ascend(front);
    }
    return row_of(front.points, order_of(front.scores)[0]);
  }

 private:
  // Of points whose distances to all observations take so many products together, within these limits.
  Index share_of(Index work, Index least, Index most) const {
    return std::clamp(work / (model_.points().rows() * space_.size()), least, most);
  }

  // Averaged over the sets, and the size of their errors.
  struct Means {
    Vector of_points;
    double error;
  };

  Means rough_means(const Matrix& points) const {
    Means out{Vector(static_cast<std::size_t>(points.rows())), 0.0};
    out.error = model_.predict_rough_mean(points, out.of_points, team_);
    return out;
  }

  // Points under improvement.
  struct Front {
    Matrix points;           // (k, d)
    Vector scores;           // (k,)
    std::vector<char> live;  // (k,): whether it moved in the last round
  };

  // Highest first; of equals the earlier.
  static std::vector<Index> order_of(const Vector& scores) {
    std::vector<Index> order(scores.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
      return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    return order;
  }

  bool is_held(Index i) const {
    return !options_.held.empty() && !std::isnan(options_.held[static_cast<std::size_t>(i)]);
  }

  static Vector row_of(const Matrix& points, Index i) {
    return Vector(points.row(i).begin(), points.row(i).end());
  }

  static Matrix rows_of(const Matrix& points, const std::vector<Index>& rows) {
    Matrix out;
    for (const Index i : rows) out.append_row(points.row(i));
    return out;
  }

  static void keep_best(Front& front, Index count) {
    std::vector<Index> order = order_of(front.scores);
    order.resize(std::min(order.size(), static_cast<std::size_t>(count)));
    Front kept{rows_of(front.points, order), Vector(), std::vector<char>(order.size(), 1)};
    for (const Index i : order) kept.scores.push_back(front.scores[static_cast<std::size_t>(i)]);
    front = std::move(kept);
  }

  Matrix drawn(std::uint64_t seed, std::uint64_t trial) const {
    const Index whole = wide_ ? options_.wide_whole : many_ ? options_.means : options_.candidates;
    const Index local = wide_ ? options_.wide_local : options_.local;
    return candidates(model_, tried_, away_, options_.held, whole, local, seed, trial, team_);
  }

  // The best of the candidates: by their means first where a variance is dear, then by the acquisition.
  Front screen(std::uint64_t seed, std::uint64_t trial) const {
    Matrix points = drawn(seed, trial);
    if (!many_) return best_of(std::move(points), starts_);
    const Means means = keep_lowest_means(points, wide_ ? options_.wide_exact : options_.variances);
    if (!bounded_) {
      Front front{points, acquisition_(points, team_), {}};
      keep_best(front, starts_);
      return front;
    }
    std::vector<Index> order = order_of(bounds(points, landmarks(), means));
    order.resize(std::min(order.size(), static_cast<std::size_t>(options_.exact)));
    points = rows_of(points, order);
    Front front{points, acquisition_(points, team_), {}};
    keep_best(front, starts_);
    return front;
  }

  // Of the acquisition, from the variances that these of the observations leave; from rough means unless
  // their errors count among the deviations of the most promising points.
  Vector bounds(const Matrix& points, const std::vector<Index>& rows, const Means& means) const {
    Vector variance(static_cast<std::size_t>(points.rows()));
    model_.bound_variances(points, model_.landmarks(rows), variance, team_);
    Matrix mean(points.rows(), 1);
    if (model_.sets() == 1) {
      std::copy(means.of_points.begin(), means.of_points.end(), mean.data());
      const Vector scores = acquisition_.of_predictions(points, mean, variance, team_);
      std::vector<Index> best = order_of(scores);
      best.resize(std::min(best.size(), static_cast<std::size_t>(options_.exact)));
      const bool close = std::all_of(best.begin(), best.end(), [&](Index i) {
        return 4.0 * means.error <= std::sqrt(variance[static_cast<std::size_t>(i)]);
      });
      if (close) return scores;
    }
    model_.predict_means(points, mean, team_);
    return acquisition_.of_predictions(points, mean, variance, team_);
  }

  // Half of them the observations of lowest mean, where most points are that have a low one themselves, and
  // half evenly over the history.
  std::vector<Index> landmarks() const {
    const Matrix fitted = model_.fitted_means();
    const Index n = fitted.rows(), count = std::min(n, options_.landmarks), rest = count - count / 2;
    Vector lowness;
    for (Index i = 0; i < n; ++i) lowness.push_back(-fitted(i, 0));
    const std::vector<Index> order = order_of(lowness);
    std::vector<char> taken(order.size(), 0);
    for (Index i = 0; i < count / 2; ++i)
      taken[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = 1;
    for (Index i = 0; i < rest; ++i) taken[static_cast<std::size_t>(i * n / rest)] = 1;
    std::vector<Index> out;
    for (Index i = 0; i < n; ++i) {
      if (taken[static_cast<std::size_t>(i)]) out.push_back(i);
    }
    return out;
  }

  // The best of the points by the acquisition, which is asked in the order of their bounds until none of the
  // others can be among them.
  Front best_of(Matrix points, Index count) const {
    constexpr std::size_t batch = 128;
    const Vector bounds = acquisition_.bounds(points, team_);
    const std::vector<Index> order = order_of(bounds);
    Front front{std::move(points), Vector(order.size(), -std::numeric_limits<double>::infinity()), {}};
    Vector best;  // so far, highest first
    for (std::size_t first = 0; first < order.size(); first += batch) {
      const double bound = bounds[static_cast<std::size_t>(order[first])];
      if (static_cast<Index>(best.size()) == count && best.back() > bound) break;
      const std::vector<Index> rows(
          order.begin() + static_cast<Index>(first),
          order.begin() + static_cast<Index>(std::min(first + batch, order.size())));
      const Vector scores = acquisition_(rows_of(front.points, rows), team_);
      for (std::size_t i = 0; i < rows.size(); ++i)
        front.scores[static_cast<std::size_t>(rows[i])] = scores[i];
      best.insert(best.end(), scores.begin(), scores.end());
      std::sort(best.begin(), best.end(), std::greater<>());
      best.resize(std::min(best.size(), static_cast<std::size_t>(count)));
    }
    keep_best(front, count);
    return front;
  }

  static std::vector<Index> lowest_of(Vector values) {
    for (double& value : values) value = -value;
    return order_of(values);
  }

  // By means in single precision, unless they differ by too little.
  Means keep_lowest_means(Matrix& points, Index count) const {
    Means means = rough_means(points);
    if (points.rows() <= count) return means;
    Vector& values = means.of_points;
    std::vector<Index> order = lowest_of(values);
    const auto mean_of = [&](Index rank) {
      return values[static_cast<std::size_t>(order[static_cast<std::size_t>(rank)])];
    };
    if (mean_of(count) - mean_of(0) < 20.0 * means.error) {
      model_.predict_mean(points, values, team_);
      means.error = 0.0;
      order = lowest_of(values);
    }
    order.resize(static_cast<std::size_t>(count));
    points = rows_of(points, order);
    Means kept{{}, means.error};
    for (const Index i : order) kept.of_points.push_back(values[static_cast<std::size_t>(i)]);
    return kept;
  }

  // Ascent on the continuous coordinates of all live points together: a solve with the factor costs little
  // more for several right-hand sides than for one.
  void ascend(Front& front) const {
    std::vector<Index> live;
    for (std::size_t i = 0; i < front.live.size(); ++i) {
      if (front.live[i]) live.push_back(static_cast<Index>(i));
    }
    if (options_.steps > 0 && !space_.continuous().empty() && !live.empty()) ascend(front, live);
  }

  void ascend(Front& front, const std::vector<Index>& rows) const {
    const auto& free = space_.continuous();
    const AscentRanges ranges = ascent_ranges(model_, rows_of(front.points, rows), options_.held);
    LbfgsbOptions options;
    options.iterations = many_ && !wide_ ? options_.many_steps : options_.steps;
    options.evaluations = options.iterations + options.iterations / 2;
    options.value_tolerance = 1e-7;
    std::vector<BoundedSearch> searches;
    Vector at(free.size());
    for (std::size_t k = 0; k < rows.size(); ++k) {
      for (std::size_t q = 0; q < free.size(); ++q) at[q] = front.points(rows[k], free[q]);
      const Index start = static_cast<Index>(k);
      searches.emplace_back(at, ranges.lower.row(start), ranges.upper.row(start), options);
    }
    std::optional<Landmarks> around;
    if (bounded_) around = model_.landmarks(model_.nearest(rows_of(front.points, rows), options_.nearest));
    // No search sees the others, so that threads may share them in any way.
    const std::size_t threads = static_cast<std::size_t>(team_.threads());
    const std::size_t share = (rows.size() + threads - 1) / threads;
    for_chunks(static_cast<Index>((rows.size() + share - 1) / share), team_, [&](Index group) {
      const std::size_t first = static_cast<std::size_t>(group) * share;
      const std::size_t count = std::min(share, rows.size() - first);
      Lockstep(acquisition_, around ? &*around : nullptr)
          .run(front.points, std::span(rows).subspan(first, count),
               std::span(searches).subspan(first, count));
    });
    Matrix ends = rows_of(front.points, rows);
    Vector reached;
    for (std::size_t k = 0; k < rows.size(); ++k) {
      for (std::size_t q = 0; q < free.size(); ++q)
        ends(static_cast<Index>(k), free[q]) = searches[k].best()[q];
      reached.push_back(-searches[k].result().value);
    }
    if (around) reached = acquisition_(ends, team_);
    for (std::size_t k = 0; k < rows.size(); ++k) {
      auto& score = front.scores[static_cast<std::size_t>(rows[k])];
      const VectorView x = ends.row(static_cast<Index>(k));
      if (!(reached[k] > score) || tried_.contains(x)) continue;
      score = reached[k];
      std::copy(x.begin(), x.end(), front.points.row(rows[k]).begin());
    }
  }

  // Moves every live point to the best of the untried points that differ from it in one discrete coordinate,
  // if that is better; whether any moved.
  bool step(Front& front, Stream& stream) const {
    Matrix points;
    std::vector<std::size_t> owners;
    for (std::size_t k = 0; k < front.live.size(); ++k) {
      if (front.live[k]) append_neighbours(front.points.row(static_cast<Index>(k)), stream, points);
      owners.resize(static_cast<std::size_t>(points.rows()), k);
    }
    std::fill(front.live.begin(), front.live.end(), 0);
    if (points.rows() == 0) return false;
    if (wide_) {
      join_improvements(front, points, owners);
    } else if (bounded_) {
      keep_best_bounds(front, points, owners);
    }
    const Vector scores = acquisition_(points, team_);
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const std::size_t k = owners[i];
      if (!(scores[i] > front.scores[k])) continue;
      front.scores[k] = scores[i];
      front.live[k] = 1;
      const VectorView better = points.row(static_cast<Index>(i));
      std::copy(better.begin(), better.end(), front.points.row(static_cast<Index>(k)).begin());
    }
    return std::find(front.live.begin(), front.live.end(), 1) != front.live.end();
  }

  // Of each owner's points the one that bounds promise most.
  void keep_best_bounds(const Front& front, Matrix& points, std::vector<std::size_t>& owners) const {
    const Vector promised =
        bounds(points, model_.nearest(front.points, options_.nearest), rough_means(points));
    std::vector<Index> best(front.scores.size(), -1), chosen;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      Index& at = best[owners[i]];
      if (at < 0 || promised[i] > promised[static_cast<std::size_t>(at)]) at = static_cast<Index>(i);
    }
    owners.clear();
    for (std::size_t k = 0; k < best.size(); ++k) {
      if (best[k] < 0) continue;
      chosen.push_back(best[k]);
      owners.push_back(k);
    }
    points = rows_of(points, chosen);
  }

  // Of each owner's points, which differ from it in one coordinate each, all that promise more in one, then
  // the better half of them, and so on to the best one: of hundreds of coordinates many can move at once.
  void join_improvements(const Front& front, Matrix& points, std::vector<std::size_t>& owners) const {
    const Vector promised = acquisition_(points, team_);
    Matrix joined;
    std::vector<std::size_t> joined_owners;
    for (std::size_t k = 0; k < front.scores.size(); ++k) {
      const VectorView x = front.points.row(static_cast<Index>(k));
      std::vector<Index> best(x.size(), -1);  // of each coordinate
      for (std::size_t i = 0; i < owners.size(); ++i) {
        if (owners[i] != k) continue;
        const VectorView y = points.row(static_cast<Index>(i));
        const auto differs =
            static_cast<std::size_t>(std::mismatch(x.begin(), x.end(), y.begin()).first - x.begin());
        Index& at = best[differs];
        if (at < 0 || promised[i] > promised[static_cast<std::size_t>(at)]) at = static_cast<Index>(i);
      }
      Vector gains;
      std::vector<std::size_t> changed;
      for (std::size_t c = 0; c < best.size(); ++c) {
        if (best[c] < 0) continue;
        gains.push_back(promised[static_cast<std::size_t>(best[c])]);
        changed.push_back(c);
      }
      const std::vector<Index> order = order_of(gains);
      std::size_t count = 0;
      while (count < order.size() && gains[static_cast<std::size_t>(order[count])] > front.scores[k]) ++count;
      for (count = std::max<std::size_t>(count, std::min<std::size_t>(1, order.size())); count > 0;
           count /= 2) {
        Vector moved(x.begin(), x.end());
        for (std::size_t r = 0; r < count; ++r) {
          const std::size_t c = changed[static_cast<std::size_t>(order[r])];
          moved[c] = points(best[c], static_cast<Index>(c));
        }
        if (tried_.contains(moved)) continue;
        joined.append_row(moved);
        joined_owners.push_back(k);
      }
    }
    points = std::move(joined);
    owners = std::move(joined_owners);
  }

  void append_neighbours(VectorView x, Stream& stream, Matrix& points) const {
    const auto each = static_cast<std::size_t>(neighbours_) / space_.discrete().size();
    const double kept =
        static_cast<double>(neighbours_) / (2.0 * static_cast<double>(space_.discrete().size()));
    const std::size_t share = each + 1;
    Vector neighbour(x.begin(), x.end());
    for (const Index i : space_.discrete()) {
      if (is_held(i) || (each == 0 && stream.uniform() >= kept)) continue;
      const Coordinate& c = space_[i];
      auto& value = neighbour[static_cast<std::size_t>(i)];
      const double here = value;
      std::vector<std::uint64_t> levels = other_levels(c, c.level(here));
      for (std::size_t k = 0; levels.size() > share && k < share; ++k)
        std::swap(levels[k], levels[k + stream.below(levels.size() - k)]);
      levels.resize(std::min(levels.size(), share));
      for (const std::uint64_t level : levels) {
        value = c.at_level(level);
        if (!tried_.contains(neighbour)) points.append_row(neighbour);
      }
      value = here;
    }
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

  const Acquisition& acquisition_;
  const GaussianProcess& model_;
  const Coordinates& space_;
  const Tried& tried_;
  const Away& away_;
  const SearchOptions& options_;
  const Team& team_;
  bool wide_;
  bool many_;  // the rules of many observations hold
  Index starts_;
  Index neighbours_;
  bool bounded_;  // variances are bounded before they are computed
};

}  // namespace

double width_at(Index n, double doubling) {
  require(doubling > 0.0, "doubling must be above 0");
  return std::sqrt(1.0 + std::log2(1.0 + static_cast<double>(n) / doubling));
}

std::optional<Vector> propose(const GaussianProcess& model, MatrixView pending, MatrixView tried_points,
                              std::uint64_t seed, std::uint64_t trial, const SearchOptions& options,
                              const GaussianProcess* labels, const Tried* known) {
  const Coordinates& space = model.space();
  require(options.incumbent > -std::numeric_limits<double>::infinity(),
          "incumbent must be a number, or infinite where there is none");
  require(options.candidates >= 1 && options.starts >= 1 && options.fantasies >= 1,
          "candidates, starts and fantasies must be at least 1");
  space.check(pending);
  space.check(tried_points);
  const std::vector<Index> columns = space.free(options.held);
  Tried tried(space, known);
  tried.add(model.points());
  tried.add(pending);
  tried.add(tried_points);
  if (options.away.rows() > 0) space.check(options.away);
  const Away away(model, options.away, options.correlation);
  if (!away.empty()) tried.keep_away(away);
  const Stage stage(model, pending, seed, trial, options, away);
  const std::unique_ptr<const Acquisition> acquisition = stage.acquisition(labels);
  const Team team(options.threads);
  const Search search(*acquisition, tried, away, options, team);
  if (options.criterion == Criterion::thompson) {
    if (std::optional<Vector> found = search.thompson(seed, trial)) return found;
    return any_untried(space, tried, seed, trial, options.held);
  }
  const Coordinates free = space.part(columns);
  if (free.cardinality() && *free.cardinality() <= options.enumerable) return search.enumerate(free, columns);
  if (std::optional<Vector> found = search.run(seed, trial)) return found;
  return any_untried(space, tried, seed, trial, options.held);
}

}  // namespace hpt
