"""Hyperband whose configurations a Gaussian process over (configuration, resource) proposes.

n   observations: the value with which a trial reached a rung or the end, for each of these that it reached
d   parameters of the space; the model has d + 1 coordinates, the last being the resource
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, log

import numpy as np

from hpt.search import core
from hpt.search.history import Float64Array, History
from hpt.search.space import Coordinate
from hpt.search.stopping.successive_halving import SuccessiveHalving, minimised
from hpt.search.strategies.base import Seed, Suggestion, one_by_one
from hpt.search.strategies.candidates import near, sampled
from hpt.search.strategies.hyperband import HyperbandStrategy
from hpt.search.strategies.model_search import first_points
from hpt.search.strategies.randomness import CANDIDATES, generator
from hpt.search.strategies.schedule import anchor
from hpt.search.trial import Config, ObjectiveType, Trial, TrialStatus

MOST = 200
"""Of more observations than this, the model is given a part."""
SAMPLES = 256
ROUNDS = 4
KEPT = 4


@dataclass(frozen=True, slots=True)
class _Observation:
    """row: the encoded configuration, (d,). level: of the rung, from 0; the end is the last. y: minimised."""

    row: Float64Array
    level: int
    y: float


class ModelHyperbandStrategy(HyperbandStrategy):
    """Successive halving of configurations with the largest expected improvement at the full resource (Klein
    et al., "Model-based Asynchronous Hyperparameter and Neural Architecture Search", 2020).

    Values at lower rungs are first moved by what trials that went on gained from there to the end, in the
    median, so that the model has to explain only how trials differ. Trials that have reached no rung
    yet enter it with their expected value. Until `first_points(d)` configurations are launched and three
    values known, points fill the space. Arguments are those of `HyperbandStrategy`.

    A pure function of the history: the kernel's hyperparameters depend on a prefix of the observations of
    ended trials in completion order. What is kept between calls is a cache.
    """

    def __init__(
        self,
        max_resource: float | None = None,
        min_resource: float = 1,
        *,
        rule: SuccessiveHalving | None = None,
        **options: float,
    ) -> None:
        super().__init__(max_resource, min_resource, rule=rule, **options)  # type: ignore[arg-type]
        self._source: object = None
        self._ended: list[_Observation] = []
        self._read = 0
        self._fits: dict[tuple[bytes, bytes], core.Hyperparameters] = {}

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_source": None, "_ended": [], "_read": 0, "_fits": {}}

    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        return one_by_one(self._next, history, count, seed)

    def _next(self, history: History, seed: Seed) -> Config | None:
        space, number = history.space, history.last_number + 1
        if space.size is not None and history.distinct >= space.size:
            return None
        ended, running, waiting = self._observations(history)
        launched = len(history.y) + len(history.failed) + len(history.running)
        if len(ended) + len(running) < 3 or launched < first_points(len(space.columns)):
            tried = np.concatenate([history.X, history.pending, history.failed])
            row = core.design_point(space.coordinates, tried, seed, number)
            return None if row is None else space.decode(row[np.newaxis])[0]
        model = self._model(history, ended, running)
        if len(waiting):
            believed = self._at_the_end(waiting)
            model = model.condition_on(believed, model.predict(believed)[0])
        return self._best(history, model, seed, number)

    def _best(self, history: History, model: core.Model, seed: Seed, number: int) -> Config | None:
        """The untried configuration with the largest expected improvement among those that were looked at."""
        space, rng = history.space, generator(seed, number, CANDIDATES)
        points = sampled(space, SAMPLES, rng)  # (s, d)
        gains = model.log_expected_improvement(self._at_the_end(points))
        spread = 0.2
        for _ in range(ROUNDS):
            top = points[np.argsort(-gains, kind="stable")[:KEPT]]
            fresh = near(space, top, spread, rng)
            points = np.concatenate([points, fresh])
            gains = np.concatenate([gains, model.log_expected_improvement(self._at_the_end(fresh))])
            spread /= 2
        for i in np.argsort(-gains, kind="stable"):
            [config] = space.decode(points[i : i + 1])
            if not history.contains(config):
                return config
        drawn = self._random.suggest(history, 1, seed)
        return drawn[0].config if drawn else None

    # -- observations

    def _observations(self, history: History) -> tuple[list[_Observation], list[_Observation], Float64Array]:
        """Those of ended trials in completion order, of running ones, and rows (m, d) of trials with none."""
        if self._source is not history.source or self._read > history.ended_count:
            self._source, self._ended, self._read = history.source, [], 0
        for i in range(self._read, history.ended_count):
            if history[i].status is not TrialStatus.FAILED:
                row = history.space.encode([history[i].config])[0]
                self._ended += self._of(history[i], row, history.objective)
        self._read = history.ended_count
        running: list[_Observation] = []
        waiting = []
        for trial, row in zip(history.running, history.pending, strict=True):
            own = self._of(trial, row, history.objective)
            running += own
            if not own:
                waiting.append(row)
        return self._ended, running, np.array(waiting).reshape(-1, len(history.space.columns))

    def _of(self, trial: Trial, row: Float64Array, objective: ObjectiveType) -> list[_Observation]:
        levels = (*self.rule.rungs, self.rule.max_resource)
        observations: list[_Observation] = []
        next_level = 0
        for report in trial.reports:
            while next_level < len(levels) and report.resource >= levels[next_level]:
                y = minimised(report.value, objective)
                if y < inf:
                    observations.append(_Observation(row, next_level, y))
                next_level += 1
            if next_level == len(levels):
                break
        return observations

    # -- the model

    def _model(
        self, history: History, ended: Sequence[_Observation], running: Sequence[_Observation]
    ) -> core.Model:
        coordinates = (*history.space.coordinates, Coordinate("continuous", "linear", 0.0, 1.0, 0))
        a = anchor(len(ended)) if len(ended) >= 3 else 0
        X, y = self._data(ended[:a] if a else [*ended, *running])
        key = X.tobytes(), y.tobytes()
        if key not in self._fits:
            self._fits = {key: core.fit(coordinates, X, y)}
        return core.Model(coordinates, *self._data([*ended, *running]), self._fits[key])

    def _data(self, observations: Sequence[_Observation]) -> tuple[Float64Array, Float64Array]:
        """Points (n, d + 1) and values (n,) as the model is given them."""
        kept = _thinned(observations)
        gains = _gains(observations, len(self.rule.rungs))
        rows = np.array([observation.row for observation in kept])
        place = np.array([[self._place(observation.level)] for observation in kept])
        y = np.array([observation.y + gains[observation.level] for observation in kept])
        return np.concatenate([rows, place], axis=1), y

    def _place(self, level: int) -> float:
        """Where a level stands between the least resource, 0, and the largest, 1, on a logarithmic scale."""
        rungs, top = self.rule.rungs, self.rule.max_resource
        return 1.0 if level >= len(rungs) else log(rungs[level] / rungs[0]) / log(top / rungs[0])

    def _at_the_end(self, points: Float64Array) -> Float64Array:
        return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def _gains(observations: Sequence[_Observation], top: int) -> list[float]:
    """What to add at each level, 0 to `top`: the median change from there to the end of those that went on.

    A mean would depend on a single report: a loss that diverges at first and recovers would make all
    values of its level look better than anything can be.
    """
    steps: list[list[float]] = [[] for _ in range(top)]
    before: _Observation | None = None
    for observation in observations:  # those of one trial follow each other
        if before is not None and before.row is observation.row and before.level == observation.level - 1:
            steps[before.level].append(observation.y - before.y)
        before = observation
    gains = [0.0] * (top + 1)
    for level in range(top - 1, -1, -1):
        step = float(np.median(steps[level])) if steps[level] else 0.0
        gains[level] = gains[level + 1] + (step if isfinite(step) else 0.0)
    return gains


def _thinned(observations: Sequence[_Observation]) -> Sequence[_Observation]:
    """All; of too many those of the highest levels and, evenly by value, a part of the level below."""
    if len(observations) <= MOST:
        return observations
    order = sorted(range(len(observations)), key=lambda i: (-observations[i].level, observations[i].y, i))
    last = observations[order[MOST - 1]].level
    kept = [i for i in order if observations[i].level > last]
    rest = [i for i in order if observations[i].level == last]
    places = np.linspace(0, len(rest) - 1, MOST - len(kept)).round().astype(int)
    return [observations[i] for i in sorted([*kept, *(rest[place] for place in np.unique(places))])]
