"""What trials reported at rungs and at their end, as a model of configuration and resource sees it.

n   observations: the value with which a trial reached a rung or its end, for each of these that it reached
d   parameters of the space; the model has d + 1 coordinates, the last being the resource
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, log

import numpy as np

from hpt.search.history import Float64Array, History
from hpt.search.parameters import Parameter
from hpt.search.space import Coordinate, SearchSpace
from hpt.search.stopping.courses import Courses
from hpt.search.stopping.successive_halving import SuccessiveHalving

END = 0.5
"""Where the full resource stands on the model's last coordinate, the only place at which it is searched:
that of the only level of an integer."""
PAIRS = 64
"""So many of the latest trials that went on from a rung teach what values there become."""
ONE_FOR_ONE = 4
"""So many of them are supposed before any are known, whose differences stay what they were at the rung."""
STEEPEST = 1.5
"""Differences at a rung become at most so many times as large at the next: where few values lie close to each
other, noise makes slopes of any size."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model sees of a history, under the names that `ModelSearch` knows.

    X, pending, failed: encoded configurations and resources, (., d + 1). y: what was reported, minimised, in
    the order in which it came in, (n,). held: the resource, (d + 1,). ended: how many of y are final values.
    """

    source: object
    space: SearchSpace
    X: Float64Array
    y: Float64Array
    pending: Float64Array
    failed: Float64Array
    held: Float64Array
    ended: int


@dataclass(frozen=True, slots=True)
class Ends:
    """What a model of final values sees of a history, under the names that `ModelSearch` knows.

    X, pending, failed: encoded configurations, (., d). y: final values, minimised, (n,).
    """

    source: object
    space: SearchSpace
    X: Float64Array
    y: Float64Array
    pending: Float64Array
    failed: Float64Array
    held: None = None


class Passages:
    """The observations of one history, encoded as they come in. levels: the rung of each, or the end."""

    def __init__(self, history: History, rule: SuccessiveHalving) -> None:
        self.courses = Courses(history, rule)
        self.levels: list[int] = []
        self._space = _SpaceAtTheEnd(history.space.parameters)
        self._places = [_place(rule, level) for level in range(len(rule.rungs) + 1)]
        self._read = 0
        self._rows: list[Float64Array] = []
        self._values: list[float] = []
        self._latest: dict[int, tuple[int, float]] = {}  # level and value, by trial
        self._steps: list[list[tuple[int, float, float]]] = [[] for _ in rule.rungs]
        self._targets: dict[int, Float64Array] = {}

    def view(self, history: History) -> Seen:
        """Brought up to this history."""
        self.courses.read(history)
        for number, level, y in self.courses.passages[self._read :]:
            if y < inf:
                [row] = history.space.encode([history.trial(number).config])
                self._rows.append(np.append(row, self._places[level]))
                self._take(number, level, y)
        self._read = len(self.courses.passages)
        d = len(history.space.columns)
        return Seen(
            history.source,
            self._space,
            np.array(self._rows).reshape(-1, d + 1),
            np.array(self._values),
            at_the_end(history.pending),
            at_the_end(history.failed),
            np.append(np.full(d, np.nan), END),
            self.levels.count(len(self._steps)),
        )

    def ends(self, history: History, seen: Seen) -> Ends:
        """The final values among what was seen of this history."""
        at = np.array(self.levels) == len(self._steps)
        X = np.ascontiguousarray(seen.X[at, :-1])
        return Ends(history.source, history.space, X, seen.y[at], history.pending, history.failed)

    def _take(self, number: int, level: int, y: float) -> None:
        last, before = self._latest.get(number, (-1, 0.0))
        if last == level - 1 and last >= 0:
            self._steps[last].append((len(self._values), before, y))
        self._latest[number] = level, y
        self.levels.append(level)
        self._values.append(y)

    def targets(self, a: int) -> Float64Array:
        """What the first a observations let expect of the end, as the last of those was known, (a,).

        A value at a rung becomes what the line through those of trials that went on makes of it at the next
        one, and so on to the end.
        """
        if a not in self._targets:
            if len(self._targets) > 64:
                self._targets.clear()
            scale, shift = np.ones(len(self._places)), np.zeros(len(self._places))
            for level in reversed(range(len(self._steps))):
                known = [(x, y) for place, x, y in self._steps[level] if place < a][-PAIRS:]
                slope, at = line(np.array(known).reshape(-1, 2))
                scale[level] = scale[level + 1] * slope
                shift[level] = scale[level + 1] * at + shift[level + 1]
            levels = np.array(self.levels[:a], dtype=np.intp)
            self._targets[a] = np.array(self._values[:a]) * scale[levels] + shift[levels]
        return self._targets[a]


def line(pairs: Float64Array) -> tuple[float, float]:
    """Slope, from 0 to `STEEPEST`, and height at 0 of a line through pairs (x, y), (m, 2).

    The slope is the median of those between any two (Theil 1950, Sen 1968), drawn to 1 as by `ONE_FOR_ONE`
    further pairs: neither it nor the height depends on a single report, and it stands whatever trials were
    let go on for their x. Where a rung misleads it is 0, and the rung says nothing.
    """
    if not len(pairs):
        return 1.0, 0.0
    x, y = pairs.T
    i, j = np.triu_indices(len(x), 1)
    run, rise = x[j] - x[i], y[j] - y[i]
    apart = run != 0
    middle = float(np.median(rise[apart] / run[apart])) if apart.any() else 1.0
    known = len(x) - 1
    slope = (middle * known + ONE_FOR_ONE) / (known + ONE_FOR_ONE)
    slope = min(max(slope, 0.0), STEEPEST)
    return slope, float(np.median(y)) - slope * float(np.median(x))


class _SpaceAtTheEnd(SearchSpace):
    """A space with one more coordinate, the resource, of which only the end is ever proposed."""

    __slots__ = ()

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        super().__init__(parameters)
        resource = Coordinate("integer", "linear", 1.0, 1.0, 1)
        object.__setattr__(self, "coordinates", (*self.coordinates, resource))


def at_the_end(points: Float64Array) -> Float64Array:
    """Encoded configurations, (m, d), at the full resource, (m, d + 1)."""
    return np.concatenate([points, np.full((len(points), 1), END)], axis=1)


def _place(rule: SuccessiveHalving, level: int) -> float:
    """Where a level stands between the least resource, 0, and the end, on a logarithmic scale."""
    if level >= len(rule.rungs):
        return END
    return END * log(rule.rungs[level] / rule.rungs[0]) / log(rule.max_resource / rule.rungs[0])
