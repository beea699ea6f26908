"""A read-only view of a tuning job, for the command, replies and plots.

All of them read this view, so they agree. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from hpt.job.billing import billable_seconds, machine_seconds, training_seconds
from hpt.job.config import JobConfig
from hpt.job.state import JobState, JobStatus, Point, TrainingJob, Transition
from hpt.search.events import ParentResult
from hpt.search.trial import Config, ObjectiveStatus, ObjectiveType, TrialStatus, Verdict


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a trial.

    ended: None while it runs. outcome: how it ended, "" while it runs: the trial's status if
    that ended with it, else `Lost`, `Preempted` or `Interrupted`.
    """

    number: int
    created: float
    ended: float | None
    outcome: str


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial, which is a training job.

    number: from 1, in launch order. definition: its algorithm in a multi-algorithm job. metric, objective:
    what is optimised. hyperparameters: the tuned ones, as the strings that the program received. modified:
    when its status last changed. training_start, training_end: of its program, None until then.
    curves: of each metric every value that was read, in order. latest: of each metric the last value and its
    time. value: its final objective. model: path or URI of its model. spot: it ran on capacity that can be
    withdrawn. reports: values of the objective that count for its present attempt. stop_reason: a
    `StopReason`, "" if it was not stopped. stopped_by: why a stopping rule stopped it, None if none did.
    """

    number: int
    name: str
    definition: str | None
    metric: str
    objective: ObjectiveType
    config: Config
    hyperparameters: Mapping[str, str]
    status: TrialStatus
    secondary: str
    objective_status: ObjectiveStatus
    counter: str
    created: float
    modified: float
    training_start: float | None
    training_end: float | None
    transitions: tuple[Transition, ...]
    attempts: tuple[AttemptView, ...]
    curves: Mapping[str, Sequence[Point]]
    latest: Mapping[str, tuple[float, float]]
    value: float | None
    reports: int
    stop_reason: str
    stopped_by: Verdict | None
    failure_reason: str
    model: str
    spot: bool
    lost: int
    preempted: int
    charged: int | None

    @property
    def training_seconds(self) -> float:
        """Seconds of training in all attempts; one that still runs does not count yet."""
        return training_seconds(self.transitions)

    @property
    def machine_seconds(self) -> float:
        """The same with downloading: what is compared with the seconds that are charged."""
        return machine_seconds(self.transitions)

    def billable_seconds(self, price: float = 1.0) -> int:
        """Seconds charged, as far as a service says how many; otherwise at `price`, which a second on Spot
        capacity costs as a share of the full one.
        """
        if self.charged is not None:
            return self.charged
        return billable_seconds(self.training_seconds, price if self.spot else 1.0)


class Span(NamedTuple):
    """An attempt in the slot in which it ran. end: None while it runs."""

    slot: int
    trial: int
    attempt: int
    start: float
    end: float | None


class JobView:
    """A tuning job: its description, its state, its trials.

    config, state: the job's description and the fold of its events. The view of a trial is made when it is
    first read and does not change afterwards. since_best: how many final objectives came after the best.
    not_improving: how many in a row did not improve the best by 1 % (behaviour 8.4). extensions: when it was
    given a larger budget; idle: seconds between its ends and those.
    """

    def __init__(self, config: JobConfig, state: JobState) -> None:
        self.config, self._state = config, state
        self.name = config.name
        self.status: JobStatus = state.status
        self.created, self.modified, self.ended = state.created, state.modified, state.ended
        self.criterion, self.failure_reason = state.criterion, state.failure_reason
        self.converged, self.events = state.converged, state.events
        self.not_improving: int | None = None if state.improvement.best is None else state.improvement.count
        self.training_counters = dict(state.training_counters)
        self.objective_counters = dict(state.objective_counters)
        self.extensions, self.idle = tuple(state.extensions), state.idle
        self.since_best: int = state.since_best
        self.parent_results = dict(state.parents)
        self._trials: dict[int, TrialView] = {}

    @property
    def launched(self) -> int:
        """How many trials were launched."""
        return len(self._state.jobs)

    @property
    def trials(self) -> list[TrialView]:
        """Every trial, in launch order."""
        return [self.trial(number) for number in self._state.jobs]

    @property
    def running(self) -> list[TrialView]:
        """The trials that have not ended, in launch order."""
        return [self.trial(number) for number in self._state.running]

    def trial(self, number: int) -> TrialView:
        """The trial of that number. Raises KeyError if it does not exist."""
        if number not in self._trials:
            self._trials[number] = trial_view(self.config, self._state.jobs[number])
        return self._trials[number]

    @property
    def best(self) -> TrialView | None:
        """The trial with the best final objective; of equals the one launched first."""
        return None if self._state.best is None else self.trial(self._state.best.number)

    @property
    def overall_best(self) -> TrialView | ParentResult | None:
        """The best of this job and of its parents; of equals a parent's, which was there first."""
        best = self._state.overall_best
        return self.trial(best.number) if isinstance(best, TrainingJob) else best

    def best_first(self, trials: Iterable[TrialView] | None = None) -> list[TrialView]:
        """Trials by final objective, the best first; those without one last, in launch order."""
        sign = -1.0 if self.config.objective_type is ObjectiveType.MAXIMIZE else 1.0
        return sorted(
            self.trials if trials is None else trials,
            key=lambda trial: (trial.value is None, sign * (trial.value or 0.0), trial.number),
        )

    @property
    def best_so_far(self) -> list[tuple[float, TrialView]]:
        """Each trial that became the best, with the time at which it ended."""
        sign = -1.0 if self.config.objective_type is ObjectiveType.MAXIMIZE else 1.0
        steps: list[tuple[float, TrialView]] = []
        for trial in sorted(self.trials, key=lambda trial: (trial.training_end or 0.0, trial.number)):
            if trial.value is None or trial.training_end is None:
                continue
            if not steps or sign * trial.value < sign * (steps[-1][1].value or 0.0):
                steps.append((trial.training_end, trial))
        return steps

    @property
    def spans(self) -> list[Span]:
        """The timeline: every attempt in the lowest slot that was free when it was created, in that order."""
        attempts = sorted(
            (attempt.created, trial.number, attempt) for trial in self.trials for attempt in trial.attempts
        )
        free: list[int] = []
        busy: list[tuple[float, int]] = []
        spans: list[Span] = []
        slots = 0
        for start, number, attempt in attempts:
            while busy and busy[0][0] <= start:
                heappush(free, heappop(busy)[1])
            if free:
                slot = heappop(free)
            else:
                slot, slots = slots, slots + 1
            if attempt.ended is not None:
                heappush(busy, (attempt.ended, slot))
            spans.append(Span(slot, number, attempt.number, start, attempt.ended))
        return spans

    def busy(self, now: float) -> float:
        """The share of the slots' time in which programs trained, from the job's creation to its end or now.

        What is missing from 1 was spent on startup, on waiting for capacity, on deciding, and on slots with
        nothing left to run. Training that goes on does not count yet.
        """
        end = now if self.ended is None else self.ended
        available = (end - self.created - self._state.idle) * self.config.limits.max_parallel_jobs
        used = sum(training_seconds(job.transitions) for job in self._state.jobs.values())
        return used / available if available > 0 else 0.0


def trial_view(config: JobConfig, job: TrainingJob) -> TrialView:
    """The view of a training job at this moment."""
    definition = config.definition_of(job.definition)
    return TrialView(
        number=job.number,
        name=job.name,
        definition=job.definition,
        metric=definition.objective.metric,
        objective=definition.objective.type,
        config=definition.space.validate(job.config),
        hyperparameters=definition.space.format(job.config),
        status=job.status,
        secondary=job.secondary,
        objective_status=job.objective_status,
        counter=job.counter,
        created=job.created,
        modified=job.transitions[-1].start if job.transitions else job.created,
        training_start=job.training_start,
        training_end=job.training_end,
        transitions=tuple(job.transitions),
        attempts=tuple(
            AttemptView(each.number, each.created, each.ended, each.outcome) for each in job.attempts
        ),
        curves={metric: tuple(points) for metric, points in job.curves.items()},
        latest=dict(job.metrics),
        value=job.value,
        reports=job.reports,
        stop_reason=job.stop_reason,
        stopped_by=job.stopped_by,
        failure_reason=job.failure_reason,
        model=job.model,
        spot=definition.spot,
        lost=job.lost,
        preempted=job.preempted,
        charged=job.charged,
    )
