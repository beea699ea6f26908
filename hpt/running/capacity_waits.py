"""How long training jobs may wait for capacity: `MaxWaitTimeInSeconds`, their run time included."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush

from hpt.job.config import JobConfig
from hpt.job.state import TrainingJob
from hpt.search import events as ev
from hpt.search.events import StopReason

_SLACK = 1.0
"""Seconds before a wait is over from which it is looked at exactly, since sums of times are rounded."""


class CapacityWaits:
    """The training jobs on Spot capacity by when their time is up: looking costs what is due, however many
    run.
    """

    def __init__(self, config: JobConfig) -> None:
        self._config = config
        self._due: list[tuple[float, int]] = []  # a heap of when it may be over

    def add(self, event: ev.TrialCreated) -> None:
        """Watch a training job, if it has such a limit."""
        limit = self._config.definition_of(event.definition).max_wait_seconds
        if limit is not None:
            heappush(self._due, (event.time + limit, event.number))

    def over(self, running: Mapping[int, TrainingJob], now: float) -> list[TrainingJob]:
        """Those whose time is up, by number. Pauses of the tuning job do not count."""
        late: list[TrainingJob] = []
        early: list[tuple[float, int]] = []
        while self._due and self._due[0][0] <= now + _SLACK:
            _, number = heappop(self._due)
            job = running.get(number)
            if job is None or job.stop_reason not in ("", StopReason.INTERRUPTED):
                continue
            limit = self._config.definition_of(job.definition).max_wait_seconds or 0.0
            if job.paused_at is None and now - job.created - job.paused >= limit:
                late.append(job)
            else:
                early.append((job.created + job.paused + limit, number))
        for entry in early:
            heappush(self._due, entry)
        return sorted(late, key=lambda job: job.number)
