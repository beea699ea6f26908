"""How a training job of SageMaker stands, as attempts.

With managed Spot training the service starts an interrupted training job again by itself, within the same
training job. Each of its runs is an attempt here: it began where the one before it was interrupted, and what
it prints counts from its checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpt.executors.base import Exit
from hpt.job.lifecycle import PHASES

AWAY = ("Interrupted", "Restarting")
"""The secondary statuses after which the service starts the training job again."""

ENDED = frozenset({"Completed", "Failed", "Stopped", "Deleting"})
"""The statuses of a training job that does not run any more."""

_EXIT_CODE = re.compile(r"exit ?code:?\s*(-?\d+)", re.IGNORECASE)
_OF_THE_PROGRAM = ("AlgorithmError", "ClientError")
_NO_CAPACITY = ("CapacityError", "InsufficientCapacity", "Unable to provision requested ML compute capacity")


@dataclass(slots=True)
class Segment:
    """One run of a training job. times: when it entered each phase. away, ended, message: why and when it was
    taken away, "" and None if it was not.
    """

    start: float
    times: dict[str, float] = field(default_factory=dict)
    away: str = ""
    ended: float | None = None
    message: str = ""


def segments(description: Mapping[str, Any]) -> list[Segment]:
    """The runs of a training job, at least one."""
    found = [Segment(description["CreationTime"].timestamp())]
    for transition in description.get("SecondaryStatusTransitions", ()):
        status, start = transition["Status"], transition["StartTime"].timestamp()
        current = found[-1]
        if current.away:
            current = Segment(start)
            found.append(current)
        if status in AWAY:
            current.away, current.ended = status, start
            current.message = transition.get("StatusMessage", "")
        elif status in PHASES:
            current.times.setdefault(status, start)
    if found[-1].away and description["TrainingJobStatus"] != "InProgress":
        found.append(Segment(found[-1].ended or found[-1].start))  # it ended while it waited
    return found


def has_ended(description: Mapping[str, Any], segment: int) -> bool:
    """Whether a run of a training job is over; False of one that has not begun."""
    runs = segments(description)
    if segment >= len(runs):
        return False
    return bool(runs[segment].away) or description["TrainingJobStatus"] in ENDED


def waits_for_capacity(description: Mapping[str, Any]) -> bool:
    """Whether the training job failed since there was no machine for it."""
    reason = description.get("FailureReason", "")
    return description["TrainingJobStatus"] == "Failed" and any(each in reason for each in _NO_CAPACITY)


def exit_of(description: Mapping[str, Any], segment: int) -> Exit:
    """How a run of a training job ended; the log and the checkpoint are for the caller to add."""
    run = segments(description)[segment]
    started = run.times.get("Training")
    if run.away:
        outcome = "Preempted" if run.away == "Interrupted" else "Lost"
        reason = run.message or ("Spot capacity was withdrawn" if outcome == "Preempted" else "restarted")
        return Exit(outcome, None, reason, started=started, ended=run.ended)
    status, secondary = description["TrainingJobStatus"], description.get("SecondaryStatus", "")
    ended = _ended(description, run)
    model = description.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    reason = description.get("FailureReason", "")
    if status == "Completed":
        return Exit("Exited", 0, started=started, ended=ended, model=model)
    if status == "Failed":
        if waits_for_capacity(description):
            return Exit("Preempted", None, reason, started=started, ended=ended)
        if not reason.startswith(_OF_THE_PROGRAM):
            return Exit("Lost", None, reason or "the service failed", started=started, ended=ended)
        code = _EXIT_CODE.search(reason)
        number = int(code[1]) if code else 1
        return Exit("Exited", number or 1, reason, started=started, ended=ended)
    if secondary == "MaxRuntimeExceeded":
        return Exit("Exited", None, timed_out=True, started=started, ended=ended, model=model)
    if secondary == "MaxWaitTimeExceeded":
        return Exit("Exited", None, stopped=True, started=started, ended=ended)
    return Exit("Exited", None, stopped=True, by_user=True, started=started, ended=ended, model=model)


def billed(description: Mapping[str, Any]) -> tuple[int, int]:
    """Seconds of a training job that the service trained, and that it charges, each for one instance."""
    return int(description.get("TrainingTimeInSeconds", 0)), int(description.get("BillableTimeInSeconds", 0))


def charged(description: Mapping[str, Any], segment: int) -> int | None:
    """Seconds that the service charges for a training job, given for its last run; None for the others."""
    last = segment == len(segments(description)) - 1 and description["TrainingJobStatus"] in ENDED
    seconds = description.get("BillableTimeInSeconds")
    return int(seconds) if last and seconds is not None else None


def _ended(description: Mapping[str, Any], run: Segment) -> float:
    for transition in reversed(description.get("SecondaryStatusTransitions", ())):
        if transition["Status"] not in PHASES:
            return max(run.start, float(transition["StartTime"].timestamp()))
    end = description.get("TrainingEndTime") or description["LastModifiedTime"]
    return float(end.timestamp())
