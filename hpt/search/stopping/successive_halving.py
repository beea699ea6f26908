"""Successive halving: of the trials that come to a rung, only the best go on (behaviour 4.4)."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf, isfinite

from hpt.errors import InputError
from hpt.search.history import History
from hpt.search.numbers import is_finite_number, real_number
from hpt.search.strategies.randomness import BRACKET, check_seed, generator
from hpt.search.trial import Decision, ObjectiveType, Trial, Verdict

MAX_RESOURCE = 20_000
DEFAULT_FACTOR = 3.0
MAX_RESOURCE_REACHED = "MaxResource"
"""The rule by which a trial is stopped that has had all the training it may have."""


class SuccessiveHalving:
    """The stopping form of asynchronous successive halving (Li et al., "A System for Massively Parallel
    Hyperparameter Tuning", MLSys 2020).

    Rungs stand at `min_resource * eta**k` below `max_resource`. The report with which a trial reaches a rung
    is compared with those of all trials that reached it before; from `eta` values on, it must be on the good
    side of their 1/eta quantile or equal to it. No trial goes on at `max_resource`; without `stops_at_max`
    one that reaches it is left to end by itself, however often it reports.

        SuccessiveHalving(81).rungs  # (1, 3, 9, 27)

    eta: the reduction factor. brackets: how many; trials of bracket s meet their first rung at rung s, and a
    trial's bracket is drawn with (seed, trial) in proportion to the number of configurations that Hyperband
    starts in it (Li et al., JMLR 2018). Rungs are shared between brackets, not between the algorithms of
    a multi-algorithm job. A report that passes several rungs at once counts for the highest of them; values
    reported after it was decided to stop a trial, and ones whose resource is no further than before (as after
    training went back to a checkpoint), count for none. NaN and infinity are worse than any number and never
    good enough.

    The rungs are a function of the history; what is kept of them between calls is a cache, never state.
    """

    def __init__(
        self,
        max_resource: float,
        min_resource: float = 1,
        *,
        eta: float = DEFAULT_FACTOR,
        brackets: int = 1,
        seed: int = 0,
        stops_at_max: bool = True,
    ) -> None:
        """A rule that has read nothing yet.

        Parameters
        ----------
        max_resource
            Reports after which a trial is stopped, 20,000 at most.
        min_resource
            The first rung.
        eta
            The reduction factor, 2 or more.
        brackets
            How many brackets there are, up to the number of rungs and one.
        seed
            Draws the brackets of trials.
        stops_at_max
            Whether a trial that reaches `max_resource` is stopped.

        Raises
        ------
        InputError
            An argument breaks its rule.
        """
        _check_resource("max_resource", max_resource)
        _check_resource("min_resource", min_resource)
        if max_resource > MAX_RESOURCE:
            raise InputError(f"max_resource {max_resource!r} is above the maximum {MAX_RESOURCE}; lower it")
        if min_resource > max_resource:
            raise InputError(
                f"min_resource {min_resource!r} is above max_resource {max_resource!r}; swap them"
            )
        factor = real_number(eta, "eta", "give one, such as 3")
        if not (isfinite(factor) and factor >= 2):
            raise InputError(f"eta {eta!r} is not a number of 2 or more; give one, such as 3")
        self.max_resource, self.min_resource, self.eta = max_resource, min_resource, factor
        self.rungs = rung_levels(max_resource, min_resource, factor)
        most = len(self.rungs) + 1
        if type(brackets) is not int or not 1 <= brackets <= most:
            raise InputError(
                f"brackets {brackets!r} is not an integer from 1 to {most}, the number of rungs and one; "
                "give one"
            )
        self.brackets, self.seed, self.stops_at_max = brackets, check_seed(seed), stops_at_max
        self._cache: _Rungs | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_cache": None}

    def bracket(self, number: int) -> int:
        """The bracket of trial `number`, from 0: the index of the first rung at which it is judged."""
        if self.brackets == 1:
            return 0
        starts = bracket_starts(len(self.rungs), self.eta)[: self.brackets]
        draw = generator(self.seed, number, BRACKET).random() * sum(starts)
        for s, count in enumerate(starts):
            draw -= count
            if draw < 0:
                return s
        return self.brackets - 1

    def decide(self, history: History, number: int) -> Decision:
        """Whether trial `number` goes on after its latest report."""
        return Decision.CONTINUE if self.explain(history, number) is None else Decision.STOP

    def explain(self, history: History, number: int) -> Verdict | None:
        """Why trial `number` is stopped after its latest report; None if it goes on.

        The rule is `MaxResource` where the trial has had all the training it may have: no early stop.
        """
        trial = history.trial(number)
        if not trial.reports or trial.status.ended:
            return None
        resource, value = trial.reports[-1].resource, trial.reports[-1].value
        if resource >= self.max_resource:
            return Verdict(MAX_RESOURCE_REACHED, len(trial.reports), value) if self.stops_at_max else None
        rungs = self._up_to(history)
        k = rungs.reached(trial)
        if k is None:
            return None
        values = rungs.values[trial.definition, k]
        y = minimised(value, history.objective)
        if len(values) < self.eta:
            return None
        threshold = quantile(values, self.eta)
        if isfinite(y) and y <= threshold:
            return None
        return Verdict(
            type(self).__name__, len(trial.reports), value, in_own_sign(threshold, history.objective)
        )

    def _up_to(self, history: History) -> _Rungs:
        """The cache brought up to this view; a new one if it is of another history or has seen more."""
        cache = self._cache
        if cache is None or cache.source is not history.source or cache.version > history.version:
            cache = self._cache = _Rungs(history.source, history.objective)
        cache.read(history, self)
        return cache


@dataclass(slots=True)
class _Progress:
    """What was read of a trial. passed: the rung its last report counted for, if any."""

    bracket: int
    count: int = 0
    furthest: float = 0.0
    passed: int | None = None


class _Rungs:
    """The values that reached each rung, sorted, minimised, by (definition, rung)."""

    def __init__(self, source: object, objective: ObjectiveType) -> None:
        self.source, self.objective = source, objective
        self.version = self.reports = self.ended = 0
        self.values: dict[tuple[str | None, int], list[float]] = {}
        self.running: dict[int, _Progress] = {}

    def read(self, history: History, rule: SuccessiveHalving) -> None:
        """Take in every report of this view: costs those made, and trials ended, since the last time."""
        for number in history.reporters(self.reports):
            self._read_next(history.trial(number), rule)
        for i in range(self.ended, history.ended_count):
            self.running.pop(history[i].number, None)
        self.version, self.reports, self.ended = history.version, history.report_count, history.ended_count

    def reached(self, trial: Trial) -> int | None:
        """The rung that the latest report of a running trial counts for, or None."""
        progress = self.running.get(trial.number)
        return progress.passed if progress is not None and progress.count == len(trial.reports) else None

    def _read_next(self, trial: Trial, rule: SuccessiveHalving) -> None:
        """Take in the trial's next report, unless it was decided before to stop the trial."""
        progress = self.running.get(trial.number)
        if progress is None:
            progress = self.running[trial.number] = _Progress(rule.bracket(trial.number))
        if trial.stopped_after is not None and progress.count >= trial.stopped_after:
            return
        report = trial.reports[progress.count]
        progress.count += 1
        before = bisect_right(rule.rungs, progress.furthest)
        progress.furthest = max(progress.furthest, report.resource)
        k = bisect_right(rule.rungs, progress.furthest) - 1
        progress.passed = k if k >= max(before, progress.bracket) else None
        if progress.passed is not None:
            values = self.values.setdefault((trial.definition, k), [])
            insort(values, minimised(report.value, self.objective))


def rung_levels(max_resource: float, min_resource: float, eta: float) -> tuple[float, ...]:
    """The resources at which trials are compared.

    >>> rung_levels(81, 1, 3)
    (1, 3, 9, 27)
    """
    levels = []
    level = min_resource
    while level < max_resource:
        levels.append(level)
        level = level * eta
    return tuple(levels)


@lru_cache
def bracket_starts(rungs: int, eta: float) -> tuple[int, ...]:
    """How many configurations Hyperband starts in the bracket whose first rung is 0, 1, ..., `rungs`.

    With s_max = `rungs`, and s = s_max for the first of them, n_s = ceil((s_max + 1) / (s + 1) * eta**s)
    (Li et al., JMLR 2018, algorithm 1).

    >>> bracket_starts(4, 3)
    (81, 34, 15, 8, 5)
    """
    return tuple(ceil((rungs + 1) * eta**s / (s + 1)) for s in range(rungs, -1, -1))


def quantile(values: list[float], eta: float) -> float:
    """The 1/eta quantile of sorted values, with linear interpolation.

    >>> round(quantile([0.40, 0.42, 0.45, 0.50, 0.55, 0.61], 3), 12)
    0.44
    """
    place = (len(values) - 1) / eta
    i = int(place)
    low, high = values[i], values[min(i + 1, len(values) - 1)]
    # Halved, since the difference of the largest floats overflows.
    return low if place == i or low == high else low + 2 * ((place - i) * (high / 2 - low / 2))


def minimised(value: float, objective: ObjectiveType) -> float:
    """The value in a sign in which less is better; NaN and both infinities are the worst, +inf."""
    if not isfinite(value):
        return inf
    return -value if objective is ObjectiveType.MAXIMIZE else value


def in_own_sign(y: float, objective: ObjectiveType) -> float | None:
    """The value of the objective that is `y` minimised; None for infinity, which stands for none."""
    if not isfinite(y):
        return None
    return -y if objective is ObjectiveType.MAXIMIZE else y


def _check_resource(what: str, value: object) -> None:
    if not is_finite_number(value) or value < 1:
        raise InputError(f"{what} {value!r} is not a number of 1 or more; count units of progress from 1")
