"""What a search learns from related ones: where to begin, and how the objective is likely to vary (behaviour
9.5).

n   own observations            X: (n, d)   y: (n,)   of any scale
r   of a related search         X: (r, d)   y: (r,)   of another scale, so that only their order counts
t   agreement of a related search: Kendall's tau between y and what its model predicts at X, -1 ... 1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpt.search import core
from hpt.search.history import Float64Array, History, Observations
from hpt.search.strategies.auto_scale import Fit
from hpt.search.trial import Config

if TYPE_CHECKING:
    from hpt.search.space import SearchSpace

FEW = 4
"""First points of a search that trusts related ones: every other one is a configuration of theirs."""
TRUSTED = 1 / 3
"""Least agreement of related searches that are trusted: two of three pairs of results are in their order."""
SETTLED = 15
"""From so many own observations on, the kernel's hyperparameters are the search's own in any case."""
MOST = 200
"""Of more observations of a related search than this, a part is taken."""
SAME = 1e-9
"""Rows that differ by less are one configuration."""
NEAR = 0.2
"""Configurations that differ by less than this share of the ranges, on average, say much the same."""

NewFit = Callable[["SearchSpace", Float64Array, Float64Array], Fit]


@dataclass(frozen=True, slots=True)
class _Related:
    """The model of a related search, and the map of its predictions to a scale common to all."""

    seen: Observations
    fit: Fit
    model: core.Model
    common: Callable[[Float64Array], Float64Array]

    def predict(self, X: Float64Array) -> Float64Array:
        """At X: (m, d), (m,): the better half linear, in spreads of the observations."""
        return self.common(self.model.predict(self.fit.scaled.place(X))[0])


@dataclass(frozen=True, slots=True)
class TrustedSearches:
    """Related searches that are trusted at one point of a search, weighed by their agreement.

    fit: that of the one that agrees best, if it has seen more than the search itself.
    """

    known: tuple[_Related, ...]
    weights: Float64Array
    fit: Fit | None

    def predict(self, X: Float64Array) -> Float64Array:
        """At X: (m, d), (m,), on the common scale."""
        return np.asarray(
            np.average([search.predict(X) for search in self.known], axis=0, weights=self.weights)
        )

    def point(self, history: History) -> Config | None:
        """The configuration of related searches that is predicted best, far from what was tried; untried."""
        pool = np.concatenate([search.seen.X for search in self.known])  # (p, d)
        tried = np.concatenate([history.X, history.pending, history.failed])  # (t, d)
        worth = -self.predict(pool)
        if len(tried):
            distance = _distances(history.space, pool, tried).min(axis=1)
            worth += 2 * np.minimum(distance, NEAR) / NEAR
        else:
            distance = np.full(len(pool), np.inf)
        for i in np.argsort(-worth, kind="stable"):
            if distance[i] < SAME:  # decoded, a row may come back an ulp beside what was tried
                continue
            [config] = history.space.decode(pool[i : i + 1])
            if not history.contains(config):
                return config
        return None


class RelatedSearches:
    """Related searches are trusted until the search's own results contradict them, and then ignored.

    Trusting them, a search begins with half of its first points at their good configurations, far from each
    other, and has fewer first points; until it has `SETTLED` observations, the hyperparameters of its kernel
    are those of a related search. Its model is made of its own results alone, so that whatever was taken over
    wrongly is corrected by what it sees. Each related search has a Gaussian process of its own, and only the
    order of its predictions counts (cf. Feurer, Letham, Hutter and Bakshy, "Practical transfer learning for
    Bayesian optimization", 2018, where ranks weigh the models of an ensemble).

    new_fit: fits observations of a space. What is kept between calls is a cache.
    """

    def __init__(self, new_fit: NewFit) -> None:
        self._new_fit = new_fit
        self._kept: dict[tuple[object, ...], _Related] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_kept": {}}

    def trusted(self, history: History) -> TrustedSearches | None:
        """Those to take into account at this point of a search; None if no related search is trusted."""
        known = self._known(history)
        X, y = history.X, history.y
        weights = np.ones(len(known))
        if len(y) >= FEW:
            weights = np.array([max(0.0, agreement(y, search.predict(X))) for search in known])
        if not weights.any():
            return None
        best = max(range(len(known)), key=lambda i: (weights[i], len(known[i].seen.y), -i))
        has_more = len(y) < min(SETTLED, len(known[best].seen.y))
        trusted = TrustedSearches(known, weights, known[best].fit if has_more else None)
        return None if len(y) >= FEW and agreement(y, trusted.predict(X)) < TRUSTED else trusted

    def _known(self, history: History) -> tuple[_Related, ...]:
        space = history.space
        kept: dict[tuple[object, ...], _Related] = {}
        for seen in history.related.values():
            key = (space, seen.X.tobytes(), seen.y.tobytes())
            kept[key] = self._kept[key] if key in self._kept else self._new(space, seen)
        self._kept = kept
        return tuple(kept.values())

    def _new(self, space: SearchSpace, seen: Observations) -> _Related:
        rows = _part(seen.y)
        X, y = seen.X[rows], seen.y[rows]
        fit = self._new_fit(space, X, y)
        model = core.Model(fit.scaled.space.coordinates, fit.scaled.place(X), y, fit.at)
        return _Related(Observations(X, y), fit, model, core.target_transform(y).forward)


def agreement(y: Float64Array, predicted: Float64Array) -> float:
    """Kendall's tau of two series, (n,) each, n at least 2; pairs that are equal in either series count as 0.

    >>> round(agreement(np.array([1.0, 2.0, 3.0]), np.array([10.0, 40.0, 20.0])), 3)
    0.333
    """
    i, j = np.triu_indices(len(y), 1)
    return float(np.mean(np.sign(y[i] - y[j]) * np.sign(predicted[i] - predicted[j])))


def _part(y: Float64Array) -> np.ndarray:
    """Which observations are taken: the best ones, and of the others as many, evenly spread by rank."""
    order = np.argsort(y, kind="stable")
    if len(order) > MOST:
        half = MOST // 2
        spread = np.linspace(half, len(order) - 1, MOST - half).round().astype(np.intp)
        order = order[np.concatenate([np.arange(half), spread])]
    return np.sort(order)


def _distances(space: SearchSpace, A: Float64Array, B: Float64Array) -> Float64Array:
    """(a, b): differences averaged over coordinates; different categories differ by 1."""
    apart = np.abs(A[:, np.newaxis] - B)  # (a, b, d)
    categorical = [coordinate.kind == "categorical" for coordinate in space.coordinates]
    apart[:, :, categorical] = apart[:, :, categorical] > 0
    return np.asarray(apart.mean(axis=2))
