"""Whether one more observation of a configuration that was tried teaches more than a new configuration.

k   configurations that may be recommended     m: (k,)   posterior means    C: (k, k)   posterior covariance
v   variance of the noise of an observation    Z         a standard normal number
b   how far an observation of configuration j moves the means, a deviation of it: C_j / sqrt(C_jj + v), (k,)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpt.search import core
from hpt.search.history import Float64Array, History
from hpt.search.strategies.auto_scale import Fit

KEPT = 16
"""So many configurations of lowest posterior mean may be observed again."""
POOL = 512
"""They are among so many observations of the lowest values."""
NOISY = 0.01
"""Noise, as a share of the amplitude, above which a fit says that an objective is noisy."""

PROBE = 10
"""From so many observations on, an objective that does not look noisy is observed once more at its best."""
_Z = np.linspace(-6.0, 6.0, 121)
_DENSITY = np.exp(-0.5 * _Z**2)
_WEIGHTS = _DENSITY / _DENSITY.sum()


def is_noisy(at: core.Hyperparameters) -> bool:
    """Whether a fit says that the objective is noisy."""
    return at.noise > NOISY * at.amplitude


@dataclass(frozen=True, slots=True)
class Tried:
    """Configurations that were tried and one that is new, as the model of their space sees them.

    rows: of the first observation of each configuration in the history, (k,). means, covariance: of the k
    and, last, of the new one if there is one. noise: the variance of an observation. again: whether they may
    be observed again. probe: whether nothing but a repetition can tell how noisy the objective is.
    """

    rows: NDArray[np.intp]
    means: Float64Array
    covariance: Float64Array
    noise: float
    again: bool
    probe: bool

    def slopes(self, j: int) -> Float64Array:
        """b of configuration j."""
        return np.asarray(self.covariance[j] / np.sqrt(max(self.covariance[j, j], 0.0) + self.noise))


def tried(
    history: History,
    fit: Fit,
    model: core.Model,
    seed: int,
    new: Float64Array | None,
    *,
    exhausted: bool,
    common: bool = False,
) -> Tried:
    """What a model says of the configurations of its space.

    Parameters
    ----------
    history
        Of this space, with at least one observation.
    fit, model
        Of its observations.
    seed
        Of the outcomes imagined for running trials.
    new
        A new configuration as a point of the scaled space, (d,), or None.
    exhausted
        Whether every configuration was tried, so that only a repetition can tell how noisy the objective is.
    common
        Whether to use the units of the model's targets, which it then must not compress, and not its own.

    Returns
    -------
    Tried
        The `KEPT` configurations of lowest mean, without those that failed once.
    """
    X, place = history.X, fit.scaled.place
    failed = {row.tobytes() for row in history.failed}
    first: dict[bytes, int] = {}
    for i in _pool(history):
        if (key := X[i].tobytes()) not in failed:
            first.setdefault(key, i)
    rows = np.array(list(first.values()), dtype=np.intp)
    if len(rows):
        rows = rows[np.argsort(model.standardized_means(place(X[rows])), kind="stable")[:KEPT]]
    points = place(X[rows])
    if new is not None:
        points = np.concatenate([points, new[np.newaxis]])
    if not len(points):
        return Tried(rows, np.empty(0), np.empty((0, 0)), fit.at.noise, False, False)
    means, covariance = model.joint(points, place(history.pending), seed)
    noise = max(fit.at.noise, _told(history, model))
    if common:
        middle, slope = model.units
        means, covariance, noise = middle + slope * means, slope**2 * covariance, slope**2 * noise
    again, probe = _may_repeat(history, fit, exhausted=exhausted)
    return Tried(rows, means, covariance, noise, again, probe)


def worth_repeating(parts: Sequence[Tried], new: int | None) -> tuple[int, int] | None:
    """The place of a model and the row of its history to observe again.

    Parameters
    ----------
    parts
        What was tried in each space.
    new
        The place of the model with a new configuration; None: there is none.

    Returns
    -------
    tuple or None
        The configuration whose observation teaches most; None if that is the new one, or there is no other.
    """
    known = [part.means[: len(part.rows)] for part in parts]
    lowest = [float(means.min()) if len(means) else np.inf for means in known]
    best, chosen = -1.0, None
    for p, part in enumerate(parts):
        other = min([*lowest[:p], *lowest[p + 1 :]], default=np.inf)
        k = len(part.rows)
        for j in range(k if part.again else 0):
            gain = expected_gain(known[p], part.slopes(j)[:k], other)
            if gain > best:
                best, chosen = gain, (p, int(part.rows[j]))
    if new is not None and parts[new].probe and len(parts[new].rows):
        return new, int(parts[new].rows[0])
    if new is None or chosen is None:
        return chosen
    part, other = parts[new], min([*lowest[:new], *lowest[new + 1 :]], default=np.inf)
    gain = expected_gain(part.means, part.slopes(-1), other)
    gain += min(lowest) - min(other, float(part.means.min()))
    return chosen if best > gain else None


def expected_gain(means: Float64Array, slopes: Float64Array, other: float = np.inf) -> float:
    """min m - E[min(m + b Z)]: by how much an observation is expected to lower the lowest mean (Frazier,
    Powell and Dayanik, "The knowledge-gradient policy for correlated normal beliefs", INFORMS Journal on
    Computing 21, 2009, equation 10). other: a mean besides, which the observation does not move.

    >>> round(expected_gain(np.array([0.0, 0.0]), np.array([1.0, 0.0])), 3)  # 1 / sqrt(2 pi)
    0.399
    """
    lowest = np.minimum((means[:, np.newaxis] + slopes[:, np.newaxis] * _Z).min(axis=0), other)  # (z,)
    return min(float(means.min()), other) - float((lowest * _WEIGHTS).sum())


def _may_repeat(history: History, fit: Fit, *, exhausted: bool) -> tuple[bool, bool]:
    """Whether configurations may be observed again, and whether one has to be, to see whether values differ.

    Where there is a continuous number, a new point close by says as much of one that was tried, and may be
    better than it.
    """
    if history.space.size is None:
        return False, False
    differ = _differ(history)
    unknown = differ is None and not is_noisy(fit.at) and not history.noise.any()
    seen = {row.tobytes() for row in history.X} if unknown else set()
    waiting = any(row.tobytes() in seen for row in history.pending)  # for what a repetition says
    probe = unknown and not waiting and len(history.y) >= PROBE
    return differ is not False and (exhausted or not unknown), probe


def _differ(history: History) -> bool | None:
    """Whether observations of one configuration differ; None: none was observed again. Of equal ones, an
    objective is not noisy, whatever a fit says."""
    values: dict[bytes, set[float]] = {}
    again = False
    for i in _pool(history):
        seen = values.setdefault(history.X[i].tobytes(), set())
        again = again or bool(seen)
        seen.add(float(history.y[i]))
        if len(seen) > 1:
            return True
    return False if again else None


def _pool(history: History) -> list[int]:
    order = np.argsort(history.y, kind="stable")[:POOL]
    return [int(i) for i in np.sort(order)]


def _told(history: History, model: core.Model) -> float:
    """The variance of an observation as known standard errors tell it, in the model's units; 0 if none is."""
    known = history.noise[history.noise > 0]
    return (float(np.median(known)) / model.units[1]) ** 2 if len(known) else 0.0
