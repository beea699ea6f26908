"""Hyperband whose configurations a Gaussian process over (configuration, resource) proposes.

n   observations: the value with which a trial reached a rung or the end, for each of these that it reached
d   parameters of the space; the model has d + 1 coordinates, the last being the resource
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log
from typing import Any, cast

import numpy as np

from hpt.search.history import Float64Array, History
from hpt.search.parameters import Parameter
from hpt.search.space import Coordinate, SearchSpace
from hpt.search.stopping.adaptive_halving import AdaptiveHalving
from hpt.search.stopping.courses import Courses
from hpt.search.stopping.successive_halving import SuccessiveHalving
from hpt.search.strategies.auto_scale import ScaledSpace
from hpt.search.strategies.base import Seed, Suggestion, one_by_one
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_search import ModelOptions, ModelSearch, first_points
from hpt.search.trial import Config

END = 0.5
"""Where the full resource stands on the model's last coordinate, the only place at which it is searched:
that of the only level of an integer."""


class ModelHyperbandStrategy(HyperbandStrategy):
    """Halving of configurations with the largest expected improvement at the full resource (Klein et al.,
    "Model-based Asynchronous Hyperparameter and Neural Architecture Search", 2020).

    Values at lower rungs are first moved by what trials that went on gained from there to the end, in the
    median, so that the model has to explain only how trials differ; how far lower rungs tell the end is the
    length scale of its resource. Running trials enter with outcomes imagined for their end. Until
    `first_points(d)` configurations are launched and three values known, points fill the space.

    Where values at low rungs mislead, they mislead this model and what halving lets it see. So the rule is
    hedged (`AdaptiveHalving`): whole trials, which are trained to their end whatever they report and cost
    about as much as all others, are proposed as Bayesian search would, by a model of final values only, once
    there are `first_points(d)` of these. What they find is found at worst at twice the cost of Bayesian
    search, and it tells the joint model too. Arguments are those of `HyperbandStrategy`; a rule that is given
    may be hedged or not.

    A pure function of the history: the kernel's hyperparameters depend on a prefix of the observations, in
    the order in which they came in. What is kept between calls is a cache.
    """

    def __init__(
        self,
        max_resource: float | None = None,
        min_resource: float = 1,
        *,
        rule: SuccessiveHalving | None = None,
        **options: Any,
    ) -> None:
        if rule is None and max_resource is not None:
            rule = AdaptiveHalving(max_resource, min_resource, hedged=True, **options)
        super().__init__(max_resource, min_resource, rule=rule, **options)
        self._search = ModelSearch(ModelOptions())
        self._search_of_ends = ModelSearch(ModelOptions())
        self._observed: _Observations | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_observed": None}

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        return one_by_one(self._next, history, count, seed)

    def _next(self, history: History, seed: Seed) -> Config | None:
        space, number = history.space, history.last_number + 1
        if space.size is not None and history.distinct >= space.size:
            return None
        if self._observed is None or not self._observed.courses.precedes(history):
            self._observed = _Observations(history, self.rule)
        seen = self._observed.view(history)
        launched = len(history.y) + len(history.failed) + len(history.pending)
        if len(seen.levels) < 3 or launched < first_points(len(space.columns)):
            return self._search.first_point(history, seed, number, number)
        if isinstance(self.rule, AdaptiveHalving) and self.rule.is_whole(number):
            ends = self._observed.ends(history)
            if len(ends.y) >= first_points(len(space.columns)):
                return self._next_whole(history, ends, seed, number // self.rule.period)
        fit = self._search.fit(cast(History, seen), seen.targets, transformed=False)
        model = self._search.model(cast(History, seen), fit, seen.targets(len(seen.levels)))
        row = self._search.propose(cast(History, seen), fit, model, seed, number)
        return None if row is None else ScaledSpace(space, fit.scaled.logarithmic).config(row[:-1])

    def _next_whole(self, history: History, ends: _Ends, seed: Seed, place: int) -> Config | None:
        """As Bayesian search of final values would propose it; every second one explores, by their place."""
        search, seen = self._search_of_ends, cast(History, ends)
        fit = search.fit(seen, lambda a: ends.y[:a], transformed=False)
        model = search.model(seen, fit, ends.y)
        row = search.propose(seen, fit, model, seed, place, skipped=fit.scaled.place(history.X))
        return None if row is None else fit.scaled.config(row)


class _SpaceAtTheEnd(SearchSpace):
    """A space with one more coordinate, the resource, of which only the end is ever proposed."""

    __slots__ = ()

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        super().__init__(parameters)
        resource = Coordinate("integer", "linear", 1.0, 1.0, 1)
        object.__setattr__(self, "coordinates", (*self.coordinates, resource))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the model sees of a history, under the names that `ModelSearch` knows.

    X, pending, failed: encoded configurations and resources, (., d + 1). levels, values, numbers: of the
    observations, (n,): the rung or the end, the value as it was reported, minimised, and the trial. held: the
    resource, (d + 1,).
    """

    source: object
    space: SearchSpace
    X: Float64Array
    pending: Float64Array
    failed: Float64Array
    levels: Sequence[int]
    values: Float64Array
    numbers: Sequence[int]
    top: int
    held: Float64Array

    @property
    def y(self) -> Float64Array:
        return self.values

    def targets(self, a: int) -> Float64Array:
        """Of the first a observations, as they were known when the last of those came in, (a,)."""
        gains = _gains(self.numbers[:a], self.levels[:a], self.values[:a].tolist(), self.top)
        moved: Float64Array = self.values[:a] + np.array(gains)[np.array(self.levels[:a], dtype=np.intp)]
        return moved


@dataclass(frozen=True, slots=True)
class _Ends:
    """What the model of final values sees of a history, under the names that `ModelSearch` knows."""

    source: object
    space: SearchSpace
    X: Float64Array
    y: Float64Array
    pending: Float64Array
    failed: Float64Array
    held: None = None


class _Observations:
    """Those of one history, encoded as they come in."""

    def __init__(self, history: History, rule: SuccessiveHalving) -> None:
        self.courses = Courses(history, rule)
        self._space = _SpaceAtTheEnd(history.space.parameters)
        self._places = [_place(rule, level) for level in range(len(rule.rungs) + 1)]
        self._read = 0
        self._rows: list[Float64Array] = []
        self._levels: list[int] = []
        self._values: list[float] = []
        self._numbers: list[int] = []

    def view(self, history: History) -> _Seen:
        """Brought up to this history."""
        self.courses.read(history)
        for number, level, y in self.courses.passages[self._read :]:
            if y < inf:
                [row] = history.space.encode([history.trial(number).config])
                self._rows.append(np.append(row, self._places[level]))
                self._levels.append(level)
                self._values.append(y)
                self._numbers.append(number)
        self._read = len(self.courses.passages)
        d = len(history.space.columns)
        return _Seen(
            history.source,
            self._space,
            np.array(self._rows).reshape(-1, d + 1),
            _at_the_end(history.pending),
            _at_the_end(history.failed),
            tuple(self._levels),
            np.array(self._values),
            tuple(self._numbers),
            len(self._places) - 1,
            np.append(np.full(d, np.nan), END),
        )

    def ends(self, history: History) -> _Ends:
        """The observations at the end, of the history that was viewed last."""
        at = [row for row, level in enumerate(self._levels) if level == len(self._places) - 1]
        X = np.array([self._rows[row][:-1] for row in at]).reshape(-1, len(history.space.columns))
        y = np.array([self._values[row] for row in at])
        return _Ends(history.source, history.space, X, y, history.pending, history.failed)


def _at_the_end(points: Float64Array) -> Float64Array:
    return np.concatenate([points, np.full((len(points), 1), END)], axis=1)


def _place(rule: SuccessiveHalving, level: int) -> float:
    """Where a level stands between the least resource, 0, and the end, on a logarithmic scale."""
    if level >= len(rule.rungs):
        return END
    return END * log(rule.rungs[level] / rule.rungs[0]) / log(rule.max_resource / rule.rungs[0])


def _gains(numbers: Sequence[int], levels: Sequence[int], values: Sequence[float], top: int) -> list[float]:
    """What to add at each level, 0 to `top`: the median change from there to the end of those that went on.

    A mean would depend on a single report: a loss that diverges at first and recovers would make all
    values of its level look better than anything can be.
    """
    steps: list[list[float]] = [[] for _ in range(top)]
    before: dict[int, tuple[int, float]] = {}
    for number, level, value in zip(numbers, levels, values, strict=True):
        last, y = before.get(number, (-1, 0.0))
        if last == level - 1 and last >= 0:
            steps[last].append(value - y)
        before[number] = level, value
    gains = [0.0] * (top + 1)
    for level in range(top - 1, -1, -1):
        step = float(np.median(steps[level])) if steps[level] else 0.0
        gains[level] = gains[level + 1] + (step if isfinite(step) else 0.0)
    return gains
