"""Halving that learns how far each rung tells the end, and stops by that (behaviour 4.4).

r   resource of a rung       R   maximum resource       x   normal score of a value among all at its rung
m   trials that ended        z   normal score of their final values among each other, less is better
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import isfinite, sqrt
from statistics import NormalDist
from typing import Any

from hpt.search.history import History
from hpt.search.stopping.courses import Courses, Rungs
from hpt.search.stopping.successive_halving import (
    MAX_RESOURCE_REACHED,
    SuccessiveHalving,
    in_own_sign,
    minimised,
)
from hpt.search.trial import Trial, Verdict

PAIRS = 64
"""So many of the trials that ended last teach how far a rung tells the end."""
TOLD = 0.7
"""The correlation of ranks at a rung with final ranks that is supposed before any are known: with it, about
one in three or four goes on."""
SLOPE_WEIGHT, SCALE_WEIGHT = 4.0, 4.0
"""How much that counts, in observations."""
EXPLORE = 3
"""The first trial, the third, the ninth and so on go on to their end whatever they report."""


class AdaptiveHalving(SuccessiveHalving):
    """Asynchronous halving at the rungs of `SuccessiveHalving` whose strictness is learned.

    A trial goes on from a rung if that buys at least as much chance of a new best final value, for its cost,
    as starting another trial. The chance is that of a linear regression, of the ranks of final values on
    those at the rung, over trials that ended. A regression stands whatever trials were let go on for their
    value at the rung, where a correlation among these would not: where all of them are alike at the rung it
    says that it does not know. Trials number 1, 3, 9, 27 and so on, of those that report, go on to their end
    whatever they report, so that it sees others too. Before anything is known, the correlation is taken to be
    `TOLD`.

    With the values x_1, x_2, ... of the latest n trials at the rung, best first, chances p(x_i), the cost r
    of coming to the rung and c of going on (of which less and less come to each further rung), those up to
    the j-th go on for which (p(x_1) + ... + p(x_j)) / (n r + j c) is largest. Where a rung tells nothing all
    go on, where it tells all only those that beat the best.

    Other arguments, brackets and what counts as a value at a rung are as in `SuccessiveHalving`. A trial
    whose value is the best yet of its rung goes on. What is kept between calls is a cache, never state.
    """

    def __init__(self, max_resource: float, min_resource: float = 1, **options: Any) -> None:
        """A rule that has read nothing yet; arguments are those of `SuccessiveHalving`."""
        super().__init__(max_resource, min_resource, **options)
        self._courses: Courses | None = None

    def __getstate__(self) -> dict[str, object]:
        return super().__getstate__() | {"_courses": None}

    def explain(self, history: History, number: int) -> Verdict | None:
        """Why trial `number` is stopped after its latest report; None if it goes on."""
        trial = history.trial(number)
        if not trial.reports or trial.status.ended:
            return None
        last = trial.reports[-1]
        if last.resource >= self.max_resource:
            return (
                Verdict(MAX_RESOURCE_REACHED, len(trial.reports), last.value) if self.stops_at_max else None
            )
        if self._courses is None or not self._courses.precedes(history):
            self._courses = Courses(history, self)
        self._courses.read(history)
        k = self.judged(trial, self._courses)
        if k is None:
            return None
        threshold = self.threshold(self._courses.of(trial.definition), k)
        y = minimised(last.value, history.objective)
        if isfinite(y) and y <= threshold:
            return None
        return Verdict(
            type(self).__name__, len(trial.reports), last.value, in_own_sign(threshold, history.objective)
        )

    def judged(self, trial: Trial, courses: Courses) -> int | None:
        """The rung at which the latest report of a running trial decides, by the courses up to it; None if it
        goes on whatever it reported."""
        k = courses.passed(trial)
        if k is None or k < self.bracket(trial.number) or is_power(courses.place(trial), EXPLORE):
            return None
        return k

    def threshold(self, rungs: Rungs, k: int) -> float:
        """The worst value with which a trial goes on from rung k."""
        told, m = self.told(rungs, k), len(rungs.ends)
        best = normal_score(1, m) if m else normal_score(1, len(rungs.values[k]) + 1)
        latest = sorted(rungs.recent[k])
        n, cost, r = len(latest), self.cost(k), self.rungs[k]
        chances = accumulate((told.chance(score(rungs.values[k], y), best) for y in latest), min)
        rates = [total / (n * r + j * cost) for j, total in enumerate(accumulate(chances), 1)]
        count = max(max(range(n), key=lambda j: (rates[j], j)) + 1, int(n / self.eta**2))
        return max(latest[count - 1], rungs.values[k][0])

    def told(self, rungs: Rungs, k: int) -> Regression:
        """Of final ranks on those at rung k."""
        known = [(course[k], end) for course, end in rungs.ends[-PAIRS:] if k in course]
        ends = sorted(end for _, end in known)
        pairs = [(score(rungs.values[k], y), score(ends, end)) for y, end in known]
        return regression(pairs, TOLD)

    def cost(self, k: int) -> float:
        """What a trial that goes on from rung k is expected to cost: less and less of them go on."""
        levels = (*self.rungs, self.max_resource)
        return (levels[k + 1] - levels[k]) * (len(self.rungs) - k)


def is_power(number: int, base: int) -> bool:
    """Whether a number of 1 or more is a power of the base, the first being 1.

    >>> [number for number in range(1, 100) if is_power(number, 3)]
    [1, 3, 9, 27, 81]
    """
    while number % base == 0:
        number //= base
    return number == 1


def score(values: Sequence[float], y: float) -> float:
    """The normal score of `y` among sorted values; equal ones share theirs."""
    low, high = bisect_left(values, y), bisect_right(values, y)
    return normal_score((low + max(high, low + 1) + 1) / 2, max(len(values), 1))


@dataclass(frozen=True, slots=True)
class Regression:
    """z = at + slope (x - middle), with the variance of one more observation about it."""

    middle: float
    at: float
    slope: float
    variance: float
    of_at: float
    of_slope: float

    def predict(self, x: float) -> tuple[float, float]:
        """Mean and standard deviation of the final rank."""
        step = x - self.middle
        return self.at + max(self.slope, 0.0) * step, sqrt(
            self.variance * (1 + self.of_at + self.of_slope * step * step)
        )

    def chance(self, x: float, best: float) -> float:
        """That the final rank is below `best`."""
        mean, deviation = self.predict(x)
        return _NORMAL.cdf((best - mean) / deviation)


def regression(pairs: Sequence[tuple[float, float]], told: float) -> Regression:
    """Linear regression with a conjugate prior, as if some observations of slope `told` had been made.

    pairs: (x, z). told: the correlation that is supposed before any are known.
    """
    m = len(pairs)
    middle = sum(x for x, _ in pairs) / (m + 1)
    mean = sum(z for _, z in pairs) / (m + 1)  # the prior's observation is (0, 0)
    sxx = sum((x - middle) ** 2 for x, _ in pairs) + middle**2
    sxz = sum((x - middle) * (z - mean) for x, z in pairs) + middle * mean
    szz = sum((z - mean) ** 2 for _, z in pairs) + mean**2
    weight = SLOPE_WEIGHT
    slope = (sxz + weight * told) / (sxx + weight)
    left = szz + weight * told**2 - slope**2 * (sxx + weight)
    variance = (SCALE_WEIGHT * (1 - told**2) + max(left, 0.0)) / (SCALE_WEIGHT + m)
    return Regression(middle, mean, slope, variance, 1 / (m + 1), 1 / (sxx + weight))


_NORMAL = NormalDist()


@lru_cache(4096)
def normal_score(rank: float, count: int) -> float:
    """What the value of that rank, from 1, of so many normal ones is expected to be (Blom 1958).

    >>> round(normal_score(1, 10), 2)
    -1.55
    """
    return _NORMAL.inv_cdf(min(max((rank - 0.375) / (count + 0.25), 1e-6), 1 - 1e-6))
