"""Bayesian search: a Gaussian process of all results so far chooses each configuration (behaviour 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from hpt.errors import InputError
from hpt.search import core
from hpt.search.history import Float64Array, History
from hpt.search.strategies.auto_scale import Fit
from hpt.search.strategies.base import Seed, Suggestion, check_integer, one_by_one
from hpt.search.strategies.fidelity import AtTheEnd, drawn_in
from hpt.search.strategies.model_search import ModelOptions, ModelSearch, first_points
from hpt.search.strategies.related import FEW, TrustedSearches
from hpt.search.trial import Config


class BayesianStrategy:
    """First points that fill the space, then the maximum of the log expected improvement.

    The middle of every range comes first, scrambled Sobol' points after it; with `max(3, min(10, d + 2))`
    configurations launched or added, and three of them observed, the model takes over. Trials of odd number
    see its deviations widened (`core.DOUBLING`), which flat and noisy objectives need, those of even number
    as they are, which suits smooth ones. Where the fit is noisy, points of which one more observation would
    teach little count for less (`acquisition_for`). Running trials enter the model with imagined
    outcomes, failed ones are never proposed again and make their neighbourhood less attractive
    (`feasibility`), and nothing is tried twice unless it is asked for (`repeats`).
    `Auto` numbers that span three decades or more are laid out linearly or logarithmically, whichever fits
    better (`auto_scale`); every other first point is logarithmic in them. Related searches count as far as
    they agree with this one (`RelatedSearches`).

    Values whose standard error is known weigh less the larger it is (`drawn_in`).

    Randomness for trial k comes from (seed, k). The hyperparameters depend on a prefix of the observations
    in completion order, the same for about n / 16 further observations (`anchor`); a fit begins from that of
    the last anchor at 32, 64, 128, ... observations (`milestones`), so that one without any memory repeats a
    handful of fits. What is kept between calls is a cache: dropping it changes no bit.
    """

    def __init__(self, *, first: int | None = None, fidelity: bool = False, **options: Any) -> None:
        """A strategy that has seen nothing.

        Parameters
        ----------
        first
            How many first points there are; None: `first_points` of the space.
        fidelity
            Whether the last value of a stopped trial counts as one at the resource that it reached
            (`AtTheEnd`), not as a final one.
        options
            Those of `ModelOptions`.

        Raises
        ------
        InputError
            A value breaks its rule.
        """
        if first is not None:
            check_integer(first, "first", 0, "give how many points come before the model, or None")
        if not isinstance(fidelity, bool):
            raise InputError(f"fidelity {fidelity!r} is not a boolean; give True or False")
        self._first = first
        self._at_the_end = AtTheEnd() if fidelity else None
        self._search = ModelSearch(ModelOptions(**options))

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        return one_by_one(self._next, history, count, seed)

    def _next(self, history: History, seed: Seed) -> Config | None:
        space, number, y = history.space, history.last_number + 1, history.y
        exhausted = space.size is not None and history.distinct >= space.size
        if exhausted and not (self._search.repeats and len(y)):
            return None
        related = self._search.related.trusted(history) if history.related else None
        most = first_points(len(space.columns)) if self._first is None else self._first
        if related is not None:
            most = min(FEW, most)
        few = len(y) < 3 or len(y) + len(history.pending) + len(history.failed) < most
        if few and not exhausted:
            if related is not None:
                point = related.point(history) if number % 2 else None
                if point is not None:
                    return point
                number = (number + 1) // 2  # the middle of the space comes early here too
            return self._search.first_point(history, seed, number, number)
        fit, model = self._model(history, related)
        row = self._search.propose(history, fit, model, seed, number)
        again = self._search.again(history, fit, model, seed, number, row)
        return again if again is not None or row is None else fit.scaled.config(row)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_at_the_end": None if self._at_the_end is None else AtTheEnd()}

    def predict(self, history: History, configs: Sequence[Config]) -> tuple[Float64Array, Float64Array]:
        """Means and variances of the minimised objective at configurations, (m,) each; n at least 1."""
        fit, model = self._model(history, self._search.related.trusted(history) if history.related else None)
        return model.predict(fit.scaled.place(history.space.encode(configs)))

    def _model(self, history: History, related: TrustedSearches | None) -> tuple[Fit, core.Model]:
        """The fit, and the model of all observations."""
        n, y, noise = len(history.y), history.y, history.noise
        if self._at_the_end is not None:
            y, noise = self._at_the_end(history, n)
        fit = None if related is None else related.fit
        if fit is None:
            fit = self._search.fit(history, lambda a: self._targets(history, a), transformed=False)
        model = partial(self._search.model, history, fit)
        if noise.any():
            y = drawn_in(model, fit.scaled.place(history.X), y, noise, fit.at)
        return fit, model(y)

    def _targets(self, history: History, a: int) -> Float64Array:
        return history.y[:a] if self._at_the_end is None else self._at_the_end(history, a)[0]
