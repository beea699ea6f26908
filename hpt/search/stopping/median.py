"""The median rule: a trial worse than the average course of its predecessors is stopped (behaviour 7)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence
from math import inf, isfinite

from hpt.errors import InputError
from hpt.search.history import History
from hpt.search.numbers import check_count, real_number
from hpt.search.stopping.successive_halving import in_own_sign, minimised
from hpt.search.trial import Decision, ObjectiveType, Report, Trial, Verdict

FEW_JOBS = 20
"""Up to this many planned training jobs the rule is active from FEW_BEFORE ended ones on, else from BEFORE.
"""
FEW_BEFORE, BEFORE = 5, 10
SURVIVORS, ALL = "survivors", "all"
MIN_STEPS = 2
STEP_FRACTION = 0.1


class MedianRule:
    """Stops a trial whose latest value, at its step e, is strictly worse than the median over its
    predecessors of the average of their values at steps 1 to e (Golovin et al., "Google Vizier", KDD 2017).

    Steps count the reports of what the model has been trained for: where the resource of a report is no
    further than that of earlier ones, training went back, and it takes their place. Predecessors ended with a
    usable objective; in a multi-algorithm job, they are of the same definition.
    NaN and infinity are worse than any number, and so is an average with one of them in it; equal values go
    on.

    compare: `survivors` are predecessors with e values or more, those that got that far; `all` are all of
    them, of which one with fewer values has their average, as the service's guide reads literally.
    min_trials: predecessors of whatever length that must have ended before any trial is stopped. min_steps
    and step_fraction: no trial is stopped before step `max(min_steps, step_fraction * median length of the
    predecessors)`. `MedianRule.plain()` has no such guards.

    Averages are a function of the history; what is kept of them between calls is a cache, never state.
    """

    def __init__(
        self,
        *,
        min_trials: int = BEFORE,
        min_steps: int = MIN_STEPS,
        step_fraction: float = STEP_FRACTION,
        compare: str = SURVIVORS,
    ) -> None:
        if compare not in (SURVIVORS, ALL):
            raise InputError(f"compare {compare!r} is not known; use {SURVIVORS!r} or {ALL!r}")
        self.compare = compare
        for what, count in (("min_trials", min_trials), ("min_steps", min_steps)):
            check_count(what, count)
        fraction = real_number(step_fraction, "step_fraction", "give one from 0 to 1")
        if not 0 <= fraction <= 1:
            raise InputError(f"step_fraction {step_fraction!r} is not a number from 0 to 1; give one")
        self.min_trials, self.min_steps, self.step_fraction = min_trials, min_steps, fraction
        self._cache: _Averages | None = None

    @classmethod
    def plain(cls) -> MedianRule:
        """The rule as the service documents it, without guards."""
        return cls(min_trials=1, min_steps=1, step_fraction=0.0)

    @classmethod
    def for_jobs(cls, max_jobs: int | None) -> MedianRule:
        """With the guards for a tuning job of `max_jobs` training jobs (behaviour 7.2)."""
        return cls(min_trials=FEW_BEFORE if max_jobs is not None and max_jobs <= FEW_JOBS else BEFORE)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_cache": None}

    def decide(self, history: History, number: int) -> Decision:
        """Whether trial `number` goes on after its latest report."""
        return Decision.CONTINUE if self.explain(history, number) is None else Decision.STOP

    def explain(self, history: History, number: int) -> Verdict | None:
        """Why trial `number` is stopped after its latest report; None if it goes on."""
        trial = history.trial(number)
        if not trial.reports or trial.status.ended:
            return None
        averages = self._up_to(history)
        step = averages.step(trial)
        lengths = averages.lengths.get(trial.definition, [])
        if len(lengths) < self.min_trials:
            return None
        if step < max(self.min_steps, self.step_fraction * median(lengths)):
            return None
        others = averages.others(trial.definition, step, all_trials=self.compare == ALL)
        value = trial.reports[-1].value
        if not others or not minimised(value, history.objective) > (threshold := median(others)):
            return None
        return Verdict(
            type(self).__name__, len(trial.reports), value, in_own_sign(threshold, history.objective)
        )

    def _up_to(self, history: History) -> _Averages:
        """The cache brought up to this view; a new one if it is of another history or has seen more."""
        cache = self._cache
        if cache is None or cache.source is not history.source or cache.ended > history.ended_count:
            cache = self._cache = _Averages(history.source, history.objective)
        for i in range(cache.ended, history.ended_count):
            cache.take(history[i])
        return cache


class _Averages:
    """Running averages of trials that ended with a usable objective, minimised, sorted.

    at_step: by (definition, step). lengths: how many values each such trial has, sorted, by definition.
    last: with the average of all of them.
    """

    def __init__(self, source: object, objective: ObjectiveType) -> None:
        self.source, self.objective = source, objective
        self.ended = 0
        self.at_step: defaultdict[tuple[str | None, int], list[float]] = defaultdict(list)
        self.lengths: defaultdict[str | None, list[float]] = defaultdict(list)
        self.last: defaultdict[str | None, list[tuple[int, float]]] = defaultdict(list)
        self._running: dict[int, tuple[int, list[Report]]] = {}  # reports read, and the course they make

    def step(self, trial: Trial) -> int:
        """How many steps a running trial has come."""
        count, reports = self._running.get(trial.number, (0, []))
        if count > len(trial.reports):  # a view of the past
            return len(extended([], trial.reports))
        extended(reports, trial.reports[count:])
        self._running[trial.number] = len(trial.reports), reports
        return len(reports)

    def take(self, trial: Trial) -> None:
        self.ended += 1
        self._running.pop(trial.number, None)
        if trial.value is None:
            return
        course = extended([], trial.reports)
        insort(self.lengths[trial.definition], float(len(course)))
        values = [minimised(report.value, self.objective) for report in course]
        averages = running_averages(values)
        for step, average in enumerate(averages, 1):
            insort(self.at_step[trial.definition, step], average)
        if averages:
            insort(self.last[trial.definition], (len(averages), averages[-1]))

    def others(self, definition: str | None, step: int, *, all_trials: bool) -> list[float]:
        """What a trial is compared with at a step, sorted.

        all_trials: with those of fewer steps too.
        """
        survivors = self.at_step.get((definition, step), [])
        if not all_trials:
            return survivors
        shorter = self.last[definition][: bisect_left(self.last[definition], (step, -inf))]
        return sorted([*survivors, *(average for _, average in shorter)])


def extended(course: list[Report], reports: Sequence[Report]) -> list[Report]:
    """The course with further reports: each takes the place of those whose resource it does not exceed.

    >>> [r.value for r in extended([], [Report(1, 0.5), Report(2, 0.4), Report(3, 0.3), Report(2, 0.6)])]
    [0.5, 0.6]
    """
    for report in reports:
        while course and course[-1].resource >= report.resource:
            course.pop()
        course.append(report)
    return course


_SHIFT = 1074
"""Every float is an integer multiple of 2**-1074."""


def running_averages(values: list[float]) -> list[float]:
    """The average of the first 1, 2, ... values, each correctly rounded; infinite from the first infinity on.

    Rounded sums would let a constant series differ from its own average, and a tie must stay one:

    >>> running_averages([0.1, 0.1, 0.1])
    [0.1, 0.1, 0.1]
    """
    averages: list[float] = []
    total = 0  # the sum so far, in units of 2**-1074
    for count, value in enumerate(values, 1):
        if not isfinite(value):
            return averages + [inf] * (len(values) - len(averages))
        numerator, denominator = value.as_integer_ratio()
        total += numerator << (_SHIFT + 1 - denominator.bit_length())
        averages.append(total / (count << _SHIFT))
    return averages


def median(values: list[float]) -> float:
    """The median of one or more sorted values; of an even number, the mean of the middle two.

    >>> median([0.8, 0.85, 0.9, 1.0])
    0.875
    """
    middle = len(values) // 2
    if len(values) % 2:
        return values[middle]
    low, high = values[middle - 1], values[middle]
    return low if low == high else low / 2 + high / 2
