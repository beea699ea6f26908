"""Bayesian search of one space, as a part of the single-space and multi-algorithm strategies.

n   observations            X: (n, d)   encoded configurations      y: (n,)   objectives, minimised
a   anchor, a <= n          the first a observations decide the kernel's hyperparameters
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf

import numpy as np

from hpt.errors import InputError
from hpt.search import core
from hpt.search.history import Float64Array, History
from hpt.search.space import SearchSpace
from hpt.search.strategies.auto_scale import Fit, NewFit, ScaledSpace, best_fit, for_first_point
from hpt.search.strategies.base import check_integer
from hpt.search.strategies.basins import ROUND, converged
from hpt.search.strategies.feasibility import Feasibility
from hpt.search.strategies.related import RelatedSearches
from hpt.search.strategies.repeats import is_noisy, tried, worth_repeating
from hpt.search.strategies.schedule import anchor, base, milestones
from hpt.search.trial import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How Bayesian search fits its models and what it asks of them.

    Parameters
    ----------
    tail_limit, warping
        As `core.fit` takes them.
    doubling
        As `core.Model.propose` takes it, for trials of odd number.
    acquisition
        As `core.Model.propose` takes it; None: the fit decides (`acquisition_for`).
    samples
        As `core.Model.propose` takes it, while there are fewer than `sampled_until` observations.
    sampled_until
        See samples.
    threads
        Of the core; they change no bit.
    repeats
        Whether a configuration may be proposed again, under noise, where that teaches more than a new one:
        in a finite space, as elsewhere a new one close by teaches as much.

    Raises
    ------
    InputError
        A value breaks its rule.
    """

    tail_limit: float = core.TAIL_LIMIT
    warping: bool = True
    doubling: float = core.DOUBLING
    acquisition: str | None = None
    samples: int = 0
    sampled_until: int = 30
    threads: int = 1
    repeats: bool = False

    def __post_init__(self) -> None:
        if not self.tail_limit > 0:
            raise InputError(
                f"tail_limit {self.tail_limit} is not above 0; give 2, or infinity to only standardise"
            )
        if not self.doubling > 0:
            raise InputError(
                f"doubling {self.doubling} is not above 0; give 50, or infinity to widen nothing"
            )
        check_integer(self.samples, "samples", 0, "give 0 for one fit, or how many draws to average")
        check_integer(self.sampled_until, "sampled_until", 0, "give how many observations")
        if not isinstance(self.repeats, bool):
            raise InputError(f"repeats {self.repeats!r} is not a boolean; give True or False")
        check_integer(self.threads, "threads", 1, "give 1, or how many cores are free")
        if self.acquisition is not None:
            object.__setattr__(self, "acquisition", core.check_acquisition(self.acquisition))

    def fitter(self, *, transformed: bool) -> NewFit:
        """What fits observations, as `best_fit` takes it. transformed: their targets were, before."""
        tail_limit = inf if transformed else self.tail_limit
        return partial(core.fit, warping=self.warping, threads=self.threads, tail_limit=tail_limit)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The model of the first `count` observations of a source, of which `base` are factored together."""

    source: object
    fit: Fit
    base: int
    count: int
    targets: Float64Array
    model: core.Model


class ModelSearch:
    """First points, fits, models and proposals of one space.

    What is kept between calls (fits, models of success and of related searches) is a cache: each is keyed by
    all that it depends on, and dropping it changes no bit.
    """

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._source: object = None  # of the histories that the fits are of
        self._fits: dict[tuple[object, ...], Fit] = {}
        self._model: _Kept | None = None
        self._represented: tuple[tuple[object, ...], core.Hyperparameters] | None = None
        self._elsewhere: tuple[tuple[object, ...], core.Model] | None = None
        self._feasibility = Feasibility()
        self.related = RelatedSearches(self._fit_related)

    @property
    def repeats(self) -> bool:
        """Whether a configuration may be proposed again."""
        return self._options.repeats

    def __getstate__(self) -> dict[str, object]:
        return {"_options": self._options}

    def __setstate__(self, state: dict[str, ModelOptions]) -> None:
        ModelSearch.__init__(self, state["_options"])

    def first_point(self, history: History, seed: int, number: int, scale: int) -> Config | None:
        """A configuration far from what was tried.

        Parameters
        ----------
        history
            Of this space.
        seed
            The search's seed.
        number
            Of the point, counted from 1.
        scale
            Decides how `Auto` numbers are laid out: logarithmically where it is even.

        Returns
        -------
        Config or None
            None if every configuration was tried.
        """
        scaled = for_first_point(history.space, scale)
        tried = scaled.place(np.concatenate([history.X, history.pending, history.failed]))
        if history.held is not None:
            return _first_held(history, scaled, tried, seed, number)
        row = core.design_point(scaled.space.coordinates, tried, seed, number)
        return None if row is None else scaled.config(row)

    def fit(self, history: History, targets: Callable[[int], Float64Array], *, transformed: bool) -> Fit:
        """The fit at the last anchor of n observations, n at least 1.

        targets: of the first a observations, (a,), as they were known when the last of those came in.
        """
        X, space, options = history.X, history.space, self._options
        if self._source is not history.source:
            self._source, self._fits = history.source, {}
        new_fit = options.fitter(transformed=transformed)
        fits: dict[tuple[object, ...], Fit] = {}
        fit: Fit | None = None
        for a in milestones(len(X)):
            y = targets(a)
            key = (a, y.tobytes())  # the observations of one source never change
            kept = self._fits.get(key)
            fit = fits[key] = best_fit(space, X[:a], y, fit, new_fit) if kept is None else kept
        assert fit is not None, "without observations there is no model"
        self._fits = fits
        return fit

    def model(self, history: History, fit: Fit, targets: Float64Array) -> core.Model:
        """The model of all observations with these targets, (n,).

        The first `base(n)` are factored together and the others appended, here and after a restart alike; a
        model of fewer observations with the same base is extended.
        """
        scaled, n, first = fit.scaled, len(targets), base(len(targets))
        kept, self._model = self._model, None
        if (
            kept is None
            or kept.source is not history.source
            or kept.fit is not fit
            or kept.base != first
            or kept.count > n
            or kept.count <= core.MODEL_LIMIT < n  # observations are chosen from there on
        ):
            kept = None
        if kept is not None and kept.count == n and np.array_equal(kept.targets, targets):
            model = kept.model
        elif kept is not None and first < n:
            model = kept.model.extended(scaled.place(history.X[kept.count :]), targets)
        else:
            X, threads = scaled.place(history.X), self._options.threads
            model = core.Model(scaled.space.coordinates, X, targets, fit.at, threads, first)
        self._model = _Kept(history.source, fit, first, n, targets, model)
        return model

    def propose(
        self,
        history: History,
        fit: Fit,
        model: core.Model,
        seed: int,
        number: int,
        incumbent: float = inf,
        away: Float64Array | None = None,
        skipped: Float64Array | None = None,
        correlation: float = core.AWAY,
    ) -> Float64Array | None:
        """The point of the scaled space that is most promising.

        Parameters
        ----------
        history
            Of this space.
        fit, model
            Of its observations.
        seed, number
            Decide the randomness; trials of odd number explore.
        incumbent
            What is to be improved on, in the model's targets, where that is below its own best.
        away, correlation
            As `core.Model.propose` takes them.
        skipped
            Points to skip besides those of the model, running and failed ones, (t, d).

        Returns
        -------
        array or None
            The point, (d,); None if every configuration was tried.
        """
        options, place = self._options, fit.scaled.place
        failed = place(history.failed)
        labels = self._feasibility.model(fit.scaled.space.coordinates, place(history.X), history.y, failed)
        return model.propose(
            place(history.pending),
            failed if skipped is None else np.concatenate([failed, skipped]),
            seed,
            number,
            incumbent,
            doubling=doubling_for(number, options.doubling) if away is None else inf,
            labels=labels,
            acquisition=options.acquisition or acquisition_for(fit.at),
            samples=options.samples if len(history.y) < options.sampled_until else 0,
            away=away,
            correlation=correlation,
            held=None if history.held is None else place(history.held[np.newaxis])[0],
        )

    def propose_elsewhere(
        self, history: History, fit: Fit, targets: Float64Array, seed: int, number: int
    ) -> Float64Array | None:
        """The point that is most promising away from optima to which the search has converged.

        Where the best is one of them, `ROUND` says how far away each trial looks. Where another optimum is
        better by now, the search returns to it, with a model that the others' crowds do not blind.

        Parameters
        ----------
        history
            Of this space.
        fit
            Of its observations: for the scales of `Auto` numbers.
        targets
            Objectives of the observations, (n,).
        seed, number
            Decide the randomness.

        Returns
        -------
        array or None
            The point, (d,); None if nothing has converged, or the trial is to be proposed as ever.
        """
        X = fit.scaled.place(history.X)
        basins = converged(fit.scaled.space.coordinates, X, targets)
        if basins is None:
            return None
        correlation = ROUND[number % len(ROUND)] if basins.best else core.AWAY
        if correlation is None:
            return None
        fit, model = self._represented_by(fit, X[basins.kept], targets[basins.kept])
        away = X[basins.centres] if basins.best else None
        return self.propose(history, fit, model, seed, number, away=away, skipped=X, correlation=correlation)

    def _represented_by(self, fit: Fit, X: Float64Array, y: Float64Array) -> tuple[Fit, core.Model]:
        """Fit and model from the observations that represent all, fitted anew as often as those of all."""
        coordinates, threads = fit.scaled.space.coordinates, self._options.threads
        rows = core.representative(coordinates, X, y, core.FIT_LIMIT)
        X, y, a = X[rows], y[rows], anchor(len(rows))
        key = (fit.scaled.logarithmic, X[:a].tobytes(), y[:a].tobytes())
        if self._represented is None or self._represented[0] != key:
            new_fit = self._options.fitter(transformed=False)
            self._represented = (key, new_fit(coordinates, X[:a], y[:a], None))
        at = self._represented[1]
        whole = (key, X[a:].tobytes(), y[a:].tobytes())
        if self._elsewhere is None or self._elsewhere[0] != whole:
            self._elsewhere = (whole, core.Model(coordinates, X, y, at, threads))
        return replace(fit, at=at), self._elsewhere[1]

    def again(
        self,
        history: History,
        fit: Fit,
        model: core.Model,
        seed: int,
        number: int,
        row: Float64Array | None,
    ) -> Config | None:
        """What to observe once more rather than the proposal `row`, if anything (`repeats`): in trials of odd
        number, which explore, only where nothing is left to propose. Arguments are those of `propose`."""
        if not self._options.repeats or history.space.size is None:
            return None
        if row is not None and number % 2:
            return None
        seen = tried(history, fit, model, seed, row, exhausted=row is None)
        chosen = worth_repeating([seen], None if row is None else 0)
        return None if chosen is None else history.observation(chosen[1]).config

    def _fit_related(self, space: SearchSpace, X: Float64Array, y: Float64Array) -> Fit:
        return best_fit(space, X, y, None, self._options.fitter(transformed=False))


def _first_held(
    history: History, scaled: ScaledSpace, tried: Float64Array, seed: int, number: int
) -> Config | None:
    """A first point in the coordinates that are not held, far from what was tried with the same values."""
    assert history.held is not None
    row = scaled.place(history.held[np.newaxis])[0].copy()  # (d,)
    free = np.isnan(row)
    same = np.abs(tried[:, ~free] - row[~free]).max(axis=1, initial=0.0) <= core.SAME
    coordinates = [each for each, is_free in zip(scaled.space.coordinates, free, strict=True) if is_free]
    part = core.design_point(coordinates, tried[same][:, free], seed, number)
    if part is None:
        return None
    row[free] = part
    return {**scaled.config(row), **history.fixed}


def first_points(d: int) -> int:
    """How many configurations of d parameters are launched or added before the model chooses."""
    return max(3, min(10, d + 2))


def doubling_for(number: int, doubling: float = core.DOUBLING) -> float:
    """The `doubling` of `core.Model.propose` for trial `number`: a search explores and exploits in turn."""
    return doubling if number % 2 else inf


def acquisition_for(at: core.Hyperparameters) -> str:
    """The acquisition that a search maximises with this fit: under noise, the augmented improvement."""
    return "AugmentedLogEI" if is_noisy(at) else "LogEI"
