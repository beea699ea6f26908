"""The state of a tuning job: the fold of its events, nothing more.

`JobState.apply` is called once per event, in recorded order, by the live runner and by a resume alike, so
both have the same state. Counters are incremental: the cost of an event does not depend on the number of
ended trials."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, isfinite
from typing import Any, NamedTuple

from hpt.errors import StorageError
from hpt.job.completion import CONVERGENCE, NOT_IMPROVING, TARGET, Improvement
from hpt.job.lifecycle import check_training_job, check_tuning_job
from hpt.job.plural import quantity
from hpt.search import events as ev
from hpt.search.events import AttemptOutcome, StopReason
from hpt.search.stored import MOST_SECONDS, damaged, newer, refuse_unknown
from hpt.search.trial import Config, ObjectiveStatus, ObjectiveType, TrialStatus, Verdict


class JobStatus(StrEnum):
    """Status of a tuning job (behaviour 12.1)."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def ended(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)


STOP_REQUESTED = "StopRequested"
"""The criterion of a stop requested by a user, the only one after which a tuning job is `Stopped`."""


@dataclass(slots=True)
class Transition:
    """A secondary status and when it was entered."""

    secondary: str
    start: float
    message: str = ""


class Point(NamedTuple):
    """A value of a metric, when it was logged and in which attempt."""

    time: float
    value: float
    attempt: int


@dataclass(slots=True)
class Attempt:
    """An attempt of a training job. ended: None while it runs. outcome: how it ended, "" while it runs: the
    status of the training job where that ended with it, else what ended the attempt alone.
    """

    number: int
    created: float
    ended: float | None = None
    outcome: str = ""


@dataclass(slots=True)
class TrainingJob:
    """One training job, the fold of its events. Times are seconds since the epoch.

    metrics: last value of each metric and its time. curves: every value of each metric. attempts: all, in
    order. cursor: log offset consumed in the present attempt. live: the present attempt was created and has
    not ended. reports: how many the model has been trained for, `resumed` of them by earlier attempts;
    report_ends: offsets in the log of the present attempt after each of the others. kept: the number of
    reports from which the next attempt goes on, None: from all. lost: attempts the infrastructure lost;
    preempted: those whose Spot capacity was withdrawn; interrupted: those stopped because the tuner was
    interrupted. ran: seconds of training in attempts that were lost or preempted. paused: seconds between an
    interruption and the next attempt. charged: seconds that a service charges for its attempts, for each
    host, None where none does. sequence: the place of its creation among the events of the tuning job,
    from 1. stopped_by: why a stopping rule stopped it, None if none did.
    """

    number: int
    name: str
    config: Config
    created: float
    definition: str | None = None
    sequence: int = 0
    status: TrialStatus = TrialStatus.IN_PROGRESS
    secondary: str = "Starting"
    transitions: list[Transition] = field(default_factory=list)
    attempt: int = 0
    live: bool = False
    lost: int = 0
    interrupted: int = 0
    preempted: int = 0
    ran: float = 0.0
    paused: float = 0.0
    paused_at: float | None = None
    lost_reason: str = ""
    cursor: int = 0
    reports: int = 0
    resumed: int = 0
    reported: float | None = None
    report_ends: list[int] = field(default_factory=list)
    kept: int | None = None
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict)
    curves: dict[str, list[Point]] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    value: float | None = None
    stop_reason: str = ""
    stopped_by: Verdict | None = None
    failure_reason: str = ""
    retryable: bool = False
    model: str = ""
    charged: int | None = None
    training_start: float | None = None
    training_end: float | None = None

    @property
    def objective_status(self) -> ObjectiveStatus:
        if not self.status.ended:
            return ObjectiveStatus.PENDING
        return ObjectiveStatus.SUCCEEDED if self.value is not None else ObjectiveStatus.FAILED

    @property
    def counter(self) -> str:
        """The member of TrainingJobStatusCounters this job counts under (behaviour 12.3)."""
        if self.status is TrialStatus.FAILED:
            return "RetryableError" if self.retryable else "NonRetryableError"
        return "InProgress" if not self.status.ended else str(self.status)

    def entered(self, secondary: str) -> bool:
        """Whether the present attempt has been in this secondary status."""
        for transition in reversed(self.transitions):
            if transition.secondary == secondary:
                return True
            if transition.secondary == "Starting":
                break
        return False

    def resume_reports(self) -> None:
        """Set the number of reports to what the last attempt kept, from which the next one goes on."""
        self.reports = self.reports if self.kept is None else self.kept
        self.resumed, self.kept = self.reports, None
        self.report_ends.clear()

    def count_report(self, value: float) -> None:
        """Count another report, which ends at the present offset of the log."""
        self.reports += 1
        self.reported = value
        self.report_ends.append(self.cursor)

    def reports_within(self, offset: int | None) -> int:
        """How many reports a checkpoint holds that covers the present attempt's log up to `offset`; None:
        there is no checkpoint.
        """
        return 0 if offset is None else self.resumed + bisect_right(self.report_ends, offset)

    def start(self, time: float) -> None:
        """Another attempt, the first included."""
        if self.paused_at is not None:
            self.paused += max(0.0, time - self.paused_at)
            self.paused_at = None
        if not self.transitions:
            self.transitions.append(Transition(self.secondary, time))
        elif self.secondary != "Starting":
            self.enter(TrialStatus.IN_PROGRESS, "Starting", time)

    def add_charge(self, seconds: int | None) -> None:
        """Add what a service charges for an attempt that ended, if one does."""
        if seconds is not None:
            self.charged = (self.charged or 0) + seconds

    def add_lost_time(self, time: float) -> None:
        """Add the training time of the present attempt, which was lost at `time`."""
        for transition in reversed(self.transitions):
            if transition.secondary == "Training":
                self.ran += max(0.0, time - transition.start)
            if transition.secondary in ("Training", "Starting"):
                break

    def enter(self, status: TrialStatus, secondary: str, time: float, message: str = "") -> None:
        """Change to another status and secondary status.

        Parameters
        ----------
        status
            The new status.
        secondary
            The new secondary status.
        time
            When, in seconds since the epoch; at least the time of the last transition.
        message
            The reason, "" for none.

        Raises
        ------
        StorageError
            The transition is not allowed.
        """
        if self.transitions:
            time = max(time, self.transitions[-1].start)
        check_training_job((self.status, self.secondary), (status, secondary), self.name)
        self.status = status
        self.secondary = secondary
        self.transitions.append(Transition(secondary, time, message))
        if secondary == "Training" and self.training_start is None:
            self.training_start = time


class JobState:
    """Everything known of one tuning job."""

    def __init__(self, objective: ObjectiveType, created: float) -> None:
        self.objective = objective
        self.created = created
        self.modified = created
        self.ended: float | None = None
        self.status = JobStatus.IN_PROGRESS
        self.criterion = ""
        self.failure_reason = ""
        self.jobs: dict[int, TrainingJob] = {}
        self.running: dict[int, TrainingJob] = {}
        self.best: TrainingJob | None = None
        self.since_best = 0  # final objectives since that of the best
        self.parents: dict[str, int] = {}  # number of results of each parent of a warm start
        self.parents_best: ev.ParentResult | None = None
        self.improvement = Improvement()
        self.longest_not_improving = 0
        self.converged: float | None = None
        self.set_aside: frozenset[str] = frozenset()  # criteria that ended the job before an extension
        self.extensions: list[ev.JobExtended] = []
        self.idle = 0.0  # seconds between ends and extensions
        self.events = 0
        self.training_counters = dict.fromkeys(
            ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
        )
        self.objective_counters = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)

    @property
    def launched(self) -> int:
        return len(self.jobs)

    @classmethod
    def fold(cls, objective: ObjectiveType, created: float, events: Iterable[ev.Event]) -> JobState:
        state = cls(objective, created)
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: ev.Event) -> None:
        """Apply one recorded event."""
        self.events += 1
        self.modified = max(self.modified, event.time)
        match event:
            case ev.ParentResult():
                self.parents[event.parent] = self.parents.get(event.parent, 0) + 1
                if self.parents_best is None or self._better(event.value, self.parents_best.value):
                    self.parents_best = event
            case ev.TrialCreated():
                self._create(event)
            case ev.AttemptCreated():
                job = self._job(event.number)
                job.attempt, job.live, job.cursor = event.attempt, True, 0
                job.attempts.append(Attempt(event.attempt, event.time))
                job.resume_reports()
                job.start(event.time)
            case ev.StatusChanged():
                job = self._job(event.number)
                job.enter(job.status, event.secondary, event.time, event.message)
            case ev.MetricLogged():
                job = self._job(event.number)
                job.metrics[event.metric] = (event.value, event.time)
                point = Point(event.time, event.value, event.attempt)
                job.curves.setdefault(event.metric, []).append(point)
                job.cursor = max(job.cursor, event.cursor)
            case ev.Reported():
                self._job(event.number).count_report(event.value)
            case ev.StopDecided():
                job = self._job(event.number)
                job.stop_reason = event.reason
                job.stopped_by = event.verdict or job.stopped_by
                if event.reason != StopReason.INTERRUPTED:  # an interrupted one goes on later
                    job.enter(TrialStatus.STOPPING, "Stopping", event.time, event.reason)
            case ev.AttemptEnded():
                self._end_attempt(event)
            case ev.TrialEnded():
                self._end_trial(event)
            case ev.ConvergenceDetected():
                self.converged = event.time
            case ev.JobStopRequested():
                self.criterion = event.criterion
                if event.criterion == STOP_REQUESTED:
                    self._change_status(JobStatus.STOPPING)
            case ev.JobExtended():
                self._extend(event)
            case ev.JobEnded():
                self._change_status(_status(event.status))
                self.criterion, self.failure_reason, self.ended = (
                    event.criterion,
                    event.failure_reason,
                    event.time,
                )
            case _:
                pass

    def _extend(self, event: ev.JobExtended) -> None:
        """Go on with a larger budget; see `hpt.job.extension`."""
        if self.ended is not None:
            if self.criterion in (TARGET, CONVERGENCE):
                self.set_aside |= {self.criterion}
            elif self.criterion == NOT_IMPROVING:
                self.improvement, self.longest_not_improving = Improvement(self.improvement.best), 0
            self.idle += max(0.0, event.time - self.ended)
            self._change_status(JobStatus.IN_PROGRESS)
            self.criterion, self.failure_reason, self.ended = "", "", None
        self.extensions.append(event)

    def summary(self) -> dict[str, Any]:
        """The document that lists show without reading events; `read_summary` checks it."""
        best = self.best
        return {
            "status": str(self.status),
            "modified": self.modified,
            "ended": self.ended,
            "criterion": self.criterion,
            "training_counters": self.training_counters,
            "objective_counters": self.objective_counters,
            "limits": self._limits(),
            "best": None if best is None else {"name": best.name, "value": best.value},
        }

    def _limits(self) -> dict[str, Any] | None:
        """The limits since the last extension, None without one."""
        if not self.extensions:
            return None
        last = self.extensions[-1]
        return {
            "max_jobs": last.max_jobs,
            "max_parallel_jobs": last.max_parallel_jobs,
            "max_runtime_seconds": last.max_runtime_seconds,
        }

    def _change_status(self, status: JobStatus) -> None:
        check_tuning_job(self.status, status)
        if status.ended and self.running:
            running = quantity(len(self.running), "training job")
            verb = "runs" if len(self.running) == 1 else "run"
            raise StorageError(f"the event log ends the tuning job while {running} {verb}; it is damaged")
        self.status = status

    def _job(self, number: int) -> TrainingJob:
        try:
            return self.running[number]
        except KeyError:
            raise StorageError(
                f"the event log names trial {number}, which is not running; it is damaged"
            ) from None

    def _create(self, event: ev.TrialCreated) -> None:
        if event.number in self.jobs:
            raise StorageError(f"the event log creates trial {event.number} twice; it is damaged")
        job = TrainingJob(event.number, event.name, event.config, event.time, event.definition, self.events)
        self.jobs[event.number] = self.running[event.number] = job
        self.training_counters["InProgress"] += 1
        self.objective_counters["Pending"] += 1

    def _end_attempt(self, event: ev.AttemptEnded) -> None:
        job = self._job(event.number)
        job.live, job.kept = False, event.reports
        job.add_charge(event.charged)
        if job.attempts:
            job.attempts[-1].ended, job.attempts[-1].outcome = event.time, str(event.outcome)
        if job.stop_reason == StopReason.INTERRUPTED:
            job.stop_reason = ""
        secondary = ""
        match event.outcome:
            case AttemptOutcome.LOST:
                job.lost += 1
                job.add_lost_time(event.time)
                secondary, job.lost_reason = "Restarting", event.message
            case AttemptOutcome.PREEMPTED:
                job.preempted += 1
                job.add_lost_time(event.time)
                secondary = "Interrupted"
            case AttemptOutcome.INTERRUPTED:
                job.interrupted += 1
                job.paused_at = event.time
                secondary = "Interrupted"
        if (
            secondary and job.status is TrialStatus.IN_PROGRESS
        ):  # a job that is being stopped is not restarted
            job.enter(job.status, secondary, event.time, event.message)

    def _end_trial(self, event: ev.TrialEnded) -> None:
        job = self._job(event.number)
        if event.status is TrialStatus.STOPPED and job.status is TrialStatus.IN_PROGRESS:
            job.enter(TrialStatus.STOPPING, "Stopping", event.time)  # by its deadline, or before its start
        secondary = event.secondary or str(event.status)
        job.enter(event.status, secondary, event.time, event.failure_reason)
        del self.running[event.number]
        if job.live and job.attempts:
            job.attempts[-1].ended, job.attempts[-1].outcome = event.time, str(event.status)
        job.live = False
        job.failure_reason, job.retryable, job.model = event.failure_reason, event.retryable, event.model
        usable = event.status is not TrialStatus.FAILED and event.value is not None and isfinite(event.value)
        job.add_charge(event.charged)
        job.value = event.value if usable else None
        job.training_end = event.time
        job.report_ends.clear()
        self.training_counters["InProgress"] -= 1
        self.training_counters[job.counter] += 1
        self.objective_counters["Pending"] -= 1
        self.objective_counters[str(job.objective_status)] += 1
        if job.value is not None:
            self.improvement = self.improvement.after(job.value, self.objective)
            self.longest_not_improving = max(self.longest_not_improving, self.improvement.count)
            self.since_best += 1
        if self._beats_best(job):
            self.best, self.since_best = job, 0

    def _beats_best(self, job: TrainingJob) -> bool:
        if job.value is None:
            return False
        if self.best is None or self.best.value is None:
            return True
        if job.value == self.best.value:  # a tie goes to the earlier launch (behaviour 6.6)
            return job.number < self.best.number
        return self._better(job.value, self.best.value)

    def _better(self, value: float, other: float) -> bool:
        return value > other if self.objective is ObjectiveType.MAXIMIZE else value < other

    @property
    def overall_best(self) -> TrainingJob | ev.ParentResult | None:
        """The best of this job and its parents; of equals a parent's, which was there first."""
        own, theirs = self.best, self.parents_best
        if own is None or own.value is None or theirs is None:
            return own or theirs
        return own if self._better(own.value, theirs.value) else theirs


SUMMARY: Mapping[str, Any] = JobState(ObjectiveType.MAXIMIZE, 0.0).summary()
"""The summary of a new job: all members with their defaults."""


def read_summary(summary: Mapping[str, Any], created: float) -> dict[str, Any]:
    """A stored summary, of this version or an earlier one, with every member.

    Raises:
        StorageError: it was written by a newer version.
    """
    what = "the summary of the tuning job"
    refuse_unknown(summary, _SUMMARY_MEMBERS, what)
    complete = {**SUMMARY, "modified": created, **summary}
    complete["status"] = str(_status(complete["status"]))
    for name, is_right in _SUMMARY_CHECKS.items():
        if not is_right(complete[name]):
            raise damaged(f"{what} has the {name} {complete[name]!r:.60}")
    return complete


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= MOST_SECONDS  # type: ignore[arg-type]


def _are_counts(value: object) -> bool:
    return type(value) is dict and all(type(count) is int and abs(count) < 2**53 for count in value.values())


def _is_best(value: object) -> bool:
    return (
        type(value) is dict
        and isinstance(value.get("name"), str)
        and type(value.get("value")) in (int, float)
        and abs(value["value"]) < inf
    )


_SUMMARY_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "modified": _is_time,
    "ended": lambda value: value is None or _is_time(value),
    "criterion": lambda value: isinstance(value, str),
    "training_counters": _are_counts,
    "objective_counters": _are_counts,
    "best": lambda value: value is None or _is_best(value),
}


_SUMMARY_MEMBERS = frozenset(SUMMARY)


def _status(status: str) -> JobStatus:
    try:
        return JobStatus(status)
    except ValueError:
        raise newer(f"the tuning job has the unknown status {status!r:.60}") from None


def training_job_name(job_name: str, number: int, seed: int, created: float) -> str:
    """`<tuning job name>-<ordinal>-<8 hex digits>` (behaviour 4.1); the digits are a function of the job
    alone.

    Parameters
    ----------
    job_name
        The tuning job's name.
    number
        The trial's number, from 1.
    seed
        The job's seed.
    created
        When the job was created, in seconds since the epoch.
    """
    digest = hashlib.blake2s(f"{job_name}/{number}/{seed}/{created!r}".encode(), digest_size=4).hexdigest()
    return f"{job_name}-{number:03d}-{digest}"
