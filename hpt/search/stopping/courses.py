"""What trials reported at each rung and in the end, as learning rules and models of resources read it."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hpt.search.history import History
from hpt.search.stopping.successive_halving import SuccessiveHalving, minimised
from hpt.search.trial import Trial, TrialStatus

RECENT = 27
"""The latest values at a rung stand for those that new configurations would report there."""


class Passage(NamedTuple):
    """A trial reached a rung, or its end (the level after the last rung), with a value, minimised."""

    number: int
    level: int
    y: float


@dataclass(slots=True)
class Course:
    """Of a trial. place: in the order in which those of its definition began to report, from 1. values: at
    the rungs that it reached. passed: the one that its last report counts for.
    """

    place: int = 0
    count: int = 0
    furthest: float = 0.0
    passed: int | None = None
    values: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class Rungs:
    """Of one definition. begun: how many trials have reported. values: by rung, sorted. recent: the latest.
    ends: the courses of trials that were trained to their end and their final values, in completion order.
    """

    begun: int = 0
    values: dict[int, list[float]] = field(default_factory=dict)
    recent: dict[int, list[float]] = field(default_factory=dict)
    ends: list[tuple[dict[int, float], float]] = field(default_factory=list)


class Courses:
    """Read along with a history; a pure function of it, whatever the steps in which it grew.

    A report that passes several rungs at once counts for the highest of them; values reported after it was
    decided to stop a trial, and ones whose resource is no further than before, count for none.
    """

    def __init__(self, history: History, levels: SuccessiveHalving) -> None:
        self.source, self._objective = history.source, history.objective
        self._rungs, self._top = levels.rungs, levels.max_resource
        self._version = self._reports = self._ended = 0
        self._definitions: dict[str | None, Rungs] = {}
        self._running: dict[int, Course] = {}
        self.passages: list[Passage] = []

    def precedes(self, history: History) -> bool:
        """Whether the history is one of which this has read a part."""
        return self.source is history.source and self._version <= history.version

    def of(self, definition: str | None) -> Rungs:
        return self._definitions.setdefault(definition, Rungs())

    def passed(self, trial: Trial) -> int | None:
        """The rung that the latest report of a running trial counts for, or None."""
        course = self._running.get(trial.number)
        return course.passed if course is not None and course.count == len(trial.reports) else None

    def place(self, trial: Trial) -> int:
        """In the order in which the trials of its definition began to report, from 1."""
        return self._running[trial.number].place

    def read(self, history: History) -> None:
        """Take in every report, and every trial that ended, since the last time, in their order."""
        reporters: Sequence[int] = history.reporters(self._reports)
        taken = 0
        for i, before in enumerate(history.reported_before(self._ended), self._ended):
            for number in reporters[taken : before - self._reports]:
                self._take(history.trial(number))
            taken = max(taken, before - self._reports)
            self._end(history[i])
        for number in reporters[taken:]:
            self._take(history.trial(number))
        self._version, self._reports = history.version, history.report_count
        self._ended = history.ended_count

    def _take(self, trial: Trial) -> None:
        course = self._running.get(trial.number)
        if course is None:
            rungs = self.of(trial.definition)
            rungs.begun += 1
            course = self._running[trial.number] = Course(rungs.begun)
        if course.count >= (
            len(trial.reports)
            if trial.stopped_after is None
            else min(trial.stopped_after, len(trial.reports))
        ):
            return
        report = trial.reports[course.count]
        course.count += 1
        before = bisect_right(self._rungs, course.furthest)
        ended = course.furthest >= self._top
        course.furthest = max(course.furthest, report.resource)
        course.passed = None
        y = minimised(report.value, self._objective)
        if report.resource >= self._top:
            if not ended:
                self.passages.append(Passage(trial.number, len(self._rungs), y))
            return
        k = bisect_right(self._rungs, course.furthest) - 1
        if k < before:
            return
        course.passed = k
        course.values[k] = y
        rungs = self.of(trial.definition)
        insort(rungs.values.setdefault(k, []), y)
        recent = rungs.recent.setdefault(k, [])
        recent.append(y)
        del recent[:-RECENT]
        self.passages.append(Passage(trial.number, k, y))

    def _end(self, trial: Trial) -> None:
        course = self._running.pop(trial.number, Course())
        if trial.value is None:
            return
        y = minimised(trial.value, self._objective)
        whole = course.furthest >= self._top
        # One that was to stop may complete all the same, if nobody stops it in time.
        completed = trial.status is TrialStatus.COMPLETED and trial.stopped_after is None
        if whole or completed:
            self.of(trial.definition).ends.append((course.values, y))
        if not whole and completed:
            self.passages.append(Passage(trial.number, len(self._rungs), y))
