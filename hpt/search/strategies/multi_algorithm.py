"""Multi-algorithm search: which algorithm to run next, and with which configuration (behaviour 10).

K   definitions      n   observations of all of them      n_k   of one
y   objectives, minimised, of all definitions in order of completion, (n,)
z   targets: y transformed together, (n,), so that the models of all definitions share one scale

Each definition sees its part of the history (`History.of`) as if it were alone, its trials numbered from 1
and its seed drawn from the job's: what it proposes does not depend on the order of the others' trials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from hpt.errors import InputError
from hpt.search import core
from hpt.search.history import Float64Array, History
from hpt.search.space import SearchSpace
from hpt.search.strategies.auto_scale import Fit
from hpt.search.strategies.base import Seed, Strategy, Suggestion, check_integer, check_space, one_by_one
from hpt.search.strategies.fidelity import drawn_in
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_search import ModelOptions, ModelSearch, first_points
from hpt.search.strategies.randomness import seed_of
from hpt.search.strategies.repeats import tried, worth_repeating
from hpt.search.trial import Config, Decision, Verdict

MIN_FIRST, MAX_FIRST = 3, 5
"""First points of each definition: the minimum if the number of jobs allows it, the maximum if that is
unknown.
"""
FLOOR_PERIOD = 10
"""Every definition gets one of this many trials, or of 4 K if that is more."""


def check_multi_algorithm(strategy: Strategy, history: History) -> None:
    """InputError unless the history is that of a multi-algorithm search."""
    if not history.definitions:
        raise InputError(
            f"{type(strategy).__name__} is for a multi-algorithm search; give spaces by name, or use a "
            "strategy of one space, such as BayesianStrategy"
        )


@dataclass(frozen=True, slots=True)
class _Models:
    """Parts of the history, fits and models of the definitions that have observations, by place, and the
    transform of all targets."""

    parts: dict[int, History]
    fits: dict[int, Fit]
    models: dict[int, core.Model]
    transform: core.TargetTransform


class RoundRobin:
    """One strategy for each definition, asked in turn; one that has tried everything is skipped.

    make: makes a new strategy.
    """

    def __init__(self, make: Callable[[], Strategy]) -> None:
        self._make = make
        self._parts: dict[str, Strategy] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_parts": {}}

    def check_space(self, space: SearchSpace) -> None:
        check_space(self._make(), space)

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        check_multi_algorithm(self, history)
        return one_by_one(self._next, history, count, seed)

    def _order(self, history: History) -> list[int]:
        """The places of the definitions in the order in which they are asked."""
        return fewest_first(history)

    def _next(self, history: History, seed: Seed) -> Suggestion | None:
        for place in self._order(history):
            name = history.definitions[place]
            suggestions = self._part(name).suggest(history.of(name), 1, seed_of(seed, place))
            if suggestions:
                return Suggestion(suggestions[0].config, name)
        return None

    def _part(self, name: str) -> Strategy:
        if name not in self._parts:
            self._parts[name] = self._make()
        return self._parts[name]


class OneAfterAnother(RoundRobin):
    """All configurations of the first definition, then those of the second, and so on (Grid)."""

    def _order(self, history: History) -> list[int]:
        return list(range(len(history.definitions)))


class MultiAlgorithmHyperband(RoundRobin):
    """Hyperband, which starts the definitions in turn and compares trials with those of their own only."""

    def __init__(self, make: Callable[[], Strategy]) -> None:
        super().__init__(make)
        self._rule = cast(HyperbandStrategy, make())
        self._judges: dict[str, HyperbandStrategy] = {}  # not the parts, which are asked in another thread

    def __getstate__(self) -> dict[str, object]:
        return super().__getstate__() | {"_judges": {}}

    def decide(self, history: History, number: int) -> Decision:
        return Decision.CONTINUE if self.explain(history, number) is None else Decision.STOP

    def explain(self, history: History, number: int) -> Verdict | None:
        name = history.trial(number).definition
        if not self._rule.by_definition or name is None:
            return self._rule.explain(history, number)
        if name not in self._judges:
            self._judges[name] = cast(HyperbandStrategy, self._make())
        return self._judges[name].explain(history.of(name), history.local_number(number))


def fewest_first(history: History) -> list[int]:
    """The places of the definitions, fewest launched trials first; equals keep their order."""
    launched = [history.of(name).last_number for name in history.definitions]
    return sorted(range(len(launched)), key=lambda place: launched[place])


class MultiAlgorithmBayesian:
    """Bayesian search that chooses algorithm and configuration together.

    Every definition first gets some points that fill its space, in turn. Then each has a Gaussian process of
    its own, with its own hyperparameters, on targets that were transformed together; each proposes a
    configuration as `BayesianStrategy` would, for an improvement over the best of all definitions, and the
    proposal of which most improvement is expected is taken (`hpt.search.core.score`). So an algorithm that is
    clearly worse is tried rarely. Its results may have been bad luck, so every definition keeps a minimum
    share: one in `FLOOR_PERIOD` trials, or in 4 K.

    `Auto` numbers are laid out linearly or logarithmically, whichever fits their definition better
    (`auto_scale`).

    In a warm start, results of the same objective count like a definition's own, and every other first point
    is a good configuration of a related search, as in `RelatedSearches`.

    max_jobs: how many trials there will be, if known: at most a third of them are first points, unless that
    leaves less than `MIN_FIRST` to each definition, and then at most half.

    A pure function of the history: hyperparameters depend on a prefix of the observations, as in
    `BayesianStrategy`. What is kept between calls is a cache.
    """

    def __init__(self, *, max_jobs: int | None = None, **options: Any) -> None:
        """options: of `ModelOptions`, for the models of all definitions."""
        if max_jobs is not None:
            check_integer(max_jobs, "max_jobs", 1, "give how many trials there will be, or None")
        self._max_jobs = max_jobs
        self._options = ModelOptions(**options)
        self._searches: dict[str, ModelSearch] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_searches": {}}

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        check_multi_algorithm(self, history)
        return one_by_one(self._next, history, count, seed)

    def _next(self, history: History, seed: Seed) -> Suggestion | None:
        places = [place for place in fewest_first(history) if not _is_used_up(_part(history, place))]
        if not places:
            return self._best(history, [], seed) if self._options.repeats and len(history.y) else None
        fewest, K = places[0], len(history.definitions)
        for place in places:
            if _part(history, place).last_number < self._first_points(_part(history, place), K):
                return self._first_point(history, place, seed)
        behind = _part(history, fewest).last_number < history.last_number // max(FLOOR_PERIOD, 4 * K)
        asked = [place for place in ([fewest] if behind else places) if len(_part(history, place).y)]
        return (self._best(history, asked, seed) if asked else None) or self._first_point(
            history, fewest, seed
        )

    def _search(self, history: History, place: int) -> ModelSearch:
        """The model search of one definition."""
        return self._searches.setdefault(history.definitions[place], ModelSearch(self._options))

    def _first_points(self, part: History, K: int) -> int:
        """How many trials of a definition are first points."""
        most = first_points(len(part.space.columns))
        if self._max_jobs is None:
            return min(most, MAX_FIRST)
        share = max(min(MIN_FIRST, self._max_jobs // (2 * K)), self._max_jobs // (3 * K))
        return max(1, min(most, share))

    def _first_point(self, history: History, place: int, seed: Seed) -> Suggestion | None:
        part, name, search = _part(history, place), history.definitions[place], self._search(history, place)
        number = part.last_number + 1
        if part.related and number % 2:
            trusted = search.related.trusted(part)
            point = None if trusted is None else trusted.point(part)
            if point is not None:
                return Suggestion(point, name)
        scale = (number + 1) // 2 if part.related else number
        config = search.first_point(part, seed_of(seed, place), number, scale)
        return None if config is None else Suggestion(config, name)

    def _best(self, history: History, asked: list[int], seed: Seed) -> Suggestion | None:
        """The most promising of the proposals of the definitions in `asked`, or what to observe again."""
        known = self._models(history)
        parts, fits, models = known.parts, known.fits, known.models
        incumbent = core.common_incumbent(list(models.values()))
        contenders, proposed = [], {}
        for place, model in models.items():
            part, fit, own_seed = parts[place], fits[place], seed_of(seed, place)
            number, candidates = part.last_number + 1, part.X[:0]
            if place in asked:
                search = self._search(history, place)
                row = search.propose(part, fit, model, own_seed, number, incumbent)
                if row is not None:
                    candidates = proposed[place] = row[np.newaxis]
            pending = fit.scaled.place(part.pending)
            contenders.append(core.Contender(model, candidates, pending, own_seed, number))
        best = None
        if proposed:
            scores = dict(zip(models, core.score(contenders), strict=True))
            best = max(proposed, key=lambda place: (scores[place][0], -place))
        row = None if best is None else proposed[best][0]
        again = self._again(history, known, best, row, seed) if self._options.repeats else None
        if again is not None or best is None or row is None:
            return again
        return Suggestion(fits[best].scaled.config(row), history.definitions[best])

    def _again(
        self, history: History, known: _Models, best: int | None, row: Float64Array | None, seed: Seed
    ) -> Suggestion | None:
        """What to observe once more rather than the proposal of the definition `best`, if anything."""
        if best is not None and known.parts[best].last_number % 2 == 0:
            return None
        if all(part.space.size is None for part in known.parts.values()):
            return None
        seen = [
            tried(
                part,
                known.fits[place],
                known.models[place],
                seed_of(seed, place),
                row if place == best else None,
                exhausted=best is None,
                common=True,
            )
            for place, part in known.parts.items()
        ]
        places = list(known.parts)
        chosen = worth_repeating(seen, None if best is None else places.index(best))
        if chosen is None:
            return None
        name = history.definitions[places[chosen[0]]]
        return Suggestion(history.of(name).observation(chosen[1]).config, name)

    def predict(
        self, history: History, configs: Sequence[Config], definition: str
    ) -> tuple[Float64Array, Float64Array]:
        """Means and variances of the minimised objective at configurations of one definition, (m,) each.

        Raises:
            InputError: nothing was observed of the definition yet.
        """
        known, place = self._models(history), history.definitions.index(definition)
        if place not in known.parts:
            raise InputError(f"nothing was observed of {definition!r} yet; tell the value of a trial of it")
        X = known.parts[place].space.encode(configs)
        means, variances = known.models[place].predict(known.fits[place].scaled.place(X))
        return known.transform.inverse(means), variances * known.transform.slope(means) ** 2

    def _models(self, history: History) -> _Models:
        """Of all observations; there is at least one."""
        transform = core.target_transform(history.y)
        parts = {
            place: part for place in range(len(history.definitions)) if len((part := _part(history, place)).y)
        }
        fits = {place: self._fit(history, place) for place in parts}
        models = {}
        for place, part in parts.items():
            model = partial(self._search(history, place).model, part, fits[place])
            y, noise = transform.forward(part.y), part.noise
            if noise.any():
                noise = (transform.forward(part.y + noise) - transform.forward(part.y - noise)) / 2
                y = drawn_in(model, fits[place].scaled.place(part.X), y, noise, fits[place].at)
            models[place] = model(y)
        return _Models(parts, fits, models, transform)

    def _fit(self, history: History, place: int) -> Fit:
        """The fit of one definition's model: from the first a of its observations, transformed together with
        what the other definitions had reported when the last of those came in.
        """
        part = _part(history, place)
        order = np.flatnonzero(history.owners == place)  # (n_k,)

        def targets(a: int) -> Float64Array:
            return core.target_transform(history.y[: order[a - 1] + 1]).forward(part.y[:a])

        return self._search(history, place).fit(part, targets, transformed=True)


def _part(history: History, place: int) -> History:
    return history.of(history.definitions[place])


def _is_used_up(part: History) -> bool:
    return part.space.size is not None and part.distinct >= part.space.size
