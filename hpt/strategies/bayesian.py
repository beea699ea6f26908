"""Bayesian search: a Gaussian process of all results so far chooses each configuration (AMT 4.5).

n   observations            X: (n, d)   encoded configurations      y: (n,)   objectives, minimised
a   anchor, a <= n          the first a observations decide the kernel's hyperparameters
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from hpt import core
from hpt.errors import InputError
from hpt.history import Float64Array, History
from hpt.parameters import Coordinate
from hpt.space import SearchSpace
from hpt.strategies.auto_scale import Fit, densest, for_first_point
from hpt.strategies.base import Seed, Suggestion, check_whole, one_by_one
from hpt.strategies.feasibility import Feasibility
from hpt.strategies.schedule import milestones
from hpt.strategies.transfer import FEW, Advice, Transfer
from hpt.trial import Config

NOISY = 0.01
"""Noise, as a share of the amplitude, above which a search takes the augmented improvement."""


class BayesianStrategy:
    """First points that fill the space, then the maximum of the log expected improvement.

    The middle of every range comes first, scrambled Sobol' points after it; with `max(3, min(10, d + 2))`
    configurations launched or added, and three of them observed, the model takes over. Trials of odd number
    see its deviations widened (`core.DOUBLING`), which flat and noisy objectives need, those of even number
    as they are, which suits smooth ones. Where the fit is noisy, points of which one more observation would
    teach little count for less (`acquisition_for`). Running trials enter the model with imagined
    outcomes, failed ones are never proposed again and make their neighbourhood less attractive
    (`feasibility`), and a finite space is never repeated while untried configurations remain.
    `Auto` numbers that span three decades or more are laid out linearly or logarithmically, as the fit has it
    (`auto_scale`); every other first point is logarithmic in them.
    Related searches are heeded as far as they agree with this one (`transfer`).

    Randomness for trial k comes from (seed, k). The hyperparameters depend on a prefix of the observations
    in completion order, the same for about n / 16 further observations (`anchor`); a fit begins from that of
    the last anchor at 32, 64, 128, ... observations (`milestones`), so that one without any memory repeats a
    handful of fits. What is kept between calls is a cache: dropping it changes no bit.
    """

    def __init__(
        self,
        *,
        tail_limit: float = core.TAIL_LIMIT,
        warping: bool = True,
        first: int | None = None,
        doubling: float = core.DOUBLING,
        acquisition: str | None = None,
        samples: int = 0,
        sampled_until: int = 30,
        threads: int = 1,
    ) -> None:
        """tail_limit, warping: as `hpt.core.fit` takes them. first: the number of first points. doubling,
        acquisition, samples: as `hpt.core.Model.propose` takes them, doubling for trials of odd number,
        samples while there are fewer than `sampled_until` observations; without an acquisition the fit
        decides (`acquisition_for`). threads: of the core; they change no bit.
        """
        if not tail_limit > 0:
            raise InputError(
                f"tail_limit {tail_limit} is not above 0; give 2, or infinity to only standardise"
            )
        if not doubling > 0:
            raise InputError(f"doubling {doubling} is not above 0; give 50, or infinity to widen nothing")
        check_whole(samples, "samples", 0, "give 0 for one fit, or how many draws to average")
        check_whole(sampled_until, "sampled_until", 0, "give how many observations")
        check_whole(threads, "threads", 1, "give 1, or how many cores are free")
        if first is not None:
            check_whole(first, "first", 0, "give how many points the model shall wait for, or None")
        self._samples, self._sampled_until = samples, sampled_until
        self._acquisition = None if acquisition is None else core.check_acquisition(acquisition)
        self._tail_limit = tail_limit
        self._warping = warping
        self._first = first
        self._doubling = doubling
        self._threads = threads
        self._fits: dict[tuple[object, ...], Fit] = {}
        self._feasibility = Feasibility()
        self._transfer = Transfer(self._first_fit)

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        return one_by_one(self._next, history, count, seed)

    def _next(self, history: History, seed: Seed) -> Config | None:
        space, number = history.space, history.last_number + 1
        if space.size is not None and history.distinct >= space.size:
            return None
        X, y, pending, failed = history.X, history.y, history.pending, history.failed
        advice = self._transfer.advise(history) if history.related else None
        if len(y) < 3 or len(y) + len(pending) + len(failed) < self._first_points(history, advice):
            if advice is not None:
                point = advice.point(history) if number % 2 else None
                if point is not None:
                    return point
                number = (number + 1) // 2  # the middle of the space comes early here too
            scaled = for_first_point(space, number)
            tried = scaled.place(np.concatenate([X, pending, failed]))
            row = core.design_point(scaled.space.coordinates, tried, seed, number)
        else:
            fit = self._fit(history) if advice is None or advice.fit is None else advice.fit
            scaled, place = fit.scaled, fit.scaled.place
            model = core.Model(scaled.space.coordinates, place(X), y, fit.at, self._threads)
            labels = self._feasibility.model(scaled.space.coordinates, place(X), y, place(failed))
            row = model.propose(
                place(pending),
                place(failed),
                seed,
                number,
                doubling=doubling_for(number, self._doubling),
                labels=labels,
                acquisition=self._acquisition or acquisition_for(fit.at),
                samples=self._samples if len(y) < self._sampled_until else 0,
            )
        return None if row is None else scaled.space.decode(row[np.newaxis])[0]

    def _first_points(self, history: History, advice: Advice | None) -> int:
        most = first_points(len(history.space.parameters)) if self._first is None else self._first
        return most if advice is None else min(FEW, most)

    def _fit(self, history: History) -> Fit:
        X, y, space = history.X, history.y, history.space
        fits: dict[tuple[object, ...], Fit] = {}
        fit: Fit | None = None
        for a in milestones(len(y)):
            key = (space, X[:a].tobytes(), y[:a].tobytes())
            kept = self._fits.get(key)
            fit = fits[key] = densest(space, X[:a], y[:a], fit, self._new_fit) if kept is None else kept
        assert fit is not None, "the model takes over with three observations"
        self._fits = fits
        return fit

    def _first_fit(self, space: SearchSpace, X: Float64Array, y: Float64Array) -> Fit:
        return densest(space, X, y, None, self._new_fit)

    def _new_fit(
        self,
        coordinates: Sequence[Coordinate],
        X: Float64Array,
        y: Float64Array,
        start: core.Hyperparameters | None,
    ) -> core.Hyperparameters:
        return core.fit(
            coordinates,
            X,
            y,
            start,
            warping=self._warping,
            threads=self._threads,
            tail_limit=self._tail_limit,
        )


def first_points(d: int) -> int:
    """How many configurations are launched or added before the model chooses."""
    return max(3, min(10, d + 2))


def doubling_for(number: int, doubling: float = core.DOUBLING) -> float:
    """What `hpt.core.Model.propose` takes for trial `number`: a search explores and exploits by turns."""
    return doubling if number % 2 else inf


def acquisition_for(at: core.Hyperparameters) -> str:
    """Which improvement a search maximises with this fit: under noise, the augmented one."""
    return "AugmentedLogEI" if at.noise > NOISY * at.amplitude else "LogEI"
