"""Optima to which a search has converged, so that it can look elsewhere (behaviour 4.5).

n   observations      X: (n, d)   encoded configurations      y: (n,)   objectives, minimised
S   spread: how far the median of the observations away from the best lies above it
c   crowd: the observations nearer than `NEAR` to the best of those that belong to no other crowd

The improvement that a model expects beside an optimum falls with every trial there, but so does what it
expects elsewhere: a crowd of nearly equal values makes the rest look hopeless, and the model's length scales
shrink to the crowd's. What is left to gain in a crowd is seen from its values instead: once several differ
from the best by less than anyone can tell, it has converged. Under noise values next to each other differ by
more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpt.search.core import AWAY
from hpt.search.history import Float64Array
from hpt.search.parameters import Coordinate

NEAR = 0.05
"""A crowd's radius: the root mean square of the differences of its coordinates, as shares of their ranges."""
PRECISION = 1e-5
"""Values that differ by less than this share of the spread are one and the same."""
LEAST = 5
"""How many such values make a crowd converged, or as many as there are coordinates."""
MOST = 8
"""How many crowds are looked at."""
ROUND = (None, AWAY, 0.8, AWAY, AWAY, 0.5, AWAY, AWAY)
"""The correlation with converged crowds from which a trial keeps away, by its number: most look far from
them, two just outside, as a better optimum may stand close by, and one is proposed as if nothing had
converged.
"""


@dataclass(frozen=True, slots=True)
class Basins:
    """Converged crowds.

    Attributes
    ----------
    centres
        The best observation of each, best first.
    best
        Whether the best of all observations is among them.
    kept
        Which observations represent all, (n,): of a crowd its best, and a few that are not close to better
        ones.
    """

    centres: list[int]
    best: bool
    kept: NDArray[np.bool_]


def converged(coordinates: Sequence[Coordinate], X: Float64Array, y: Float64Array) -> Basins | None:
    """The crowds of observations, (n, d) and (n,), that have converged; None if there are none."""
    least = max(LEAST, X.shape[1])
    if len(y) < 2 * least:
        return None
    low, high = float(y.min()), float(y.max())
    if high - low == np.inf:
        return None
    if np.partition(y, least - 1)[least - 1] - low > PRECISION * (high - low) and not _any_close(y, least):
        return None
    categorical = np.array([coordinate.kind == "categorical" for coordinate in coordinates])
    first = int(np.argmin(y))
    away = y[_distances(X, first, categorical) > NEAR]
    if len(away) < least:
        return None
    within = PRECISION * (float(np.median(away)) - low)
    if not within > 0:
        return None
    rest, kept = np.ones(len(y), dtype=bool), np.ones(len(y), dtype=bool)
    centres: list[int] = []
    for _ in range(MOST):
        left = np.flatnonzero(rest)
        if len(left) < least:
            break
        centre = int(left[np.argmin(y[left])])
        crowd = rest & (_distances(X, centre, categorical) <= NEAR)
        rest &= ~crowd
        members = np.flatnonzero(crowd)
        equal = members[y[members] <= y[centre] + within]
        if len(equal) >= least and len(np.unique(X[equal], axis=0)) >= least:  # repeats do not count
            centres.append(centre)
            kept[members] = False
            kept[_apart(X, members[np.argsort(y[members], kind="stable")], categorical)] = True
    return Basins(centres, first in centres, kept) if centres else None


def _any_close(y: Float64Array, least: int) -> bool:
    """Whether so many values anywhere differ by little enough."""
    ordered = np.sort(y)
    return bool((ordered[least - 1 :] - ordered[: 1 - least]).min() <= PRECISION * (ordered[-1] - ordered[0]))


def _distances(X: Float64Array, i: int, categorical: NDArray[np.bool_]) -> Float64Array:
    apart = np.abs(X - X[i])
    apart[:, categorical] = apart[:, categorical] > 0
    squares: Float64Array = (apart**2).mean(axis=1)
    return np.sqrt(squares)


def _apart(X: Float64Array, members: NDArray[np.intp], categorical: NDArray[np.bool_]) -> list[int]:
    """Of these, in their order, each that is half a radius away from those before, 2 d + 1 at most."""
    apart: list[int] = []
    while len(members) and len(apart) <= 2 * X.shape[1]:
        apart.append(int(members[0]))
        members = members[_distances(X[members], 0, categorical) > NEAR / 2]
    return apart
