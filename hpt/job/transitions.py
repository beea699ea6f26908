"""The secondary statuses of a training job as clients read them (behaviour 11.2, 12.2).

A phase that took no time, such as the download of data that lie on this machine, is not recorded. The
service reports every phase, so each is put back here, with the time of the next one. Official clients read
the message of every transition, so each has one.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpt.job.state import TrainingJob, Transition
from hpt.search.events import StopReason

_MESSAGES = {
    "Starting": "Starting the training job",
    "Pending": "Waiting for capacity",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Updating": "Updating the training job",
    "Interrupted": "Training job interrupted. Waiting for capacity.",
    "Restarting": "Restarting the training job",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds",
    "MaxWaitTimeExceeded": "Training job waiting time exceeded MaxWaitTimeInSeconds",
}
"""What the service says, or would, of each secondary status."""

_STOPS = {
    StopReason.RULE: "stopped early by the tuning job",
    StopReason.USER: "a stop was requested",
    StopReason.DEADLINE: "its runtime exceeded MaxRuntimeInSeconds",
    StopReason.WAIT: "its waiting time exceeded MaxWaitTimeInSeconds",
    StopReason.JOB: "the tuning job is ending",
    StopReason.MAX_RESOURCE: "it has reached MaxResource",
}
"""Why a training job was stopped."""


def whole_course(job: TrainingJob) -> list[Transition]:
    """Every transition of a training job in order, with phases that took no time, each with a message."""
    course: list[Transition] = []
    for transition in job.transitions or (Transition("Starting", job.created),):  # none before its attempt
        before = course[-1].secondary if course else ""
        skipped = _skipped(before, transition.secondary, course)
        course += [Transition(each, transition.start) for each in skipped]
        course.append(transition)
    return [Transition(each.secondary, each.start, _message(each, i)) for i, each in enumerate(course)]


def _skipped(before: str, after: str, course: Sequence[Transition]) -> tuple[str, ...]:
    """The phases between two secondary statuses that follow one another in the record."""
    early = before in ("Starting", "Pending")
    if after == "Training" and early:
        return ("Downloading",)
    if after == "Uploading" and early:
        return "Downloading", "Training"
    if after == "Completed" and before in ("Starting", "Pending", "Downloading", "Training"):
        missing = ("Downloading", "Training", "Uploading")
        return missing[{"Downloading": 1, "Training": 2}.get(before, 0) :]
    if after == "MaxRuntimeExceeded" and before == "Stopping" and _trained(course):
        return ("Uploading",)
    return ()


def _trained(course: Sequence[Transition]) -> bool:
    """Whether the last attempt has been training."""
    for transition in reversed(course):
        if transition.secondary in ("Training", "Starting"):
            return transition.secondary == "Training"
    return False


def _message(transition: Transition, at: int) -> str:
    secondary, given = transition.secondary, transition.message
    message = _MESSAGES.get(secondary, secondary)
    if secondary == "Starting" and at:
        return "Starting the training job again"
    if secondary == "Stopping":
        given = _STOPS.get(given, given)  # type: ignore[call-overload]
    return f"{message}: {given}" if given else message
