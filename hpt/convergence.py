"""Whether a search has converged: a bound on what is left to gain (AMT 8.5).

n   final objectives      X: (n, d)   configurations, encoded, in order of completion      y: (n,)   minimised
"""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING

import numpy as np

from hpt import core
from hpt.history import Float64Array, History
from hpt.strategies.bayesian import anchor
from hpt.strategies.candidates import near, sampled
from hpt.strategies.streams import CONVERGENCE, generator

if TYPE_CHECKING:
    from hpt.space import SearchSpace

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
    """min of UCB over the evaluated points minus min of LCB over the space: no more is left to gain.

    The minimum of the LCB is searched among random points and, round by round, ever closer to the lowest ones
    found, so that the bound may be a little too small. A pure function of its arguments.
    """
    model = core.Model(space.coordinates, X, y, at)
    width = beta(len(y), len(space.parameters)) ** 0.5

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
    return float(max(0.0, upper_at_X.min() - lower.min()))


class Convergence:
    """Whether a search has converged: the regret bound of its final objectives is at most 1 % of the best's
    absolute value, at `IN_A_ROW` consecutive completions, after `max(10, 2 d)` of them.

    The kernel's hyperparameters depend on the first `anchor(n)` objectives, as in Bayesian search. A pure
    function of the history and the seed; bounds already computed and the last fit are kept, as caches.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._source: object = None
        self._small: dict[int, bool] = {}
        self._fit: tuple[int, core.Hyperparameters] | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_source": None, "_small": {}, "_fit": None}

    def holds(self, history: History) -> bool:
        """Whether the search has converged with the last final objective of this history."""
        if self._source is not history.source:
            self._source, self._small, self._fit = history.source, {}, None
        n = len(history.y)
        least = max(MIN_OBJECTIVES, 2 * len(history.space.parameters))
        if n < least + IN_A_ROW - 1:
            return False
        return all(self._is_small(history, k) for k in range(n, n - IN_A_ROW, -1))

    def _is_small(self, history: History, n: int) -> bool:
        if n not in self._small:
            a = anchor(n)
            if self._fit is None or self._fit[0] != a:
                self._fit = a, core.fit(history.space.coordinates, *_best(history, a))
            X, y = _best(history, n)
            bound = regret_bound(history.space, X, y, self._fit[1], self._seed)
            self._small[n] = bound <= REGRET * abs(float(y.min()))
        return self._small[n]


def _best(history: History, n: int) -> tuple[Float64Array, Float64Array]:
    """The first n observations, or the best of them, in order of completion."""
    X, y = history.X[:n], history.y[:n]
    if n <= MOST:
        return X, y
    best = np.sort(np.argsort(y, kind="stable")[:MOST])
    return X[best], y[best]
