"""Whether a search has converged: a bound on what is left to gain (behaviour 8.5).

n   final objectives      X: (n, d)   configurations, encoded, in order of completion      y: (n,)   minimised
"""

from __future__ import annotations

from math import inf, log, pi
from typing import TYPE_CHECKING

import numpy as np

from hpt.search import core
from hpt.search.history import Float64Array, History
from hpt.search.strategies.candidates import near, sampled
from hpt.search.strategies.randomness import CONVERGENCE, generator
from hpt.search.strategies.schedule import anchor

if TYPE_CHECKING:
    from hpt.search.space import SearchSpace

REGRET = 0.01
"""Convergence is a bound on the regret of at most this share of the best's absolute value."""
IN_A_ROW = 3
"""It must hold at so many consecutive completions."""
MIN_OBJECTIVES = 10
DELTA = 0.1
MOST = 500
"""Of more objectives than this, the model is given the best ones."""
SAMPLES = 1024
ROUNDS = 12


def beta(t: int, d: int) -> float:
    """The squared width of the confidence band after t observations of d parameters: the factor of Srinivas
    et al. (ICML 2010, theorem 1) divided by 5, as in Makarova et al., "Automatic Termination for
    Hyperparameter Optimization" (AutoML 2022).

    >>> round(beta(20, 4), 3), round(beta(100, 4), 3)
    (4.071, 5.359)
    """
    return 2 * log(d * t**2 * pi**2 / (6 * DELTA)) / 5


def regret_bound(
    space: SearchSpace, X: Float64Array, y: Float64Array, at: core.Hyperparameters, seed: int
) -> float:
    """An upper bound on what is left to gain: `bounds`, the first minus the second, at least 0.

    Parameters
    ----------
    space, X, y, at, seed
        As `bounds` takes them.

    Returns
    -------
    float
        In the units of y.
    """
    upper, lower = bounds(space, X, y, at, seed)
    return max(0.0, upper - lower)


def bounds(
    space: SearchSpace, X: Float64Array, y: Float64Array, at: core.Hyperparameters, seed: int
) -> tuple[float, float]:
    """(min of UCB over the evaluated points, min of LCB over the space).

    The minimum of the LCB is searched among random points and, round by round, ever closer to the lowest of
    them, so that the bound may be a little too small. A pure function of its arguments.

    Parameters
    ----------
    space
        The space that is searched.
    X, y
        Observations, (n, d) and (n,).
    at
        Hyperparameters of the kernel.
    seed
        Decides the random points.

    Returns
    -------
    tuple
        In the units of y.
    """
    model = core.Model(space.coordinates, X, y, at)
    width = beta(len(y), len(space.columns)) ** 0.5

    def bands(points: Float64Array) -> tuple[Float64Array, Float64Array]:
        return model.predict_band(points, width)

    lower_at_X, upper_at_X = bands(X)
    rng = generator(seed, len(y), CONVERGENCE)
    points = sampled(space, SAMPLES, rng)  # (s, d)
    points = np.concatenate([points, X])
    lower = np.concatenate([bands(points[: -len(X)])[0], lower_at_X])
    spread = 0.25
    for _ in range(ROUNDS):
        best = points[np.argsort(lower, kind="stable")[:8]]  # (8, d)
        points = np.concatenate([best, near(space, best, spread, rng)])
        lower = bands(points)[0]
        spread /= 2
    return float(upper_at_X.min()), float(lower.min())


class Convergence:
    """Whether a search has converged: the regret bound of its final objectives is at most 1 % of the best's
    absolute value, at `IN_A_ROW` consecutive completions, after `max(10, 2 d)` of them.

    The kernel's hyperparameters depend on the first `anchor(n)` objectives, as in Bayesian search. In
    multi-algorithm search each definition has a model of its own, all count in d, and the bound is over what
    any of them may still reach. Objectives that are all equal have converged, as those have that differ by
    next to nothing. A pure function of the history and the seed; bounds already computed and the last fits
    are kept, as caches.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._source: object = None
        self._small: dict[int, bool] = {}
        self._fits: dict[str | None, tuple[int, core.Hyperparameters]] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_source": None, "_small": {}, "_fits": {}}

    def holds(self, history: History) -> bool:
        """Whether the search has converged with the last final objective of this history."""
        if self._source is not history.source:
            self._source, self._small, self._fits = history.source, {}, {}
        n = len(history.y)
        d = sum(len(part.space.columns) for part in _parts(history).values())
        least = max(MIN_OBJECTIVES, 2 * d)
        if n - history.added_count < least + IN_A_ROW - 1:  # a parent's results do not count (9.5)
            return False
        return all(self._is_small(history, k) for k in range(n, n - IN_A_ROW, -1))

    def _is_small(self, history: History, n: int) -> bool:
        if n not in self._small:
            parts, y = _parts(history), history.y[:n]
            if y.min() == y.max() and all(_count(history, name, n) for name in parts):
                self._small[n] = True  # there is no unit to measure a gain by
                return True
            limits = [self._bounds(name, part, _count(history, name, n)) for name, part in parts.items()]
            gain = max(0.0, min(upper for upper, _ in limits) - min(lower for _, lower in limits))
            self._small[n] = gain <= REGRET * abs(float(y.min()))
        return self._small[n]

    def _bounds(self, name: str | None, part: History, n: int) -> tuple[float, float]:
        """Those of one definition after n objectives of its own; before the first, it may reach anything."""
        if n == 0:
            return inf, -inf
        a = anchor(n)
        if name not in self._fits or self._fits[name][0] != a:
            self._fits[name] = a, core.fit(part.space.coordinates, *_best(part, a))
        return bounds(part.space, *_best(part, n), self._fits[name][1], self._seed)


def _parts(history: History) -> dict[str | None, History]:
    """The definitions' own histories by name, of a single one the whole under None."""
    return {name: history.of(name) for name in history.definitions} or {None: history}


def _count(history: History, name: str | None, n: int) -> int:
    """How many of the first n objectives are of that definition."""
    if name is None:
        return n
    return int((history.owners[:n] == history.definitions.index(name)).sum())


def _best(history: History, n: int) -> tuple[Float64Array, Float64Array]:
    """The first n observations, or the best of them, in order of completion."""
    X, y = history.X[:n], history.y[:n]
    if n <= MOST:
        return X, y
    best = np.sort(np.argsort(y, kind="stable")[:MOST])
    return X[best], y[best]
