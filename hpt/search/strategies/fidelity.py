"""What is known of final objectives that were not measured to the end, or not exactly.

n   observations       y: (n,)   as they were told, minimised      standard errors (n,), 0 if unknown
r   resource at which a trial was stopped
g   gain: what trials that were trained on gained from r to their end, final value minus value at r
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpt.search import core
from hpt.search.history import Float64Array, History
from hpt.search.trial import ObjectiveType, Trial, TrialStatus

ROUNDS = 16
"""Steps towards the means that noisy values are drawn to, at most."""
CLOSE = 1e-4
"""The error at which they end, as a share of the range of the values."""
SPREAD = 1.4826
"""A normal distribution's standard deviation, in median absolute deviations."""


class AtTheEnd:
    """Stopped trials as if they had been trained to their end.

    A value at resource r says what the final one is likely to be: it plus the median gain, with the spread of
    the gains as its standard error; but never better than the best that was measured. Without a trial that
    was trained beyond r it counts as it is. A pure function of the first a observations; what is kept is a
    cache.
    """

    def __init__(self) -> None:
        self._source: object = None
        self._kept: dict[int, tuple[Float64Array, Float64Array]] = {}
        self._whole = 0  # so many of the first observations are known to be of no stopped trial

    def __call__(self, history: History, a: int) -> tuple[Float64Array, Float64Array]:
        """Objectives and their standard errors, (a,) each, as they were known at the first a observations."""
        if self._source is not history.source:
            self._source, self._kept, self._whole = history.source, {}, 0
        observers = history.observers
        while self._whole < a and not _is_stopped(_trial(history, observers[self._whole])):
            self._whole += 1
        if self._whole >= a:
            return np.array(history.y[:a]), history.noise[:a]
        if a not in self._kept:
            if len(self._kept) > 64:
                self._kept.clear()
            self._kept[a] = _at_the_end(history, a)
        return self._kept[a]


def _at_the_end(history: History, a: int) -> tuple[Float64Array, Float64Array]:
    y, noise = np.array(history.y[:a]), history.noise[:a].copy()
    sign = -1.0 if history.objective is ObjectiveType.MAXIMIZE else 1.0
    trials = [_trial(history, number) for number in history.observers[:a]]
    stopped = [k for k, trial in enumerate(trials) if _is_stopped(trial)]
    whole = [k for k in range(a) if k not in set(stopped)]
    if not stopped or not whole:
        return y, noise
    best = min(y[k] for k in whole)
    curves = [(trial.reports, y[k]) for k in whole if (trial := trials[k]) is not None and trial.reports]
    gains: dict[float, Float64Array] = {}
    for k in stopped:
        trial = trials[k]
        assert trial is not None
        resource = trial.reports[-1].resource
        if resource not in gains:
            known = [
                end - sign * value
                for reports, end in curves
                if reports[-1].resource > resource
                and (value := next((r.value for r in reports if r.resource >= resource), None)) is not None
                and np.isfinite(value)
            ]
            gains[resource] = np.array(known)
        if len(gains[resource]):
            middle = float(np.median(gains[resource]))
            spread = SPREAD * float(np.median(np.abs(gains[resource] - middle)))
            y[k] = max(y[k] + middle, best)
            noise[k] = float(np.hypot(noise[k], spread))
    return y, noise


def _trial(history: History, number: int) -> Trial | None:
    """The trial of an observation; None where it was added."""
    return history.trial(number) if number else None


def _is_stopped(trial: Trial | None) -> bool:
    return trial is not None and trial.status is TrialStatus.STOPPED and len(trial.reports) > 0


def drawn_in(
    model: Callable[[Float64Array], core.Model],
    X: Float64Array,
    y: Float64Array,
    noise: Float64Array,
    at: core.Hyperparameters,
    rounds: int = ROUNDS,
) -> Float64Array:
    """Targets with which a model of equal noise has the means of one that knows each value's own.

    With K the covariance and D the variances of the noise, (K + D)^-1 y = (K + v I)^-1 t at the fixed point
    t = (v y + (d - v) m(t)) / d, m being the model's mean given t; values less noisy than v stay. It is found
    with the acceleration of Anderson ("Iterative procedures for nonlinear integral equations", 1965), which
    takes about as many steps as there are noisy values that tell the model something.

    Parameters
    ----------
    model
        Makes the model of the observations for targets, (n,).
    X, y, noise
        Observations as the model takes them, (n, d) and (n,), and standard errors, (n,).
    at
        The model's hyperparameters: v is their noise.
    rounds
        Steps towards the fixed point, at most.

    Returns
    -------
    array
        The targets, (n,).
    """
    transform = core.target_transform(y, at.tail_limit)
    deviation = (transform.forward(y + noise) - transform.forward(y - noise)) / 2  # standardised
    share = np.where(deviation**2 > at.noise, at.noise / np.maximum(deviation**2, 1e-300), 1.0)
    if (share == 1.0).all():
        return y
    noisy = np.flatnonzero(share < 1.0)
    targets, own, pull = y.copy(), y[noisy], share[noisy]
    steps: list[Float64Array] = []  # what was tried for the noisy ones, (q,) each,
    gaps: list[Float64Array] = []  # and by how much it misses the fixed point
    for _ in range(rounds):
        mean = model(targets.copy()).predict(X[noisy])[0]  # models remember their targets
        steps.append(targets[noisy])
        gaps.append(pull * own + (1 - pull) * mean - targets[noisy])
        step = steps[-1] + gaps[-1]
        if len(gaps) > 1:
            change = np.diff(gaps, axis=0).T  # (q, k)
            weights = np.linalg.lstsq(change, gaps[-1], rcond=1e-10)[0]
            step -= (np.diff(steps, axis=0).T + change) @ weights
        targets[noisy] = np.clip(step, y.min(), y.max())
        if np.abs(gaps[-1]).max() <= CLOSE * (y.max() - y.min()):
            break
    return targets
