"""Where trials are likely to fail, learned from those that did.

n   observations            X: (n, d)   of trials that succeeded     y: (n,)   their objectives, minimised
f   failures                F: (f, d)   encoded configurations, in completion order
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from hpt.search import core
from hpt.search.history import Float64Array
from hpt.search.parameters import Coordinate
from hpt.search.strategies.schedule import anchor

MOST = 128
"""At most this many successes, and this many failures, enter the model."""


class Feasibility:
    """A Gaussian process of labels, 0 for success and 1 for failure: the core multiplies the improvement it
    expects of a configuration by the probability that the trial succeeds. Nothing is invented for the
    objective of a failed trial, and without a failure there is no model and no effect.

    The kernel's hyperparameters are a function of a prefix of the observations and one of the failures; what
    is kept between calls is a cache.
    """

    def __init__(self) -> None:
        self._fit: tuple[tuple[object, ...], core.Hyperparameters] | None = None

    def model(
        self, coordinates: Sequence[Coordinate], X: Float64Array, y: Float64Array, F: Float64Array
    ) -> core.Model | None:
        """The model of the labels.

        Parameters
        ----------
        coordinates
            The d coordinates of the space.
        X, y
            Observations, (n, d) and (n,).
        F
            Failures, (f, d).

        Returns
        -------
        Model or None
            None before the first failure.
        """
        if not len(F):
            return None
        points, labels = labelled(coordinates, X, y, F)
        return core.Model(coordinates, points, labels, self._hyperparameters(coordinates, X, y, F))

    def _hyperparameters(
        self, coordinates: Sequence[Coordinate], X: Float64Array, y: Float64Array, F: Float64Array
    ) -> core.Hyperparameters:
        n, f = anchor(len(X)), anchor(len(F))
        key = (tuple(coordinates), X[:n].tobytes(), y[:n].tobytes(), F[:f].tobytes())
        if self._fit is None or self._fit[0] != key:
            points, labels = labelled(coordinates, X[:n], y[:n], F[:f])
            self._fit = key, core.fit(coordinates, points, labels, warping=False, tail_limit=inf)
        return self._fit[1]


def labelled(
    coordinates: Sequence[Coordinate], X: Float64Array, y: Float64Array, F: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Points and their labels: successes that represent all, and the latest failures.

    Parameters
    ----------
    coordinates
        The d coordinates of the space.
    X, y
        Observations, (n, d) and (n,).
    F
        Failures, (f, d).

    Returns
    -------
    tuple
        Points (k, d) and labels (k,), 0 for success and 1 for failure.
    """
    kept = X[core.representative(coordinates, X, y, MOST)]
    points = np.concatenate([kept, F[-MOST:]])
    return points, np.repeat([0.0, 1.0], [len(kept), len(points) - len(kept)])
