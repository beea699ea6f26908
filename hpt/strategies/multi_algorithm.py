"""Searches over several definitions at once: which algorithm to run next, and how configured (AMT 10).

K   definitions      n   observations of all of them      n_k   of one
y   objectives, minimised, of all definitions in order of completion, (n,)
z   targets: y transformed together, (n,), so that the models of all definitions speak of the same thing

Each definition sees its part of the history (`History.of`) as if it were alone, its trials numbered from 1
and its seed drawn from the job's: what it proposes does not depend on how the others' trials fall between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import numpy as np

from hpt import core
from hpt.errors import InputError
from hpt.history import Float64Array, History
from hpt.parameters import Coordinate
from hpt.space import SearchSpace
from hpt.strategies import check_space
from hpt.strategies.auto_scale import Fit, ScaledSpace, densest, for_first_point
from hpt.strategies.base import Seed, Strategy, Suggestion, check_whole, one_by_one
from hpt.strategies.bayesian import acquisition_for, doubling_for, first_points
from hpt.strategies.feasibility import Feasibility
from hpt.strategies.schedule import milestones
from hpt.strategies.streams import seed_of
from hpt.strategies.transfer import Transfer
from hpt.trial import Decision

MIN_FIRST, MAX_FIRST = 3, 5
"""First points of each definition: the least if the jobs allow it, the most if their number is unknown."""
FLOOR_PERIOD = 10
"""Every definition gets one of so many trials, or of 4 K if that is more."""


def check_several(strategy: Strategy, history: History) -> None:
    """InputError where there is one space, and not several by name."""
    if not history.definitions:
        raise InputError(
            f"{type(strategy).__name__} searches several definitions; give their spaces by name, or a "
            "strategy of one space, such as BayesianStrategy"
        )


class RoundRobin:
    """One strategy for each definition, asked in turn; one that has tried everything is passed over.

    make: a new strategy.
    """

    def __init__(self, make: Callable[[], Strategy]) -> None:
        self._make = make
        self._parts: dict[str, Strategy] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_parts": {}}

    def check_space(self, space: SearchSpace) -> None:
        check_space(self._make(), space)

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        check_several(self, history)
        return one_by_one(self._next, history, count, seed)

    def _order(self, history: History) -> list[int]:
        """The places of the definitions in the order in which they are asked."""
        return fewest_first(history)

    def _next(self, history: History, seed: Seed) -> Suggestion | None:
        for place in self._order(history):
            name = history.definitions[place]
            found = self._part(name).suggest(history.of(name), 1, seed_of(seed, place))
            if found:
                return Suggestion(found[0].config, name)
        return None

    def _part(self, name: str) -> Strategy:
        if name not in self._parts:
            self._parts[name] = self._make()
        return self._parts[name]


class OneAfterAnother(RoundRobin):
    """All configurations of the first definition, then those of the second, and so on (Grid)."""

    def _order(self, history: History) -> list[int]:
        return list(range(len(history.definitions)))


class HyperbandOfSeveral(RoundRobin):
    """Hyperband, which starts the definitions in turn and compares trials with those of their own only."""

    def __init__(self, make: Callable[[], Strategy]) -> None:
        super().__init__(make)
        self._rule = make()

    def decide(self, history: History, number: int) -> Decision:
        decision: Decision = self._rule.decide(history, number)  # type: ignore[attr-defined]
        return decision


def fewest_first(history: History) -> list[int]:
    """The places of the definitions, the one with the fewest launched first; of equals in their order."""
    launched = [history.of(name).last_number for name in history.definitions]
    return sorted(range(len(launched)), key=lambda place: launched[place])


class BayesianOfSeveral:
    """Bayesian search that chooses algorithm and configuration together.

    Every definition first gets some points that fill its space, in turn. Then each has a Gaussian process of
    its own, with its own hyperparameters, on targets that were transformed together; each proposes a
    configuration as `BayesianStrategy` would, for an improvement over the best of all definitions, and the
    proposal of which most improvement is expected is taken (`hpt.core.score`). So an algorithm that is
    clearly worse is tried rarely. That it is worse may have been bad luck: every definition keeps a floor of
    one in `FLOOR_PERIOD` trials, or in 4 K.

    `Auto` numbers are laid out linearly or logarithmically as the fit of their definition has it
    (`auto_scale`).

    Of a warm start, results of the same objective count like a definition's own, and every other first point
    is a good configuration of a related search, as in `transfer`.

    max_jobs: how many trials there will be, if known: at most a third of them are first points, unless that
    leaves less than `MIN_FIRST` to each definition, and then at most half.

    A pure function of the history: hyperparameters depend on a prefix of the observations, as in
    `BayesianStrategy`. What is kept between calls is a cache.
    """

    def __init__(self, *, max_jobs: int | None = None) -> None:
        if max_jobs is not None:
            check_whole(max_jobs, "max_jobs", 1, "give how many trials there will be, or None")
        self._max_jobs = max_jobs
        self._fits: dict[str, dict[tuple[object, ...], Fit]] = {}
        self._feasibility: dict[str, Feasibility] = {}
        self._transfers: dict[str, Transfer] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_fits": {}, "_feasibility": {}, "_transfers": {}}

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        check_several(self, history)
        return one_by_one(self._next, history, count, seed)

    def _next(self, history: History, seed: Seed) -> Suggestion | None:
        places = [place for place in fewest_first(history) if not _is_used_up(_part(history, place))]
        if not places:
            return None
        fewest, K = places[0], len(history.definitions)
        for place in places:
            if _part(history, place).last_number < self._first_points(_part(history, place), K):
                return self._design(history, place, seed)
        behind = _part(history, fewest).last_number < history.last_number // max(FLOOR_PERIOD, 4 * K)
        asked = [place for place in ([fewest] if behind else places) if len(_part(history, place).y)]
        return (self._best(history, asked, seed) if asked else None) or self._design(history, fewest, seed)

    def _first_points(self, part: History, K: int) -> int:
        """How many trials of a definition are first points."""
        most = first_points(len(part.space.parameters))
        if self._max_jobs is None:
            return min(most, MAX_FIRST)
        share = max(min(MIN_FIRST, self._max_jobs // (2 * K)), self._max_jobs // (3 * K))
        return max(1, min(most, share))

    def _design(self, history: History, place: int, seed: Seed) -> Suggestion | None:
        part, name = _part(history, place), history.definitions[place]
        if part.related and part.last_number % 2 == 0:
            advice = self._transfers.setdefault(name, Transfer(_related_fit)).advise(part)
            point = None if advice is None else advice.point(part)
            if point is not None:
                return Suggestion(point, name)
        number = part.last_number + 1
        scaled = for_first_point(part.space, (number + 1) // 2 if part.related else number)
        tried = scaled.place(np.concatenate([part.X, part.pending, part.failed]))
        row = core.design_point(scaled.space.coordinates, tried, seed_of(seed, place), number)
        return None if row is None else _suggestion(name, scaled, row)

    def _best(self, history: History, asked: list[int], seed: Seed) -> Suggestion | None:
        """Of the proposals of the definitions that are asked, the one that promises most."""
        transform = core.target_transform(history.y)
        parts = [(place, _part(history, place)) for place in range(len(history.definitions))]
        fits = {place: self._fit(history, place) for place, part in parts if len(part.y)}
        models = {
            place: core.Model(
                fit.scaled.space.coordinates,
                fit.scaled.place(parts[place][1].X),
                transform.forward(parts[place][1].y),
                fit.at,
            )
            for place, fit in fits.items()
        }
        incumbent = core.common_incumbent(list(models.values()))
        contenders, proposed = [], {}
        for place, model in models.items():
            part, own_seed, number = parts[place][1], seed_of(seed, place), parts[place][1].last_number + 1
            scaled = fits[place].scaled
            pending, failed = scaled.place(part.pending), scaled.place(part.failed)
            candidates = part.X[:0]
            if place in asked:
                success = self._feasibility.setdefault(history.definitions[place], Feasibility())
                labels = success.model(scaled.space.coordinates, scaled.place(part.X), part.y, failed)
                row = model.propose(
                    pending,
                    failed,
                    own_seed,
                    number,
                    incumbent,
                    doubling=doubling_for(number),
                    labels=labels,
                    acquisition=acquisition_for(fits[place].at),
                )
                if row is not None:
                    candidates = proposed[place] = row[np.newaxis]
            contenders.append(core.Contender(model, candidates, pending, own_seed, number))
        scores = dict(zip(models, core.score(contenders), strict=True))
        if not proposed:
            return None
        chosen = max(proposed, key=lambda place: (scores[place][0], -place))
        return _suggestion(history.definitions[chosen], fits[chosen].scaled, proposed[chosen][0])

    def _fit(self, history: History, place: int) -> Fit:
        """Of the model of one definition: from the first a of its observations, transformed together with
        whatever the other definitions had told when the last of those came in.
        """
        part, name = _part(history, place), history.definitions[place]
        X, y, space = part.X, part.y, part.space
        places_in_order = np.flatnonzero(history.owners == place)  # (n_k,)
        kept, fits = self._fits.get(name, {}), dict[tuple[object, ...], Fit]()
        fit: Fit | None = None
        for a in milestones(len(y)):
            known = history.y[: places_in_order[a - 1] + 1]
            z = core.target_transform(known).forward(y[:a])
            key = (space, X[:a].tobytes(), z.tobytes())
            fit = fits[key] = kept[key] if key in kept else densest(space, X[:a], z, fit, _standardised_fit)
        assert fit is not None, "only definitions with observations have models"
        self._fits[name] = fits
        return fit


def _standardised_fit(
    coordinates: Sequence[Coordinate], X: Float64Array, z: Float64Array, start: core.Hyperparameters | None
) -> core.Hyperparameters:
    return core.fit(coordinates, X, z, start, tail_limit=inf)


def _related_fit(space: SearchSpace, X: Float64Array, y: Float64Array) -> Fit:
    return densest(space, X, y, None, core.fit)


def _part(history: History, place: int) -> History:
    return history.of(history.definitions[place])


def _is_used_up(part: History) -> bool:
    return part.space.size is not None and part.distinct >= part.space.size


def _suggestion(definition: str, scaled: ScaledSpace, row: Float64Array) -> Suggestion:
    """The configuration of a point, (d,), that is laid out on these scales."""
    [config] = scaled.space.decode(row[np.newaxis])
    return Suggestion(config, definition)
